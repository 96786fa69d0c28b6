"""Does an export hold exactly what was asked for, does it prove that, and is every step of it told?"""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import io
import json
import stat
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.conf import settings
from django.db import OperationalError, transaction
from django.urls import reverse
from django.utils import timezone

from moderation.insight import actions, exports, history, pulse, tasks
from moderation.insight.models import Export
from portal.audit import actions as audit
from portal.audit import bundle, proving
from portal.audit.canonical import payload_hash
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.people import actions as people
from portal.people.models import User
from portal.refusal import Refused
from tests import make
from tests.audit.test_verify import tamper
from tests.insight.conftest import decide


@pytest.fixture(autouse=True)
def data_dir(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    return tmp_path


def ask(by, *, formats=("jsonl",), **filter):
    chosen = history.read(filter, wanted_by=by)
    return actions.request_export(chosen, formats=list(formats), purpose="yearly check", by=by, now=timezone.now())


@pytest.fixture
def made(provers):
    """Ask for an export and let a worker make it: the row, and the zip."""

    def do(by, **asked):
        export = ask(by, **asked)
        assert exports.make(export.pk, clock=timezone.now, pause=provers.prove), Export.objects.get(pk=export.pk).detail
        export.refresh_from_db()
        return export, zipfile.ZipFile(exports.folder() / export.path)

    return do


def lines_of(found: zipfile.ZipFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.read("events.jsonl").splitlines()]


def events_of(found: zipfile.ZipFile) -> list[dict[str, Any]]:
    """The events whose bytes are in it."""
    return [json.loads(base64.b64decode(line["payload"])) for line in lines_of(found) if "payload" in line]


def copies_of(found: zipfile.ZipFile) -> list[dict[str, str]]:
    text = found.read("events.not-authoritative.csv").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def everything_in(found: zipfile.ZipFile) -> bytes:
    """All bytes of it, also what stands in base64 or in a packed file."""
    whole = b"".join(found.read(name) for name in found.namelist())
    for line in lines_of(found):
        whole += base64.b64decode(line["leaf"]) + base64.b64decode(line.get("payload", ""))
    for name in found.namelist():
        if name.endswith(".xlsx"):
            with zipfile.ZipFile(io.BytesIO(found.read(name))) as book:
                whole += b"".join(book.read(part) for part in book.namelist())
        elif name.endswith(".parquet"):
            whole += json.dumps(pl.read_parquet(io.BytesIO(found.read(name))).rows(), default=str).encode()
    return whole


def verified(found: Path, folder: Path) -> tuple[int, str]:
    """What a stranger does: takes verify.py out of the bundle, has the key from elsewhere, and runs Python."""
    with zipfile.ZipFile(found) as opened:
        (folder / "verify.py").write_bytes(opened.read("verify.py"))
    (folder / "log.vkey").write_text(proving.public_key().vkey)
    asked = [sys.executable, "-I", "-S", str(folder / "verify.py"), str(found), "--key", str(folder / "log.vkey")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env={}, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def types_of(export):
    mine = AuditEvent.objects.filter(subjects__contains=[export.audit_name], type__startswith="export.")
    return list(mine.order_by("id").values_list("type", flat=True))


# --- What is in it ----------------------------------------------------------------------------------------------------


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


# --- How it is made ---------------------------------------------------------------------------------------------------


def test_it_keeps_the_file_to_itself(made, vera):
    _, found = made(vera, formats=["csv"])

    path = Path(found.filename)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_it_tells_every_step(made, signed_in, vera):
    export, found = made(vera)
    answer = signed_in(vera).get(reverse("export-file", args=[export.pk]))

    assert b"".join(answer.streaming_content) == Path(found.filename).read_bytes()
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/zip", "no-store")
    assert types_of(export) == ["export.requested", "export.started", "export.done", "export.downloaded"]


def test_it_says_how_far_it_is_while_it_is_made(provers, vera, monkeypatch):
    monkeypatch.setattr(bundle, "PAGE", 7)
    monkeypatch.setattr(pulse, "EVERY", 0.005)
    with transaction.atomic():
        for _ in range(30):
            audit.record(Event.ACCOUNT_VIEWED, by="user:1", of="account:x", now=make.NOON)
    export = ask(vera)
    seen = []
    progress = pulse.Pulse.progress

    def watched(one, done, total):
        progress(one, done, total)
        while total and Export.objects.values_list("done", "total").get(pk=export.pk) != (done, total):
            assert one.is_alive()
        seen.append((done, total))

    monkeypatch.setattr(pulse.Pulse, "progress", watched)

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove)

    counted = [one for one in seen if one[1]]
    total = counted[-1][1]
    assert total > 30
    assert [done for done, _ in counted[:4]] == [7, 14, 21, 28]
    assert (total, total) in counted


def test_it_waits_for_the_log_to_be_sealed_and_says_so_when_it_is_not(provers, vera, monkeypatch):
    export = ask(vera)

    assert exports.make(export.pk, clock=timezone.now, pause=lambda _seconds: None) is False

    export.refresh_from_db()
    assert export.status == "failed"
    assert "is the sequencer running?" in export.detail
    assert list(exports.folder().iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE portal_leaf SET leaf = leaf || ' ' WHERE index = 3", "leaf 3 was changed"),
        ("UPDATE portal_auditevent SET payload = payload || ' ' WHERE {it}", "the event of leaf 3 was changed"),
        ("UPDATE portal_auditevent SET payload = 'no JSON' WHERE {it}", "the event of leaf 3 was changed"),
        ("DELETE FROM portal_auditevent WHERE {it}", "the event of leaf 3 is gone"),
    ],
)
@pytest.mark.parametrize("filter", [{}, {"type": "sign_in"}], ids=["all", "by their leaves only"])
def test_it_is_not_made_of_a_log_that_was_changed(provers, ada, vera, change, said, filter):
    decide(ada)
    provers.prove()
    tamper(change.format(it="id = (SELECT event_id FROM portal_leaf WHERE index = 3)"))
    export = ask(vera, **filter)

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False

    export.refresh_from_db()
    assert export.status == "failed"
    assert said in export.detail


