"""What do people and their tools read? The events of a bundle as CSV, XLSX and Parquet: copies, never the proof.

The authority is `events.jsonl` with its leaves; a rendering is made from the same bytes, page by page, and its name
says what it is. It is masked as the log itself is: ids, codes and commitments, never personal values.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import xlsxwriter

from .cells import safe

STEM = "events.not-authoritative"
NOTICE = "Not authoritative: made for reading from events.jsonl of the same bundle, which alone is proved by verify.py."
SHEET_ROWS = 1_048_575  # a sheet ends at 1,048,576, and the first names the columns
CELL = 32_767  # characters that a cell of a spreadsheet holds

# What stands in each column, as DICTIONARY.txt says it.
COLUMNS = {
    "index": "The place of the event in the tree, from 0. Places that are not in this file were not asked for or may "
    "not be shown.",
    "when": "When it happened, as the portal was told; where nobody told it, when it was written. UTC.",
    "written_at": "When the database wrote it. UTC.",
    "event": "The id of the event.",
    "type": "What happened, as noun.past: case.claimed, decision.held.",
    "actor": "Who did it: the user name today, or the id where there is none.",
    "account": "The first account it is about, as platform:id; an erased one has no name.",
    "case": "The number of the first case it is about.",
    "decision": "The id of the first decision it is about.",
    "policy": "The code of the first policy it is about.",
    "outcome": "The outcome among its facts, where it is a plain code.",
    "reason_code": "The reason code among its facts, where it is a plain code.",
    "subjects": "Everything it is about, by the names of the log: case:NUMBER account:UUID.",
    "facts": "What else is told of it: JSON, the exact text of the event. Typed text is a commitment, never words.",
    "payload_sha256": "SHA-256 of the bytes reeve/payload/v1, a line break and the event; the leaf holds the same.",
}
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

_ODD = re.compile("[\x00\u0085\u2028\u2029]")  # what a canonical text holds unescaped and a line could end at
_CODE = re.compile(r"[a-z_]{1,32}")
_KNOWN = re.compile(
    r"case:(?P<case>[0-9]{1,18})|decision:(?P<decision>[0-9a-f-]{36})|policy:(?P<policy>[A-Za-z0-9._-]+)"
    r"|(?P<account>account:[0-9a-f-]{36})"
)
_LEAF = re.compile(rb'"ph":"([0-9a-f]{64})".*"t":"([^"]+)"')


class Row(Protocol):
    """A sealed event whose bytes may be shown."""

    @property
    def index(self) -> int: ...
    @property
    def event_id(self) -> str: ...
    @property
    def leaf(self) -> bytes: ...
    @property
    def payload(self) -> bytes | None: ...


Named = Callable[[set[str]], Mapping[str, str]]  # names of the log, such as user:7 → what they are called
Page = dict[str, list[Any]]  # by column; times as text, subjects as lists, the rest text or None


class Reading:
    """Turns rows into columns, each page once however many forms are made of it."""

    def __init__(self, named: Named) -> None:
        self.named = named
        self._rows: Sequence[Row] = ()
        self._page: Page = {}

    def page(self, rows: Sequence[Row]) -> Page:
        """The rows by column; names are asked for once for all of them."""
        if rows is not self._rows:
            self._rows, self._page = rows, _page(rows, self.named)
        return self._page


class Csv:
    """RFC 4180 in UTF-8, every cell quoted, none that a spreadsheet would run."""

    name = f"{STEM}.csv"

    def __init__(self, reading: Reading, folder: Path) -> None:
        self.reading, self.path = reading, folder / "events.csv"
        self.file = self.path.open("x", encoding="utf-8", newline="")
        self.lines = csv.writer(self.file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        self.lines.writerow(COLUMNS)

    def add(self, rows: Sequence[Row]) -> None:
        """Write a page."""
        self.lines.writerows(zip(*_texts(self.reading.page(rows)), strict=True))

    def finish(self) -> Path:
        """Close the file and say where it is."""
        self.file.close()
        return self.path


class Xlsx:
    """A workbook in constant memory: what it is on the first sheet, then the events, sheet after sheet."""

    name = f"{STEM}.xlsx"

    def __init__(self, reading: Reading, folder: Path) -> None:
        self.reading, self.path = reading, folder / "events.xlsx"
        self.book = xlsxwriter.Workbook(
            str(self.path),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
                "tmpdir": str(folder),
            },
        )
        self.book.set_properties({"title": "Events from the log of Reeve", "comments": NOTICE})
        about = self.book.add_worksheet("read first")
        for line, words in enumerate((NOTICE, *(f"{name}: {meaning}" for name, meaning in COLUMNS.items()))):
            about.write_string(line, 0, words)
        self.sheets = 0
        self._next_sheet()

    def add(self, rows: Sequence[Row]) -> None:
        """Write a page, on a further sheet where this one is full."""
        page = self.reading.page(rows)
        texts = [page["index"], *_texts(page)[1:]]
        for cells in zip(*texts, strict=True):
            if self.row == SHEET_ROWS:
                self._next_sheet()
            self.row += 1
            self.sheet.write_number(self.row, 0, cells[0])
            for column, text in enumerate(cells[1:], start=1):
                if text:
                    self.sheet.write_string(self.row, column, text if len(text) <= CELL else _cut(text))

    def finish(self) -> Path:
        """Close the workbook and say where it is."""
        self.book.close()
        return self.path

    def _next_sheet(self) -> None:
        self.sheets += 1
        self.sheet = self.book.add_worksheet(f"events {self.sheets}" if self.sheets > 1 else "events")
        self.sheet.freeze_panes(1, 0)
        self.row = 0
        for column, name in enumerate(COLUMNS):
            self.sheet.write_string(0, column, name)


class Parquet:
    """Typed columns, Zstandard; the parts of each page are put together at the end, in a stream."""

    name = f"{STEM}.parquet"

    def __init__(self, reading: Reading, folder: Path) -> None:
        self.reading, self.path = reading, folder / "events.parquet"
        self.parts = folder / "parquet"
        self.parts.mkdir(mode=0o700)
        self.n = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Write a page as a part."""
        self._write(self.reading.page(rows))

    def finish(self) -> Path:
        """Put the parts together and say where the file is."""
        if not self.n:
            self._write({name: [] for name in COLUMNS})
        parts = sorted(self.parts.iterdir())
        pl.scan_parquet(parts).sink_parquet(self.path, metadata={"notice": NOTICE})
        for part in parts:
            part.unlink()
        self.parts.rmdir()
        return self.path

    def _write(self, page: Page) -> None:
        texts = dict.fromkeys(COLUMNS, pl.String)
        frame = pl.DataFrame(page, schema={**texts, "index": pl.Int64, "subjects": pl.List(pl.String)})
        typed = frame.with_columns(
            pl.col("when", "written_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC"),
            pl.col("case").cast(pl.Int64),
        )
        typed.write_parquet(self.parts / f"{self.n:08d}", compression_level=1)
        self.n += 1


