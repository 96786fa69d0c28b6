"""Does no page, file, log line or table show what nobody asked to see? Small here; at full size in `make faults`."""

from __future__ import annotations

import base64
import html
import io
import json
import zipfile
from urllib.parse import quote

import pytest

from tests.faults.leaks import Told, Walk, World, plant, play
from tests.faults.seeking import found_in

TOKEN = "zqi00042"


def zipped(body):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("events.jsonl", body)
    return file.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        f"<p>{TOKEN}</p>".encode(),
        b"<p>lu_<b>zqi</b><span class='point'>U+202E</span>00042</p>",
        f"<p>{TOKEN[:4]}\u202e{TOKEN[4:]}</p>".encode(),
        "".join(f"&#{ord(char)};" for char in TOKEN).encode(),
        html.escape(f"<{TOKEN}>").encode(),
        json.dumps({"x": f"Å{TOKEN}"}).encode(),
        ('{"x": "' + "".join(f"\\u{ord(char):04x}" for char in TOKEN) + '"}').encode(),
        "".join(f"%{ord(char):02X}" for char in TOKEN).encode(),
        quote(f"x {TOKEN}@post.example").encode(),
        b'{"payload": "' + base64.b64encode(f'{{"note":"{TOKEN}"}}'.encode()) + b'"}',
        b"\\x" + f'{{"note":"{TOKEN} again"}}'.encode().hex().encode(),
        zipped(f'{{"note":"{TOKEN}"}}'),
        zipped(base64.b64encode(f'{{"note":"{TOKEN}"}}'.encode())),
        TOKEN.upper().encode(),
    ],
)
def test_the_search_finds_a_value_however_it_is_written(body):
    assert TOKEN in found_in(body)


def test_the_search_finds_phones_dates_and_addresses():
    assert found_in(b"call +99 7003 13 00007 or 1931-02-03 from 2001:db8:dad::7") == {
        "9970031300007",
        "1931-02-03",
        "2001:db8:dad::7",
    }


def test_the_search_finds_nothing_in_what_is_masked():
    assert found_in("lu•••idden, •••, 2026-11-20".encode()) == set()


@pytest.mark.usefixtures("real_commits")
def test_the_walk_would_notice(settings, tmp_path):
    """A handle that stands where its mask should, on the account's page and in the API's card."""
    from risk.intake.models import Account

    settings.DATA_DIR, settings.SIGNER_DIR = tmp_path, tmp_path / "signer"
    world, told = World(), Told()
    plant(world, accounts=1)
    Account.objects.update(handle_shown="lu_zqi00001_hidden")
    walk = Walk(world, told, seed=1)

    for door in walk.doors:
        if door.name in ("account", "api-account"):
            walk.ask(door, "analyst")

    assert [leak.split(" for ")[0] for leak in told.leaks] == ["zqi00001 on api-account", "zqi00001 on account"]


@pytest.mark.slow
@pytest.mark.usefixtures("real_commits")
def test_nothing_shows_what_nobody_asked_to_see():
    told, _ = play(pages=1500, accounts=10, reveals=40)

    assert sorted(set(told.leaks)) == []
    assert told.lost == []
    assert {line: said for line, (held, said) in told.holds(1500).items() if not held} == {}
