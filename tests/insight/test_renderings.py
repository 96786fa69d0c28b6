"""Do the copies for reading say what the events say, and run nothing?"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import polars as pl
import pytest

from moderation.insight import renderings
from portal.audit.canonical import canonical, payload_hash
from portal.audit.sealing import leaf_of

ACCOUNT = f"account:{uuid4()}"
TOLD = "2026-11-20T12:00:00+00:00"
WRITTEN = datetime(2026, 11, 20, 12, 0, 3, 250_000, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    index: int
    event_id: str
    leaf: bytes
    payload: bytes | None


def row(index: int, *, of: list[str] | None = None, told: str | None = TOLD, **facts: Any) -> Row:
    event_id = uuid4()
    body = {"v": 1, "id": str(event_id), "type": "case.viewed", "by": "user:7", "of": of or ["case:12", ACCOUNT]}
    payload = canonical({**body, "facts": facts, **({"told": told} if told else {})})
    leaf = leaf_of(
        event_id,
        at=WRITTEN,
        type="case.viewed",
        payload_hash=payload_hash(payload),
        subjects=[],
        actor=(b"\x00" * 16, 1, -1),
    )
    return Row(index, str(event_id), leaf, payload)


def named(names: set[str]) -> Mapping[str, str]:
    return {name: said for name, said in {"user:7": "ada", ACCOUNT: "main:=1+1"}.items() if name in names}


def made(form: str, pages: list[list[Row]], folder: Path) -> Path:
    one, _ = renderings.of([form], named=named, folder=folder)
    for page in pages:
        one.add(page)
    return one.finish()


def cells(path: Path) -> dict[str, list[list[str]]]:
    """A workbook as a reader of ours sees it: sheets of rows of texts; a formula would be seen as one."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        names = [
            sheet.get("name") for sheet in ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{space}sheet")
        ]
        found = {}
        for number, name in enumerate(names, start=1):
            sheet = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
            assert not list(sheet.iter(f"{space}f"))
            found[str(name)] = [
                ["".join(cell.itertext()) for cell in line.iter(f"{space}c")] for line in sheet.iter(f"{space}row")
            ]
    return found


def test_it_tells_every_column_of_an_event(tmp_path):
    event = row(41, of=["case:12", "decision:" + str(uuid4()), "policy:SPM-1.2", ACCOUNT], outcome="suspend", n=3)

    path = made("csv", [[event]], tmp_path)

    assert event.payload is not None
    [told] = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    assert list(told) == list(renderings.COLUMNS)
    assert told["index"] == "41"
    assert told["when"] == "2026-11-20T12:00:00.000000Z"
    assert told["written_at"] == "2026-11-20T12:00:03.250000Z"
    assert (told["event"], told["type"], told["actor"]) == (event.event_id, "case.viewed", "ada")
    assert (told["case"], told["policy"], told["outcome"]) == ("12", "SPM-1.2", "suspend")
    assert json.loads(told["facts"]) == {"outcome": "suspend", "n": 3}
    assert told["payload_sha256"] == payload_hash(event.payload).hex()


def test_it_is_csv_of_rfc_4180(tmp_path):
    body = made("csv", [[row(0), row(1)]], tmp_path).read_bytes()

    assert body.count(b"\r\n") == 3
    assert body.endswith(b'"\r\n')
    assert b"\n" not in body.replace(b"\r\n", b"")


HOSTILE = ["=1+1", "a\u2028=1", "\u0085@x", '",\n=1', "\ttab", "\x00=1", ',"id":"x","of":', "لا 𝒳"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_runs_in_no_form_and_stays_the_exact_text(text, tmp_path):
    event = row(0, detail=text)
    facts = canonical({"detail": text}).decode()

    told = csv.DictReader(io.StringIO(made("csv", [[event]], tmp_path).read_text(encoding="utf-8"), newline=""))
    sheet = cells(made("xlsx", [[event]], tmp_path))["events"][1]
    frame = pl.read_parquet(made("parquet", [[event]], tmp_path))

    [line] = told
    assert line["facts"].removeprefix("'") == facts
    assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in (*line.values(), *sheet))
    assert frame["facts"].to_list() == [facts]
    assert json.loads(frame["facts"][0]) == {"detail": text}