class Dictionary:
    """What each column and each file of the bundle holds, for who has nothing but the bundle."""

    name = "DICTIONARY.txt"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "DICTIONARY.txt"

    def add(self, rows: Sequence[Row]) -> None:
        """It is the same for all rows."""

    def finish(self) -> Path:
        """Write the text and say where it is."""
        wide = max(map(len, COLUMNS))
        told = [f"{name.ljust(wide)}  {meaning}" for name, meaning in COLUMNS.items()]
        self.path.write_text("\n".join((_ABOUT, *told, "")), encoding="utf-8")
        return self.path


_ABOUT = f"""Events of the log of Reeve: what is what.

events.jsonl is the authority: the exact bytes of each event and of its leaf. verify.py checks it without us.
{STEM}.* are copies of it for reading. {NOTICE}
All times are UTC. A cell that a spreadsheet would run as a formula begins with a quote ('). Empty means: not told.
Personal values are never in the log: what somebody typed is kept apart, and a commitment to it stands here.

The columns of the copies:
"""

FORMS: dict[str, Callable[[Reading, Path], Csv | Xlsx | Parquet]] = {"csv": Csv, "xlsx": Xlsx, "parquet": Parquet}


def of(formats: Iterable[str], *, named: Named, folder: Path) -> list[Csv | Xlsx | Parquet | Dictionary]:
    """The renderings of these formats, to be fed page by page, with the dictionary; their files come into `folder`."""
    reading = Reading(named)
    return [*(FORMS[form](reading, folder) for form in FORMS if form in formats), Dictionary(folder)]


