"""How does a foreign row become a signal? By a small TOML map: where each part comes from, and as which type. Pure."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .schema import BadSignal

TRUE = frozenset({"1", "true", "t", "yes", "y"})
FALSE = frozenset({"0", "false", "f", "no", "n"})
TYPES = ("int", "float", "bool", "date", "time", "millis", "text")
TYPE_OF_ATTRIBUTE = {"decimal": "float", "code": "text"}
SECTIONS = {"signal", "account", "attributes", "data", "links", "scores", "ignore"}


class BadMap(ValueError):
    """A map file that cannot be followed; the sentence says where."""


@dataclass(frozen=True)
class Source:
    """Where a part comes from: a constant, or a column with a type."""

    path: str  # where it stands in the signal
    constant: Any = None
    column: str = ""
    type: str = "text"
    zone: str = ""
    true: frozenset[str] = TRUE
    false: frozenset[str] = FALSE

    def read(self, row: Mapping[str, Any]) -> Any:
        """The value for one row, None where there is nothing. Raises `BadSignal` where the cell is not of the type."""
        if not self.column:
            return self.constant
        cell = row.get(self.column)
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        try:
            return _READERS[self.type](self, cell)
        except (ValueError, TypeError, OverflowError):
            shown = str(cell)[:40]
            raise BadSignal(self.path, f"column {self.column}: “{shown}” is not {_NOUN[self.type]}") from None


@dataclass(frozen=True)
class Map:
    """A map file, read: each part of a signal and where it comes from."""

    signal: dict[str, Source]
    account: dict[str, Source]
    attributes: dict[str, Source]
    data: dict[str, Source]
    links: list[tuple[str, Source]]
    scores: list[tuple[str, str, Source]]
    ignore: frozenset[str] = frozenset()
    columns: frozenset[str] = field(default_factory=frozenset)

    def unused(self, header: list[str]) -> list[str]:
        """Columns of the file that the map neither reads nor ignores."""
        return [name for name in header if name not in self.columns and name not in self.ignore]

    def missing(self, header: list[str]) -> list[str]:
        """Columns that the map reads and the file does not have."""
        return sorted(self.columns - set(header))

    def signal_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The raw signal of a row. Raises `BadSignal` for a cell that is not what the map says."""
        raw = {key: value for key, source in self.signal.items() if (value := source.read(row)) is not None}
        if "external_id" not in self.signal:
            raw["external_id"] = digest_of(row)
        account = {key: value for key, source in self.account.items() if (value := source.read(row)) is not None}
        account["attributes"] = {
            key: value for key, source in self.attributes.items() if (value := source.read(row)) is not None
        }
        raw["account"] = account
        raw["data"] = {key: value for key, source in self.data.items() if (value := source.read(row)) is not None}
        raw["links"] = [
            {"kind": kind, "value": str(value)}
            for kind, source in self.links
            if (value := source.read(row)) is not None
        ]
        raw["scores"] = [
            {"risk_type": kind, "model": model, "score": value}
            for kind, model, source in self.scores
            if (value := source.read(row)) is not None
        ]
        return raw