def test_it_is_taken_over_from_a_worker_that_fell_silent(provers, vera):
    export = ask(vera)
    lost = actions.start_export(export, now=timezone.now() - timedelta(minutes=5))
    assert lost
    left = exports.folder() / f"{export.pk}.{lost.hex[:8]}.part"
    left.mkdir()
    (left / "bundle.zip").write_bytes(b"half")

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove)

    export.refresh_from_db()
    assert export.status == "done"
    assert export.lease_token != lost
    assert [path.name for path in exports.folder().iterdir()] == [export.path]


def test_it_is_made_once_however_often_its_bell_rings(provers, vera, monkeypatch):
    export = ask(vera)
    monkeypatch.setattr(exports, "make", functools.partial(exports.make, pause=provers.prove))

    tasks.make_export(export_id=str(export.pk))
    tasks.make_export(export_id=str(export.pk))

    export.refresh_from_db()
    assert export.status == "done"
    assert len(list(exports.folder().iterdir())) == 1


def test_it_is_left_to_a_worker_that_is_alive(provers, vera):
    export = ask(vera)
    actions.start_export(export, now=timezone.now())

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False


def test_a_worker_that_lost_its_lease_neither_ends_it_nor_keeps_a_file(provers, vera, monkeypatch):
    export = ask(vera)
    write = bundle.write

    def taken_over(*args, **more):
        written = write(*args, **more)
        make.change(Export.objects.filter(pk=export.pk), lease_token="00000000-0000-4000-8000-000000000000")
        return written

    monkeypatch.setattr(bundle, "write", taken_over)

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False
    export.refresh_from_db()
    assert export.status == "running"
    assert list(exports.folder().iterdir()) == []


def test_it_can_be_cancelled_while_it_is_made(provers, vera, signed_in, monkeypatch):
    export = ask(vera)
    client = signed_in(vera)
    monkeypatch.setattr(pulse, "EVERY", 0.005)
    progress = pulse.Pulse.progress

    def cancelled(one, done, total):
        if total:
            assert client.post(reverse("export-cancel", args=[export.pk])).status_code == 302
            one.join(20)  # until it noticed
        progress(one, done, total)

    monkeypatch.setattr(pulse.Pulse, "progress", cancelled)

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False
    export.refresh_from_db()
    assert export.status == "cancelled"
    assert types_of(export)[-1] == "export.cancelled"
    assert list(exports.folder().iterdir()) == []
    with pytest.raises(Refused, match="already ended"):
        actions.cancel_export(export, by=vera, now=timezone.now())


def test_it_fails_with_a_sentence_when_the_disk_is_full(provers, vera, monkeypatch):
    export = ask(vera)

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "_private", full)

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False
    export.refresh_from_db()
    assert (export.status, export.detail) == ("failed", "The file could not be written: No space left on device.")


def test_it_fails_with_a_sentence_whatever_breaks(provers, vera, monkeypatch):
    export = ask(vera)
    monkeypatch.setattr(bundle, "write", lambda *_all, **_more: {}["nothing"])

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False
    export.refresh_from_db()
    assert (export.status, export.detail) == ("failed", "The making broke off: KeyError.")
    assert not Export.objects.to_make(timezone.now() + timedelta(days=1)).exists()


