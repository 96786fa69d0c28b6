"""Does an export hold exactly what was asked for, and does it prove that?"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from django.db import transaction
from django.utils import timezone

from moderation.insight import exports
from portal.audit import actions as audit
from portal.audit.canonical import payload_hash
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.people import actions as people
from portal.people.models import User
from tests import make
from tests.insight.conftest import decide

from .exported import copies_of, events_of, everything_in, lines_of, verified

pytestmark = pytest.mark.usefixtures("data_dir")


def test_it_holds_the_exact_bytes_of_every_event(made, ada, vera):
    decide(ada)

    export, found = made(vera)

    stored = {str(event.pk): event for event in AuditEvent.objects.all()}
    lines = lines_of(found)
    assert len(lines) == export.done == export.total
    for line in lines:
        payload, leaf = base64.b64decode(line["payload"]), json.loads(base64.b64decode(line["leaf"]))
        assert payload == bytes(stored[leaf["id"]].payload)
        assert leaf["ph"] == payload_hash(payload).hex()
    assert {"decision.held", "export.requested", "export.started"} <= {event["type"] for event in events_of(found)}


def test_a_stranger_verifies_it_with_python_and_the_key(made, ada, vera, tmp_path):
    made_of = decide(ada)
    asked = [{}, {"account": f"main:{made_of.account.external_id}"}, {"actor": "ada", "type": "case"}]
    for number, filter in enumerate(asked):
        export, _ = made(vera, formats=["csv", "xlsx", "parquet"], **filter)
        folder = tmp_path / str(number)
        folder.mkdir()

        code, said = verified(exports.folder() / export.path, folder)

        assert (code, said.splitlines()[-1]) == (0, "SOUND"), said
        assert "yearly check" in said


def edited(path: Path, name: str, content: bytes) -> Path:
    """The same zip with other bytes in one of its files."""
    other = path.with_name("edited.zip")
    with zipfile.ZipFile(path) as found, zipfile.ZipFile(other, "w") as target:
        for info in found.infolist():
            target.writestr(info, content if info.filename == name else found.read(info.filename))
    return other


@pytest.mark.parametrize("name", ["events.jsonl", "events.not-authoritative.csv", "DICTIONARY.txt"])
def test_an_edited_one_does_not_verify(made, ada, vera, tmp_path, name):
    decide(ada)
    export, found = made(vera, formats=["csv"])
    content = found.read(name)
    changed = content.replace(b"leaf", b"lead", 1) if name == "events.jsonl" else content.replace(b"i", b"j", 1)
    (tmp_path / "out").mkdir()

    code, said = verified(edited(exports.folder() / export.path, name, changed), tmp_path / "out")

    assert code == 1, said
    assert "NOT SOUND" in said


def test_it_holds_what_the_filter_says_and_the_leaves_around_it(made, ada, vera, person):
    milo = person("milo", "reviewer")
    mine, other = decide(ada), decide(milo)

    by_actor = made(vera, actor="ada")[1]
    by_case = made(vera, case=str(other.case_id))[1]
    by_account = made(vera, account=f"main:{mine.account.external_id}")[1]
    by_policy = made(vera, policy="SPM-1.1", type="decision.held")[1]

    assert {event["by"] for event in events_of(by_actor)} == {ada.audit_name}
    assert all(f"case:{other.case_id}" in event["of"] for event in events_of(by_case))
    assert mine.account.audit_name.encode() in everything_in(by_account)
    assert other.account.audit_name.encode() not in everything_in(by_account)
    assert [event["type"] for event in events_of(by_policy)] == ["decision.held"] * 2
    whole = AuditEvent.objects.filter(subjects__contains=["policy:SPM-1.1"]).exclude(type__startswith="export.")
    assert len(lines_of(by_policy)) == whole.count() + 1  # and the asking itself names the policy


def test_a_day_reaches_from_the_first_leaf_to_the_last_that_can_fit(made, ada, vera):
    account = make.make_row_account()
    with transaction.atomic():
        for minute in range(6):
            audit.record(Event.ACCOUNT_VIEWED, by="user:1", of=account, now=make.NOON + timedelta(days=minute - 3))

    found = made(vera, formats=["csv"], **{"from": "2026-11-19", "to": "2026-11-20"})[1]
    nothing = made(vera, formats=["csv"], **{"from": "2019-11-19", "to": "2019-11-20"})[1]

    told = [event["told"][:10] for event in events_of(found) if event["type"] == "account.viewed"]
    assert told == ["2026-11-19", "2026-11-20"]
    assert [row["when"][:10] for row in copies_of(found) if row["type"] == "account.viewed"] == told
    assert json.loads(nothing.read("manifest.json"))["counts"]["leaves"] == 0
    assert copies_of(nothing) == []


def test_it_hides_the_lanes_of_who_asked(made, ruth, ben, vera):
    case = make.make_case(at="claimed", by=ruth, risk_type="underage")
    decision = make.make_decision(at="released", by=ruth, case=case)
    secret = AuditEvent.objects.filter(subjects__contains=[case.audit_name])
    ids = [str(pk).encode() for pk in secret.values_list("pk", flat=True)]
    formats = ["csv", "xlsx", "parquet"]

    asked = [{}, {"actor": "ruth"}, {"account": f"main:{case.account.external_id}"}, {"type": "case"}]
    whole = [everything_in(made(ben, formats=formats, **filter)[1]) for filter in asked]
    known = everything_in(made(ruth_as_auditor(ruth), formats=formats)[1])

    assert len(ids) > 3
    names = [*ids, case.audit_name.encode(), decision.audit_name.encode()]
    assert [(number, name) for number, one in enumerate(whole) for name in names if name in one] == []
    assert all(name in known for name in names)


def ruth_as_auditor(ruth):
    people.grant(ruth, "auditor", by=User.objects.service("system"), now=timezone.now())
    return User.objects.get(pk=ruth.pk)


def test_every_form_says_the_same(made, ada, vera):
    decide(ada)

    export, found = made(vera, formats=["csv", "xlsx", "parquet"], actor="ada")

    frame = pl.read_parquet(io.BytesIO(found.read("events.not-authoritative.parquet")))
    rows = copies_of(found)
    ids = [event["id"] for event in events_of(found)]
    assert ids == [row["event"] for row in rows] == frame["event"].to_list()
    assert len(ids) == export.done
    assert {row["actor"] for row in rows} == {"ada"}
    assert "events.not-authoritative.xlsx" in found.namelist()
    assert all(name in found.read("DICTIONARY.txt").decode() for name in rows[0])


def test_its_manifest_says_who_asked_for_what_and_why(made, ada, vera):
    decide(ada)

    export, found = made(vera, actor="ada")

    told = json.loads(found.read("manifest.json"))
    assert (told["asked_by"], told["why"], told["filter"]) == ("vera", "yearly check", {"actor": "ada"})
    assert told["asked_at"] == export.asked_at.isoformat()
    assert told["scope"]["name"] == ada.audit_name
    done = json.loads(bytes(AuditEvent.objects.get(type="export.done").payload))["facts"]
    assert done["sha256"] == export.sha256 == hashlib.sha256(Path(found.filename).read_bytes()).hexdigest()
    assert (done["rows"], done["checkpoint"]) == (export.done, told["checkpoint"]["size"])


def test_it_runs_nothing_in_a_spreadsheet(made, vera):
    account = make.make_row_account(external_id="x\n=1+1")
    hostile = {"detail": "=cmd|' /C calc'!A0", "why": "a\u2028=1", "nul": "\x00=1", "number": -5}
    with transaction.atomic():
        audit.record(Event.ENFORCEMENT_STOPPED, by="user:1", of=account, now=make.NOON, **hostile)

    [row] = copies_of(made(vera, formats=["csv"], type="enforcement.stopped")[1])

    assert row["account"] == "'main:x\n=1+1"
    assert row["facts"].startswith("'{")  # a line separator and a sign stand in it
    assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row.values())
