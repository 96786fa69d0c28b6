"""How do files get in? NDJSON, CSV and Parquet, gzipped or not; every rejected line named; twice is once."""

from __future__ import annotations

import csv
import gzip
import json
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from risk.intake import actions
from risk.intake.models import Account, Signal
from tests.intake.bad import BAD, good
from tests.make import NOON

MAP = """
[signal]
kind = "login"
external_id = { column = "ref" }
occurred_at = { column = "at", zone = "UTC" }
[account]
platform = "main"
id = { column = "who" }
[attributes]
followers_count = "followers"
verified = { column = "ok", type = "bool", true = ["Y"] }
[data]
network = "net"
seconds = { column = "secs", type = "int" }
[links]
device = "dev"
[ignore]
columns = ["junk"]
"""
NAMES = ("ref", "at", "who", "followers", "ok", "net", "secs", "dev", "junk")
ROWS = [
    dict(zip(NAMES, ("1", "2026-11-19 08:00:00", "a", "12", "Y", "mobile", "7", "d", ""), strict=True)),
    dict(zip(NAMES, ("2", "2026-11-19 08:00:01", "b", "", "N", "", "", "", "x"), strict=True)),
]


@pytest.fixture(autouse=True)
def kinds(system: Any) -> Any:
    actions.ship(by=system, now=NOON)
    return system


def load(file: Path, **options: Any) -> tuple[str, int]:
    """What `manage.py load` says last, and its exit status."""
    out = StringIO()
    try:
        call_command("load", str(file), stdout=out, stderr=StringIO(), **options)
    except SystemExit as left:
        return out.getvalue().strip(), int(left.code or 0)
    except CommandError as error:
        return str(error), error.returncode
    return out.getvalue().strip(), 0


def rejected(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.with_name(file.name + ".rejected.ndjson").read_text().splitlines()]


def write_map(folder: Path, text: str = MAP) -> Path:
    path = folder / "map.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_it_takes_nine_and_a_half_of_ten_thousand_and_names_the_others(tmp_path: Path, packed: bool) -> None:
    examples = list(BAD.values())
    wrong = dict(zip(range(20, 10_001, 20), (examples[at % len(examples)] for at in range(500)), strict=True))
    lines = [wrong[n][0] if n in wrong else json.dumps(good(external_id=f"e{n}")) for n in range(1, 10_001)]
    file = tmp_path / ("signals.ndjson.gz" if packed else "signals.ndjson")
    body = "\n".join(lines).encode()
    file.write_bytes(gzip.compress(body) if packed else body)

    assert load(file) == ("accepted 9500 duplicates 0 rejected 500", 1)
    assert load(file) == ("accepted 0 duplicates 9500 rejected 500", 1)

    told = rejected(file)
    assert [row["line"] for row in told] == sorted(wrong)
    assert [row["path"] for row in told] == [wrong[row["line"]][1] for row in told]
    assert all(row["reason"] and "input" in row for row in told)
    assert len(examples) >= 12


def test_it_follows_a_map_over_csv(tmp_path: Path) -> None:
    file = tmp_path / "old-tool.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)

    assert load(file, map=write_map(tmp_path)) == ("accepted 2 duplicates 0 rejected 0", 0)

    first, second = Signal.objects.order_by("external_id")
    assert (first.source, first.kind, first.occurred_at.isoformat()) == (
        "old-tool",
        "login",
        "2026-11-19T08:00:00+00:00",
    )
    assert (first.data, first.attributes) == (
        {"network": "mobile", "seconds": 7},
        {"followers_count": 12, "verified": True},
    )
    assert (second.data, second.attributes) == ({}, {"verified": False})
    assert Account.objects.get(external_id="a").links.get().kind == "device"
    assert not (tmp_path / "old-tool.csv.rejected.ndjson").exists()


def test_it_names_the_line_and_column_of_a_cell_that_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    bad = [ROWS[0] | {"ref": "3", "followers": "many"}, ROWS[0] | {"ref": "4", "at": "noonish"}]
    text = "\n".join(
        [
            ",".join(ROWS[0]),
            *(",".join(row.values()) for row in [ROWS[0], *bad]),
            "1,2",
            ROWS[1]["ref"] + ',"x"y,,,,,,,',
        ]
    )
    file.write_text(text)

    assert load(file, map=write_map(tmp_path)) == ("accepted 1 duplicates 0 rejected 4", 1)
    assert [(row["line"], row["path"]) for row in rejected(file)] == [
        (3, "$.account.attributes.followers_count"),
        (4, "$.occurred_at"),
        (5, "$"),
        (6, "$"),
    ]
    assert rejected(file)[0]["input"]["followers"] == "many"