def _page(rows: Sequence[Row], named: Named) -> Page:
    page: Page = {name: [] for name in COLUMNS}
    told = []
    for row in rows:
        if row.payload is None:
            raise ValueError(f"leaf {row.index} may not be shown and cannot be rendered")
        text = row.payload.decode()
        event = json.loads(text)
        told.append((row, text, event, _firsts(event["of"])))
    names = named({event["by"] for _, _, event, _ in told} | {of["account"] for *_, of in told if "account" in of})
    for row, text, event, of in told:
        digest, written = _of_leaf(row.leaf)
        page["index"].append(row.index)
        page["when"].append(_utc(event["told"]) if "told" in event else written)
        page["written_at"].append(written)
        page["event"].append(row.event_id)
        page["type"].append(event["type"])
        page["actor"].append(names.get(event["by"], event["by"]))
        page["account"].append(names.get(of.get("account", "")))
        for column in ("case", "decision", "policy"):
            page[column].append(of.get(column))
        for column in ("outcome", "reason_code"):
            word = event["facts"].get(column)
            page[column].append(word if isinstance(word, str) and _CODE.fullmatch(word) else None)
        page["subjects"].append(event["of"])
        page["facts"].append(_facts(text, event["id"]))
        page["payload_sha256"].append(digest)
    return page


def _firsts(names: Iterable[str]) -> dict[str, str]:
    """The first of each kind that has a column of its own."""
    found: dict[str, str] = {}
    for name in names:
        if (known := _KNOWN.fullmatch(name)) and (kind := known.lastgroup):
            found.setdefault(kind, known[kind])
    return found


def _of_leaf(leaf: bytes) -> tuple[str, str]:
    """The hash of the payload and the time of writing, cut out of the canonical bytes, whose keys are sorted."""
    found = _LEAF.search(leaf)
    if found is None:
        raise ValueError("a leaf without the hash of its payload and its time")
    return found[1].decode(), found[2].decode()


def _facts(text: str, event: str) -> str:
    """The facts as they stand in the canonical text, whose keys are sorted; after it come only quoted texts."""
    return text[text.index('"facts":') + 8 : text.rindex(f',"id":"{event}","of":')]


def _utc(told: str) -> str:
    if told.endswith("+00:00") and len(told) in (25, 32):  # nearly all: without or with microseconds
        return f"{told[:-6]}{'.000000' if len(told) == 25 else ''}Z"
    return datetime.fromisoformat(told).astimezone(UTC).strftime(TIME)


def _texts(page: Page) -> list[list[str]]:
    """The page as cells. Ids, times and codes have forms that nothing runs; what may hold anything is made safe."""
    cells = []
    for name, column in page.items():
        if name == "subjects":
            column = [safe(" ".join(names)) for names in column]
        elif name in ("type", "actor", "account"):
            column = [safe(text) for text in column]
        elif name == "facts":  # begins with a brace: only with a line break in it is there more to look at
            column = [safe(text) if _ODD.search(text) else text for text in column]
        else:
            column = ["" if value is None else str(value) for value in column]
        cells.append(column)
    return cells


def _cut(text: str) -> str:
    end = "… (cut here; events.jsonl holds the whole)"
    return text[: CELL - len(end)] + end