def test_it_is_taken_over_after_the_database_was_away(provers, vera, monkeypatch):
    export = ask(vera)

    def away(*_all, **_more):
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr(bundle, "write", away)
        with pytest.raises(OperationalError):
            exports.make(export.pk, clock=timezone.now, pause=provers.prove)

    export.refresh_from_db()
    assert export.status == "running"
    later = timezone.now() + actions.BEAT_LOST + timedelta(seconds=1)
    assert exports.make(export.pk, clock=lambda: later, pause=provers.prove)


def test_it_is_not_made_for_who_lost_the_right(provers, vera):
    export = ask(vera)
    people.revoke(vera, "auditor", by=User.objects.service("system"), now=timezone.now())

    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False
    export.refresh_from_db()
    assert export.status == "failed"


def test_its_file_goes_after_its_days(made, signed_in, vera):
    export, found = made(vera)
    later = timezone.now() + timedelta(days=settings.EXPORT_FILE_DAYS, minutes=1)

    assert actions.expire_exports(now=later) == 1
    assert actions.expire_exports(now=later) == 0

    assert not Path(found.filename).exists()
    assert types_of(export)[-1] == "export.expired"
    answer = signed_in(vera).get(reverse("export-file", args=[export.pk]))
    assert answer.status_code == 409


def test_it_belongs_to_who_asked(made, signed_in, vera, ben):
    export, _ = made(vera)
    client = signed_in(ben)

    for name in ("export", "export-file"):
        assert client.get(reverse(name, args=[export.pk])).status_code == 404
    for name in ("export-cancel", "export-link"):
        assert client.post(reverse(name, args=[export.pk])).status_code == 404


@pytest.mark.django_db
def test_it_allows_three_at_once(vera):
    for _ in range(actions.AT_ONCE):
        ask(vera)

    with pytest.raises(Refused, match="still being made"):
        ask(vera)


@pytest.mark.django_db
def test_it_keeps_the_purpose_in_the_vault_and_a_commitment_in_the_log(vera):
    export = ask(vera)
    event = AuditEvent.objects.get(type=Event.EXPORT_REQUESTED)

    assert b"yearly check" not in bytes(event.payload)
    from portal.privacy.actions import open_value

    assert open_value(export.purpose) == "yearly check"


# --- by form and by call ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_is_asked_for_by_a_plain_form(signed_in, vera):
    client = signed_in(vera)

    answer = client.post(
        reverse("exports"), {"format": ["csv", "parquet"], "purpose": "check", "actor": "", "from": ""}, follow=True
    )

    assert "The export is being made." in answer.content.decode()
    assert Export.objects.get().formats == ["jsonl", "csv", "parquet"]


@pytest.fixture
def call(client, person):
    vera = person("vera", "auditor")
    _, key = people.issue_key(vera, by=User.objects.service("system"), now=make.NOON, title="test")

    def send(method, path, body=None):
        return client.generic(
            method, f"/api/v1/exports{path}", json.dumps(body) if body is not None else "",
            content_type="application/json", headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip

    return send


def test_it_is_asked_for_looked_at_and_fetched_by_call(provers, call):
    asked = call("POST", "", {"format": ["xlsx"], "purpose": "yearly check", "type": "user.created"})
    assert asked.status_code == 202
    assert asked.json() == {"id": asked.json()["id"], "state": "queued"}
    path = f"/{asked.json()['id']}"
    assert call("GET", path + "/file").status_code == 409

    assert exports.make(asked.json()["id"], clock=timezone.now, pause=provers.prove)

    looked = call("GET", path).json()
    assert (looked["state"], looked["done"]) == ("done", looked["total"])
    body = b"".join(call("GET", path + "/file").streaming_content)
    assert hashlib.sha256(body).hexdigest() == looked["sha256"]
    assert call("POST", path + "/cancel").status_code == 409
    assert call("POST", path + "/cancel").json()["state"] == "done"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"format": ["pdf"], "purpose": "x"}, "no form"),
        ({"format": {"csv": 1}, "purpose": "x"}, "give a list"),
        ({"format": [7], "purpose": "x"}, "give a list"),
        ({"format": ["csv"]}, "purpose"),
        ({"format": ["csv"], "purpose": "  "}, "purpose"),
        ({"format": ["csv"], "purpose": "x", "colour": "red"}, "colour"),
        ({"format": ["csv"], "purpose": "x", "from": "soon"}, "not a day"),
        ({"format": ["csv"], "purpose": "x", "from": "2026-11-20T09:00:00"}, "not a time"),
        ({"format": ["csv"], "purpose": "x", "account": "main:none"}, "account"),
        ({"format": ["csv"], "purpose": "x", "actor": "nobody"}, "actor"),
        ({"format": ["csv"], "purpose": "x", "type": 7}, "type"),
        ([], "JSON object"),
    ],
)
def test_it_refuses_a_malformed_call_with_a_sentence(body, says, call):
    answer = call("POST", "", body)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert not Export.objects.exists()