@pytest.mark.parametrize("name", ["f.parquet", "f.parquet.gz"])
def test_it_reads_parquet_of_whole_signals_and_of_mapped_columns(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    plain = tmp_path / "plain.parquet"
    pl.DataFrame([good(external_id=f"p{at}") for at in range(7)]).write_parquet(plain)
    file.write_bytes(gzip.compress(plain.read_bytes()) if name.endswith(".gz") else plain.read_bytes())
    assert load(file) == ("accepted 7 duplicates 0 rejected 0", 0)

    pl.DataFrame(ROWS).with_columns(pl.col("at").str.to_datetime()).write_parquet(plain)
    file.write_bytes(gzip.compress(plain.read_bytes()) if name.endswith(".gz") else plain.read_bytes())
    assert load(file, map=write_map(tmp_path)) == ("accepted 2 duplicates 0 rejected 0", 0)


def test_a_line_without_an_id_is_named_by_its_own_digest(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("\n".join([",".join(ROWS[0]), *(",".join(row.values()) for row in [*ROWS, ROWS[0]])]))
    text = MAP.replace('external_id = { column = "ref" }', "").replace('["junk"]', '["junk", "ref"]')

    assert load(file, map=write_map(tmp_path, text)) == ("accepted 2 duplicates 1 rejected 0", 0)
    assert len(Signal.objects.first().external_id) == 64


def test_the_source_is_what_the_line_says_and_only_else_the_option(tmp_path: Path) -> None:
    file = tmp_path / "day-one.ndjson"
    file.write_text(
        "\n".join(json.dumps(good(external_id=str(at), source=source)) for at, source in enumerate(["said", ...]))
    )

    assert load(file) == ("accepted 1 duplicates 0 rejected 1", 1)
    assert load(file, source="option") == ("accepted 1 duplicates 1 rejected 0", 0)
    assert set(Signal.objects.values_list("source", flat=True)) == {"said", "option"}


@pytest.mark.parametrize(
    ("name", "body", "map_text", "sentence"),
    [
        ("f.csv", "a,b\n1,2\n", None, "needs a map"),
        ("f.xml", "<a/>", None, "none of .ndjson, .csv, .parquet"),
        ("f.csv", "a,b\n1,2\n", MAP, "The map reads the column at"),
        ("f.csv", "a\n1\n", "[signal]\nkind = 1", "must say where occurred_at"),
        ("f.csv", "a\n1\n", "[signal", "not TOML"),
        ("f.csv", "a\n1\n", "[colours]", "section [colours]"),
        ("f.ndjson.gz", "no gzip", None, "cannot be read"),
        ("f.parquet", "no parquet", None, "cannot be read"),
    ],
)
def test_it_says_in_one_sentence_why_a_file_or_map_cannot_be_followed(
    tmp_path: Path, name: str, body: str, map_text: str | None, sentence: str
) -> None:
    file = tmp_path / name
    file.write_text(body)

    said, status = load(file, **({"map": write_map(tmp_path, map_text)} if map_text else {}))

    assert (sentence in said, status) == (True, 2)
    assert "\n" not in said


def test_it_says_that_there_is_no_such_file(tmp_path: Path) -> None:
    assert load(tmp_path / "absent.ndjson")[1] == 2


def test_it_says_which_lines_and_where_their_reasons_stand(tmp_path: Path) -> None:
    file, told = tmp_path / "rubbish.ndjson", StringIO()
    file.write_text("nobody@example.org\n" * 7)

    with pytest.raises(SystemExit):
        call_command("load", str(file), stdout=StringIO(), stderr=told)

    said = told.getvalue()
    assert "line 1 at $, line 2 at $, line 3 at $, line 4 at $, line 5 at $ and 2 more" in said
    assert f"{file}.rejected.ndjson" in said
    assert "nobody" not in said