def digest_of(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row: the name of a line that has none."""
    return hashlib.sha256(json.dumps(list(row.items()), default=str).encode(errors="surrogatepass")).hexdigest()


def read_map(text: str, *, source: str, known: Mapping[str, str]) -> Map:
    """The map in this TOML text.

    `source` names who tells, where the file does not; `known` are the types of attributes. Raises `BadMap` with a
    sentence.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMap(f"The map is not TOML: {error}") from None
    return map_of(told, source=source, known=known)


def map_of(told: Mapping[str, Any], *, source: str, known: Mapping[str, str]) -> Map:
    """The map in these tables. Raises `BadMap` with a sentence."""
    if unknown := set(told) - SECTIONS:
        raise BadMap(f"The map has a section [{sorted(unknown)[0]}]; there are {', '.join(sorted(SECTIONS))}.")
    signal = {key: _source(f"$.{key}", value) for key, value in told.get("signal", {}).items()}
    if unknown := set(signal) - {"source", "external_id", "kind", "occurred_at"}:
        raise BadMap(f"[signal] has no part called {sorted(unknown)[0]}.")
    signal.setdefault("source", Source("$.source", constant=source))
    account = {key: _source(f"$.account.{key}", value) for key, value in told.get("account", {}).items()}
    for section, parts, needed in (
        ("signal", signal, ("kind", "occurred_at")),
        ("account", account, ("platform", "id")),
    ):
        if absent := [name for name in needed if name not in parts]:
            raise BadMap(f"[{section}] must say where {' and '.join(absent)} come from.")
    attributes = {
        key: _typed(f"$.account.attributes.{key}", key, value, known)
        for key, value in told.get("attributes", {}).items()
    }
    data = {key: _source(f"$.data.{key}", value, short=True) for key, value in told.get("data", {}).items()}
    links = [(kind, _source("$.links", value, short=True)) for kind, value in told.get("links", {}).items()]
    scores = [
        (
            kind,
            str(value.get("model", "imported")),
            _source("$.scores", {"column": value.get("column"), "type": "float"}),
        )
        for kind, value in told.get("scores", {}).items()
    ]
    pieces = [*signal.values(), *account.values(), *attributes.values(), *data.values()]
    pieces += [source for _, source in links] + [source for _, _, source in scores]
    columns = frozenset(part.column for part in pieces if part.column)
    return Map(
        signal, account, attributes, data, links, scores, frozenset(told.get("ignore", {}).get("columns", [])), columns
    )


def _typed(path: str, name: str, value: Any, known: Mapping[str, str]) -> Source:
    kind = known.get(name, "text")
    default = TYPE_OF_ATTRIBUTE.get(kind, kind)
    if isinstance(value, str):
        return Source(path, column=value, type=default)
    return _source(path, {"type": default, **value} if isinstance(value, dict) else value)


def _source(path: str, value: Any, *, short: bool = False) -> Source:
    """A constant, `{column = "…", type = "…"}`, or (`short`) the name of a column."""
    if short and isinstance(value, str):
        return Source(path, column=value)
    if not isinstance(value, dict):
        return Source(path, constant=_constant(value))
    if not isinstance(value.get("column"), str):
        raise BadMap(f'{path}: write a constant or {{column = "…"}}.')
    if unknown := set(value) - {"column", "type", "true", "false", "zone"}:
        raise BadMap(f"{path}: there is no {sorted(unknown)[0]} beside a column.")
    kind = value.get("type", "text")
    if kind not in TYPES:
        raise BadMap(f"{path}: the type {kind} is none of {', '.join(TYPES)}.")
    yes, no = (frozenset(map(str, value[word])) if word in value else None for word in ("true", "false"))
    if yes is not None and no is None:  # whoever names what is true means that the rest is false
        no = frozenset()
    return Source(path, None, value["column"], kind, value.get("zone", ""), yes or TRUE, FALSE if no is None else no)


def _constant(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return datetime(value.year, value.month, value.day, tzinfo=UTC).isoformat() if isinstance(value, date) else value


def _int(source: Source, cell: Any) -> int:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return int(str(cell).strip().replace("_", "x"))


def _bool(source: Source, cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    word = str(cell).strip()
    if word in source.true or (source.true is TRUE and word.lower() in TRUE):
        return True
    if not source.false or word in source.false or word.lower() in source.false:
        return False
    raise ValueError(word)


def _date(source: Source, cell: Any) -> str:
    return cell.isoformat()[:10] if isinstance(cell, date) else date.fromisoformat(str(cell).strip()[:10]).isoformat()


def _time(source: Source, cell: Any) -> str:
    """A time as ISO text; one without a zone gets the map's, and where the map has none it stays without and is
    refused later."""
    at = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell).strip())
    if at.tzinfo is None and source.zone:
        at = at.replace(tzinfo=ZoneInfo(source.zone))
    return at.isoformat()


def _millis(source: Source, cell: Any) -> str:
    """Milliseconds since 1970, as ISO text."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(str(cell).strip()))).isoformat()


_READERS: dict[str, Any] = {
    "int": _int,
    "float": lambda source, cell: float(cell),
    "bool": _bool,
    "date": _date,
    "time": _time,
    "millis": _millis,
    "text": lambda source, cell: _time(source, cell) if source.zone or isinstance(cell, datetime) else str(cell),
}
_NOUN = {
    "int": "a whole number",
    "float": "a number",
    "bool": "yes or no",
    "date": "a day",
    "time": "a time",
    "millis": "a time in milliseconds since 1970",
    "text": "a text",
}
