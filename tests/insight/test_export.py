"""Does an export hold exactly what was asked for, and is every step of it told?"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
import zipfile
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from moderation.insight import actions, exports, history
from moderation.insight.models import Export
from portal.audit import actions as audit
from portal.audit.canonical import payload_hash
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests import make
from tests.insight.conftest import decide

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    return tmp_path


def ask(by, *, formats=("jsonl",), **filter):
    chosen = history.read(filter, wanted_by=by)
    return actions.request_export(chosen, formats=list(formats), purpose="yearly check", by=by, now=timezone.now())


def made(by, **asked):
    export = ask(by, **asked)
    assert exports.make(export.pk, clock=timezone.now)
    export.refresh_from_db()
    return export, exports.folder() / export.path


def types_of(export):
    return list(
        AuditEvent.objects.filter(subjects__contains=[export.audit_name]).order_by("id").values_list("type", flat=True)
    )


def test_it_writes_the_exact_bytes_of_every_event(ada, vera):
    decide(ada)

    export, path = made(vera)

    lines = path.read_bytes().splitlines()
    stored = {str(event.pk): event for event in AuditEvent.objects.all()}
    assert len(lines) == export.done == export.total
    for line in lines:
        told = json.loads(line)
        event = stored[told["event"]]
        payload = line[line.index(b'"payload":') + len(b'"payload":') : -1]
        assert payload == bytes(event.payload)
        assert told["payload_sha256"] == payload_hash(payload).hex()
    assert {"decision.held", "export.requested"} <= {json.loads(line)["payload"]["type"] for line in lines}


def test_it_holds_what_the_filter_says_and_no_more(ada, vera, person):
    milo = person("milo", "reviewer")
    mine, other = decide(ada), decide(milo)

    by_actor = made(vera, actor="ada")[1].read_text()
    by_case = made(vera, case=str(other.case_id))[1].read_text()
    by_account = made(vera, account=f"main:{mine.account.external_id}")[1].read_text()
    by_policy = made(vera, policy="SPM-1.1", type="decision.held")[1].read_text()
    by_day = made(vera, **{"from": "2026-11-19", "to": "2026-11-19"})[1].read_text()

    assert {json.loads(line)["actor"] for line in by_actor.splitlines()} == {"ada"}
    assert all(f"case:{other.case_id}" in line for line in by_case.splitlines())
    assert mine.account.audit_name in by_account
    assert other.account.audit_name not in by_account
    assert len(by_policy.splitlines()) == 2
    assert by_day == ""


def test_it_hides_the_lanes_of_who_asked(ruth, ben):
    case = make.make_case(at="claimed", by=ruth, risk_type="underage")
    make.make_decision(at="released", by=ruth, case=case)

    _, path = made(ben)

    told = path.read_text()
    assert case.audit_name not in told
    assert "MIN-1.2" not in [json.loads(line)["payload"]["facts"].get("policy") for line in told.splitlines()]


def test_it_gives_a_csv_that_runs_nothing(vera, system):
    account = make.make_row_account(external_id="x\n=1+1")
    hostile = {"detail": "=cmd|' /C calc'!A0", "why": "a\u2028=1", "nul": "\x00=1", "number": -5}
    audit.record(Event.ENFORCEMENT_STOPPED, by=system, of=account, now=make.NOON, **hostile)

    _, path = made(vera, formats=["csv"], type="enforcement.stopped")

    head, row = list(csv.reader(io.StringIO(path.read_text(), newline="")))
    told = dict(zip(head, row, strict=True))
    assert told["account"] == "'main:x\n=1+1"
    assert told["facts"].startswith("'{")  # a line separator and a sign stand in it
    assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)
    assert told["when"] == "2026-11-20T12:00:00.000000Z"


def test_it_puts_two_forms_into_one_file_with_a_note_of_what_was_asked(ada, vera):
    decide(ada)

    _, path = made(vera, formats=["jsonl", "csv"], actor="ada")

    with zipfile.ZipFile(path) as bundle:
        about = json.loads(bundle.read("about.json"))
        assert about["filter"] == {"actor": "ada"}
        assert hashlib.sha256(bundle.read("events.csv")).hexdigest() == about["sha256"]["events.csv"]
        rows = list(csv.reader(io.TextIOWrapper(bundle.open("events.csv"))))
        assert len(rows) - 1 == about["rows"] == len(bundle.read("events.jsonl").splitlines())


def test_it_writes_in_pages_and_says_how_far_it_is(vera, system, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 7)
    account = make.make_row_account()
    for index in range(30):
        audit.record(Event.ACCOUNT_VIEWED, by=system, of=account, now=make.NOON + timedelta(minutes=index // 4))
    seen = []
    beat = exports._beat
    monkeypatch.setattr(
        exports, "_beat", lambda *args, **kwargs: (seen.append(kwargs.get("done")), beat(*args, **kwargs))
    )

    export, path = made(vera, type="account.viewed")

    assert seen[:6] == [0, 7, 14, 21, 28, 30]
    assert len(set(path.read_bytes().splitlines())) == 30
    assert export.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_keeps_the_file_to_itself(vera):
    _, path = made(vera)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_tells_every_step(signed_in, vera):
    export, path = made(vera)
    answer = signed_in(vera).get(reverse("export-file", args=[export.pk]))

    assert b"".join(answer.streaming_content) == path.read_bytes()
    assert types_of(export) == ["export.requested", "export.started", "export.done", "export.downloaded"]


def test_it_is_taken_over_from_a_worker_that_fell_silent(vera):
    export = ask(vera)
    lost = actions.start_export(export, now=timezone.now() - timedelta(minutes=5))
    assert lost

    assert exports.make(export.pk, clock=timezone.now)

    export.refresh_from_db()
    assert export.status == "done"
    assert export.lease_token != lost


def test_it_is_left_to_a_worker_that_is_alive(vera):
    export = ask(vera)
    actions.start_export(export, now=timezone.now())

    assert exports.make(export.pk, clock=timezone.now) is False


def test_a_worker_that_lost_its_lease_neither_ends_it_nor_keeps_a_file(vera, monkeypatch):
    export = ask(vera)
    write = exports._write

    def taken_over(found, part, *, clock):
        Export.objects.filter(pk=found.pk).update(lease_token="00000000-0000-4000-8000-000000000000")
        return write(found, part, clock=clock)

    monkeypatch.setattr(exports, "_write", taken_over)

    assert exports.make(export.pk, clock=timezone.now) is False
    export.refresh_from_db()
    assert export.status == "running"
    assert list(exports.folder().iterdir()) == []


def test_it_can_be_cancelled_while_it_is_made(vera, signed_in, monkeypatch):
    export = ask(vera)
    client = signed_in(vera)
    write = exports._write

    def cancelled(found, part, *, clock):
        assert client.post(reverse("export-cancel", args=[found.pk])).status_code == 302
        return write(found, part, clock=clock)

    monkeypatch.setattr(exports, "_write", cancelled)

    assert exports.make(export.pk, clock=timezone.now) is False
    export.refresh_from_db()
    assert export.status == "cancelled"
    assert types_of(export)[-1] == "export.cancelled"
    assert list(exports.folder().iterdir()) == []
    with pytest.raises(Refused, match="already ended"):
        actions.cancel_export(export, by=vera, now=timezone.now())


def test_it_fails_with_a_sentence_when_the_disk_is_full(vera, monkeypatch):
    export = ask(vera)

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "_private", full)

    assert exports.make(export.pk, clock=timezone.now) is False
    export.refresh_from_db()
    assert (export.status, export.detail) == ("failed", "The file could not be written: No space left on device.")


def test_it_is_not_made_for_who_lost_the_right(vera, system):
    export = ask(vera)
    from portal.people import actions as people

    people.revoke(vera, "auditor", by=system, now=timezone.now())

    assert exports.make(export.pk, clock=timezone.now) is False
    export.refresh_from_db()
    assert export.status == "failed"


def test_its_file_goes_after_its_days(signed_in, vera):
    export, path = made(vera)
    later = timezone.now() + timedelta(days=settings.EXPORT_FILE_DAYS, minutes=1)

    assert actions.expire_exports(now=later) == 1
    assert actions.expire_exports(now=later) == 0

    assert not path.exists()
    assert types_of(export)[-1] == "export.expired"
    answer = signed_in(vera).get(reverse("export-file", args=[export.pk]))
    assert answer.status_code == 409


def test_it_belongs_to_who_asked(signed_in, vera, ben):
    export, _ = made(vera)
    client = signed_in(ben)

    for name in ("export", "export-file"):
        assert client.get(reverse(name, args=[export.pk])).status_code == 404
    assert client.post(reverse("export-cancel", args=[export.pk])).status_code == 404


def test_it_allows_three_at_once(vera):
    for _ in range(actions.AT_ONCE):
        ask(vera)

    with pytest.raises(Refused, match="still being made"):
        ask(vera)


def test_it_keeps_the_purpose_in_the_vault_and_a_commitment_in_the_log(vera):
    export = ask(vera)
    event = AuditEvent.objects.get(type=Event.EXPORT_REQUESTED)

    assert b"yearly check" not in bytes(event.payload)
    from portal.privacy.actions import open_value

    assert open_value(export.purpose) == "yearly check"


# --- by form and by call ----------------------------------------------------------------------------------------------


def test_it_is_asked_for_by_a_plain_form(signed_in, vera):
    client = signed_in(vera)

    answer = client.post(
        reverse("exports"), {"format": ["csv", "jsonl"], "purpose": "check", "actor": "", "from": ""}, follow=True
    )

    assert "The export is being made." in answer.content.decode()
    assert Export.objects.get().formats == ["jsonl", "csv"]


@pytest.fixture
def call(client, person):
    from portal.people import actions as people
    from portal.people.models import User

    vera = person("vera", "auditor")
    _, key = people.issue_key(vera, by=User.objects.service("system"), now=make.NOON, title="test")

    def send(method, path, body=None):
        return client.generic(
            method, f"/api/v1/exports{path}", json.dumps(body) if body is not None else "",
            content_type="application/json", headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip

    return send


def test_it_is_asked_for_looked_at_and_fetched_by_call(call):
    asked = call("POST", "", {"format": ["jsonl"], "purpose": "yearly check", "type": "user.created"})
    assert asked.status_code == 202
    assert asked.json() == {"id": asked.json()["id"], "state": "queued"}
    path = f"/{asked.json()['id']}"
    assert call("GET", path + "/file").status_code == 409

    assert exports.make(asked.json()["id"], clock=timezone.now)

    looked = call("GET", path).json()
    assert (looked["state"], looked["done"]) == ("done", looked["total"])
    body = b"".join(call("GET", path + "/file").streaming_content)
    assert hashlib.sha256(body).hexdigest() == looked["sha256"]
    assert call("POST", path + "/cancel").status_code == 409
    assert call("POST", path + "/cancel").json()["state"] == "done"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"format": ["xlsx"], "purpose": "x"}, "later version"),
        ({"format": ["parquet", "csv"], "purpose": "x"}, "later version"),
        ({"format": ["pdf"], "purpose": "x"}, "no form"),
        ({"format": [], "purpose": "x"}, "at least one"),
        ({"purpose": "x"}, "at least one"),
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
