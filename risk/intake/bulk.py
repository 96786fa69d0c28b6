"""What stands in this file?

Signals out of NDJSON, CSV or Parquet, also gzipped, with the line of each; bad lines stay single.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import polars as pl

from .mapping import Map
from .schema import MAX_BYTES, BadSignal

FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}
PARQUET_ROWS = 5000
SHOWN = 2000  # characters of an unreadable line that are kept in the file of rejects


class BadFile(ValueError):
    """A file that cannot be read as a whole; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number from 1, the raw signal or why there is none, what stood there, its length in
    bytes."""

    number: int
    raw: Any
    input: Any
    size: int | None = None


def format_of(path: Path) -> str:
    """ndjson, csv or parquet, by the name without `.gz`. Raises `BadFile` for other names."""
    bare = path.with_suffix("") if path.suffix == ".gz" else path
    found = FORMATS.get(bare.suffix.lower())
    if found is None:
        raise BadFile(f"{path.name} is none of .ndjson, .csv, .parquet (each also .gz).")
    return found


def lines(path: Path, told: Map | None, *, source: str, note: Callable[[str], None]) -> Iterator[Line]:
    """The signals of a file, line by line.

    `source` names who tells where a line does not; `note` hears of unused columns. Raises `BadFile` if the file or
    its header cannot be read.
    """
    kind = format_of(path)
    if not path.is_file():
        raise BadFile(f"There is no file {path}.")
    if kind == "csv" and told is None:
        raise BadFile("A CSV file needs a map that says where each part of a signal comes from: --map MAP.toml.")
    reader = {"ndjson": _ndjson, "csv": _csv, "parquet": _parquet}[kind]
    try:
        yield from reader(path, told, source, note)
    except (OSError, EOFError, pl.exceptions.PolarsError, gzip.BadGzipFile) as error:
        raise BadFile(f"{path.name} cannot be read: {error}") from None


def parse(text: bytes, *, source: str = "") -> Any:
    """The JSON in these bytes, or a `BadSignal` that says why there is none.

    An object without a source gets this one.
    """
    try:
        raw = json.loads(text)
    except UnicodeDecodeError as error:
        return BadSignal("$", f"this is not UTF-8: byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return BadSignal("$", f"this is not JSON: {error.msg} at character {error.pos + 1}")
    except RecursionError:
        return BadSignal("$", "this is nested too deep")
    except ValueError:
        return BadSignal("$", "this holds a number that is too long")
    if source and isinstance(raw, dict):
        raw.setdefault("source", source)
    return raw


def _ndjson(path: Path, told: Map | None, source: str, note: Callable[[str], None]) -> Iterator[Line]:
    with _open(path) as stream:
        number = 0
        while text := stream.readline(MAX_BYTES + 2):
            number += 1
            size = len(text.rstrip(b"\r\n"))
            while not text.endswith(b"\n") and (more := stream.readline(MAX_BYTES)):
                size += len(more.rstrip(b"\r\n"))
                if more.endswith(b"\n"):
                    break
            if not text.strip():
                continue
            shown = text[:SHOWN].decode(errors="replace")
            if size > MAX_BYTES:
                yield Line(
                    number, BadSignal("$", f"the line has {size:,} bytes; at most {MAX_BYTES:,} are taken"), shown
                )
                continue
            raw = parse(text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text, source="" if told else source)
            if told is not None and isinstance(raw, dict):
                yield Line(number, _mapped(told, raw), raw, size)
            else:
                yield Line(number, raw, shown if isinstance(raw, BadSignal) else raw, size)


def _csv(path: Path, told: Map | None, source: str, note: Callable[[str], None]) -> Iterator[Line]:
    assert told is not None
    with _open(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader)
        except (StopIteration, csv.Error):
            raise BadFile(f"{path.name} has no header line.") from None
        _check_header(told, header, note)
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number, BadSignal("$", f"this is not CSV: {error}"), None)
                continue
            if not cells:
                continue
            if len(cells) != len(header):
                yield Line(number, BadSignal("$", f"the line has {len(cells)} cells, the header {len(header)}"), cells)
                continue
            row = dict(zip(header, cells, strict=True))
            yield Line(number, _mapped(told, row), row)


def _parquet(path: Path, told: Map | None, source: str, note: Callable[[str], None]) -> Iterator[Line]:
    with _plain(path) as plain:
        table = pl.scan_parquet(plain)
        header = table.collect_schema().names()
        if told is not None:
            _check_header(told, header, note)
        at = 0
        while rows := table.slice(at, PARQUET_ROWS).collect().to_dicts():
            for offset, row in enumerate(rows):
                shown = _json_of(row)
                if told is None:
                    raw = {key: value for key, value in shown.items() if value is not None}
                    if source:
                        raw.setdefault("source", source)
                    yield Line(at + offset + 1, raw, shown)
                else:
                    yield Line(at + offset + 1, _mapped(told, row), shown)
            at += len(rows)


def _mapped(told: Map, row: dict[str, Any]) -> Any:
    try:
        return told.signal_of(row)
    except BadSignal as bad:
        return bad


def _check_header(told: Map, header: list[str], note: Callable[[str], None]) -> None:
    if missing := told.missing(header):
        raise BadFile(f"The map reads the column {missing[0]}, which the file does not have.")
    if unused := told.unused(header):
        note(f"Not used: {', '.join(unused)} (name them under [ignore] if that is meant).")


def _json_of(value: Any) -> Any:
    """A value of Parquet as JSON: times as ISO text, absent parts of an object left out."""
    if isinstance(value, dict):
        return {key: _json_of(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_json_of(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value.hex() if isinstance(value, bytes) else value


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        yield stream  # type: ignore[misc]


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """A Parquet file is read from its end: a gzipped one is unpacked into a temporary file first."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as unpacked, gzip.open(path, "rb") as packed:
        shutil.copyfileobj(packed, unpacked)
        unpacked.flush()
        yield Path(unpacked.name)
