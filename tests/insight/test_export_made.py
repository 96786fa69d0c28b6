"""Is an export made once, whoever dies over it, and is every step of it told?"""

from __future__ import annotations

import functools
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, transaction
from django.urls import reverse
from django.utils import timezone

from moderation.insight import actions, exports, pulse, tasks
from moderation.insight.models import Export
from portal.audit import actions as audit
from portal.audit import bundle
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.people import actions as people
from portal.people.models import User
from portal.refusal import Refused
from tests import make
from tests.audit.test_verify import tamper
from tests.insight.conftest import decide

from .exported import ask, types_of

pytestmark = pytest.mark.usefixtures("data_dir")


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