def test_the_facts_are_cut_out_exactly_whatever_stands_in_them(tmp_path):
    event_id = uuid4()
    inner = {"facts": {"id": str(event_id), "of": [1]}, "x": {"a": 1, "id": str(event_id), "of": []}}
    body = {"v": 1, "id": str(event_id), "type": "case.viewed", "by": "user:7", "of": ["case:1"], "facts": inner}
    event = Row(0, str(event_id), row(0).leaf, canonical(body))

    [line] = csv.DictReader(io.StringIO(made("csv", [[event]], tmp_path).read_text(encoding="utf-8"), newline=""))

    assert json.loads(line["facts"]) == inner


def test_it_falls_back_to_the_time_of_writing(tmp_path):
    frame = pl.read_parquet(made("parquet", [[row(0, told=None)]], tmp_path))

    assert frame["when"].to_list() == frame["written_at"].to_list() == [WRITTEN]


def test_parquet_is_typed_and_says_that_it_is_no_proof(tmp_path):
    path = made("parquet", [[row(0), row(1)], [row(2)]], tmp_path)

    schema = pl.read_parquet_schema(path)
    assert schema["index"] == schema["case"] == pl.Int64
    assert schema["when"] == pl.Datetime("us", "UTC")
    assert schema["subjects"] == pl.List(pl.String)
    assert pl.read_parquet(path)["index"].to_list() == [0, 1, 2]
    assert pl.read_parquet_metadata(path)["notice"] == renderings.NOTICE
    assert [left.name for left in tmp_path.iterdir()] == ["events.parquet"]


def test_a_workbook_goes_on_on_the_next_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(renderings, "SHEET_ROWS", 3)

    book = cells(made("xlsx", [[row(index) for index in range(4)], [row(index) for index in range(4, 8)]], tmp_path))

    assert list(book) == ["read first", "events", "events 2", "events 3"]
    assert book["read first"][0] == [renderings.NOTICE]
    assert [line[0] for sheet in list(book)[1:] for line in book[sheet][1:]] == [str(index) for index in range(8)]
    assert all(book[sheet][0] == list(renderings.COLUMNS) for sheet in list(book)[1:])


def test_a_text_that_no_cell_holds_is_cut_and_says_so(tmp_path):
    book = cells(made("xlsx", [[row(0, detail="x" * 40_000)]], tmp_path))

    longest = max(book["events"][1], key=len)
    assert len(longest) == renderings.CELL
    assert longest.endswith("events.jsonl holds the whole)")


@pytest.mark.parametrize("form", list(renderings.FORMS))
def test_nothing_to_show_is_an_empty_table(form, tmp_path):
    path = made(form, [], tmp_path)

    if form == "csv":
        assert list(csv.reader(io.StringIO(path.read_text()))) == [list(renderings.COLUMNS)]
    elif form == "xlsx":
        assert cells(path)["events"] == [list(renderings.COLUMNS)]
    else:
        assert pl.read_parquet(path).columns == list(renderings.COLUMNS)


def test_names_are_asked_for_once_a_page_for_all_forms(tmp_path):
    asked = []
    made = renderings.of(
        ["parquet", "csv", "xlsx"], named=lambda names: (asked.append(names), named(names))[1], folder=tmp_path
    )
    for page in ([row(0), row(1)], [row(2)]):
        for one in made:
            one.add(page)

    assert [one.name for one in made] == [
        "events.not-authoritative.csv",
        "events.not-authoritative.xlsx",
        "events.not-authoritative.parquet",
        "DICTIONARY.txt",
    ]
    assert asked == [{"user:7", ACCOUNT}] * 2
    dictionary = made[-1].finish().read_text()
    assert all(f"\n{name} " in dictionary for name in renderings.COLUMNS)
    for one in made[:-1]:
        one.finish()
