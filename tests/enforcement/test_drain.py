"""Is what was decided done, once, in order?"""

from __future__ import annotations

from datetime import timedelta

from moderation.enforcement import actions
from moderation.enforcement.models import Attempt, Backend, Enforcement, Finding
from portal.audit.models import AuditEvent
from tests.conftest import NOON


def events_of(enforcement):
    told = AuditEvent.objects.filter(subjects__0=enforcement.audit_name)
    return list(told.order_by("id").values_list("type", flat=True))


def test_it_applies_what_was_ordered_and_says_so(platform, ordered):
    until = NOON + timedelta(days=7)
    action = ordered("suspend", until=until)

    assert actions.drain(action.account_id) == 1

    action.refresh_from_db()
    [row] = platform.ledger.after(0)
    assert (row["key"], row["seq"], row["kind"], row["until"]) == (str(action.pk), 1, "suspend", "2026-11-27T12:00:00Z")
    assert (action.status, action.effect_id, action.detail) == ("applied", row["effect_id"], "answered 200")
    assert [(t.number, t.outcome) for t in action.tries.all()] == [(1, "applied")]
    assert events_of(action) == ["enforcement.ordered", "enforcement.attempted", "enforcement.applied"]


def test_it_sends_what_the_platform_needs_to_know(platform, ordered):
    action = ordered("restrict", scope="messages")

    actions.drain(action.account_id)

    told = platform.ledger.rows[0]
    assert (told["account"], told["scope"], told["policy"], told["reason_code"]) == (
        action.account.external_id, "messages", "SPM-1.2", "spam_run",
    )  # fmt: skip


def test_it_keeps_the_order_of_an_account(platform, ordered):
    first = ordered("suspend")
    actions.drain(first.account_id)
    for kind in ("unsuspend", "label", "ban"):
        ordered(kind, account=first.account)

    assert actions.drain(first.account_id) == 3

    assert [(r["kind"], r["seq"]) for r in platform.ledger.after(0)] == [
        ("suspend", 1), ("unsuspend", 2), ("label", 3), ("ban", 4),
    ]  # fmt: skip


def test_it_does_nothing_twice(platform, ordered):
    action = ordered("suspend")

    assert [actions.drain(action.account_id), actions.drain(action.account_id)] == [1, 0]

    assert len(platform.ledger.rows) == 1


def test_it_tries_again_later_when_the_platform_breaks(platform, ordered):
    platform.faults.set({"error_500": 1})
    action = ordered("suspend", now=NOON)

    actions.drain(action.account_id, now=NOON)

    action.refresh_from_db()
    assert action.status == "retrying"
    assert NOON <= action.next_attempt_at <= NOON + timedelta(seconds=2)
    platform.faults.set({})
    actions.drain(action.account_id, now=NOON + timedelta(seconds=3))
    action.refresh_from_db()
    assert (action.status, action.attempts) == ("applied", 2)
    assert events_of(action)[1:] == [
        "enforcement.attempted", "enforcement.retrying", "enforcement.attempted", "enforcement.applied",
    ]  # fmt: skip


def test_it_waits_as_long_as_it_is_asked_to(platform, ordered):
    platform.faults.set({"rate_429": 1})
    action = ordered("suspend")

    actions.drain(action.account_id, now=NOON)

    action.refresh_from_db()
    assert NOON + timedelta(seconds=1) <= action.next_attempt_at <= NOON + timedelta(seconds=2)


def test_it_does_it_once_when_the_answer_was_lost(platform, ordered):
    for fault in ("reset", "garbage"):
        platform.faults.set({fault: 1})
        action = ordered("suspend")
        actions.drain(action.account_id, now=NOON)
        action.refresh_from_db()
        assert action.status == "retrying"
        platform.faults.set({})

        actions.drain(action.account_id, now=NOON + timedelta(seconds=3))

        action.refresh_from_db()
        assert action.status == "applied"
        assert [row["key"] for row in platform.ledger.rows].count(str(action.pk)) == 1


def test_it_finds_an_account_gone(platform, ordered):
    action = ordered("suspend")
    platform.ledger.mark_gone("main", action.account.external_id, 410)

    actions.drain(action.account_id)

    action.refresh_from_db()
    assert (action.status, events_of(action)[-1]) == ("moot", "enforcement.moot")


def test_it_stops_at_what_the_platform_refuses_and_tells_somebody(platform, ordered):
    action = ordered("restrict", scope="wings")
    behind = ordered("label", account=action.account)

    actions.drain(action.account_id)

    action.refresh_from_db()
    behind.refresh_from_db()
    assert action.status == "stopped"
    assert "Unknown scope" in action.detail
    assert Finding.objects.get(enforcement=action).kind == "stopped"
    assert behind.status == "queued"
    told = bytes(AuditEvent.objects.get(type="enforcement.stopped").payload)
    assert b"answered 422" in told
    assert b"Unknown" not in told  # the platform's own words are kept with the action, never in the log


def test_it_pauses_a_backend_that_does_not_know_us_and_loses_nothing(platform, ordered, settings):
    settings.PLATFORM_SECRET = "not the secret"
    action = ordered("suspend")

    actions.drain(action.account_id)
    assert actions.drain(action.account_id) == 0

    action.refresh_from_db()
    backend = Backend.objects.get()
    assert (action.status, backend.paused_why) == ("retrying", "answered 401")
    assert AuditEvent.objects.filter(type="backend.paused").count() == 1
    settings.PLATFORM_SECRET = "s"
    actions.resume(backend, by=backend.paused_by, now=NOON)
    actions.drain(action.account_id)
    action.refresh_from_db()
    assert action.status == "applied"


def test_it_reads_back_when_its_number_is_refused(platform, ordered):
    action = ordered("suspend")
    account = {"platform": "main", "id": action.account.external_id}
    platform.ledger.apply("somebody else's", 9, {"account": account, "kind": "suspend"})

    actions.drain(action.account_id)

    action.refresh_from_db()
    assert (action.status, action.detail) == ("applied", "read back: in force")
    assert len(platform.ledger.rows) == 1


def test_it_is_unsure_when_another_hand_went_further(platform, ordered):
    action = ordered("suspend")
    account = {"platform": "main", "id": action.account.external_id}
    platform.ledger.apply("somebody else's", 9, {"account": account, "kind": "label"})

    actions.drain(action.account_id)

    action.refresh_from_db()
    assert action.status == "unsure"
    assert Finding.objects.get().kind == "unsure"


def test_a_late_answer_changes_nothing(platform, ordered):
    action = ordered("suspend")
    from moderation.enforcement.call import Answer, Meaning

    sent = actions._claim(action.account_id, now=None)
    Enforcement.objects.filter(pk=action.pk).update(lease_until=NOON - timedelta(days=400))
    assert actions.sweep() == 1

    actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=NOON)

    action.refresh_from_db()
    assert (action.status, Attempt.objects.get().outcome) == ("retrying", "lost")
    assert "enforcement.applied" not in events_of(action)
