"""Is the account holder told once, after the effect, and never of what did not happen?"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from moderation.enforcement import actions, notices, reconciling
from moderation.enforcement.call import Answer, Meaning
from moderation.enforcement.models import AccountSequence, Enforcement, Finding, Notice
from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.privacy.models import VaultKey, VaultValue
from tests.conftest import NOON
from tests.make import change

from .test_race import at_once
from .world import released_decision

WORDS = {
    "template": "N-SUSPEND",
    "version": 3,
    "language": "en",
    "text": "You are suspended.",
    "appeal_url": "https://a/1",
}


@transaction.atomic
def write(effect: Any, *, corrects: Any = None, **words: Any) -> Notice:
    return notices.write(
        decision_id=effect.decision_id, account=effect.account, effect=effect, words=WORDS | words,
        by=User.objects.get(username="ada"), now=NOON, corrects=corrects,
    )  # fmt: skip


@pytest.fixture
def told(ordered: Callable[..., Any]) -> Callable[..., Any]:
    """An ordered action with the notice that will follow it."""

    def make(kind: str = "suspend", *, corrects: Any = None, **how: Any) -> tuple[Any, Notice]:
        effect = ordered(kind, **how)
        return effect, write(effect, corrects=corrects)

    return make


def kinds(platform: Any) -> list[str]:
    return [row["kind"] for row in platform.ledger.rows]


def facts(kind: str) -> list[dict[str, Any]]:
    rows = AuditEvent.objects.filter(type=kind).order_by("id")
    return [json.loads(bytes(row.payload))["facts"] for row in rows]


def notifies() -> Any:
    return Enforcement.objects.filter(kind="notify")


def test_it_follows_its_effect_with_a_number_and_a_key_of_its_own(told, platform):
    effect, notice = told()
    assert not notifies().exists()

    assert actions.drain(effect.account_id) == 2

    notice.refresh_from_db()
    order = notifies().get()
    assert (order.seq, order.parent, order.status, notice.order) == (2, effect, "applied", order)
    assert kinds(platform) == ["suspend", "notify"]
    assert platform.ledger.rows[1]["notice"] == WORDS
    assert platform.ledger.rows[1]["key"] == str(order.pk) != str(effect.pk)
    assert order.pk != effect.pk


def test_it_keeps_the_time_of_delivery_that_the_backend_tells(told, platform):
    effect, notice = told()

    actions.drain(effect.account_id)

    notice.refresh_from_db()
    at = platform.ledger.rows[1]["at"]
    assert notice.delivered_at is not None
    assert notice.delivered_at.isoformat() == at
    assert facts("enforcement.applied")[1]["delivered_at"] == at


@pytest.mark.parametrize("nonsense", [None, timedelta(days=900), timedelta(days=-900)])
def test_a_time_that_cannot_be_is_not_believed(told, platform, nonsense):
    effect, _ = told()
    actions.drain(effect.account_id, now=NOON)
    order = notifies().get()

    when = notices.delivered(order, told=nonsense and NOON + nonsense, at=NOON)

    assert when == NOON


def test_the_log_has_the_commitment_and_never_the_words(told, platform):
    effect, notice = told()
    actions.drain(effect.account_id)

    [written] = facts("notice.written")
    assert written["commitment"] == bytes(VaultValue.objects.get(pk=notice.text).commitment).hex()
    assert (written["template"], written["version"], written["language"]) == ("N-SUSPEND", 3, "en")
    assert not [one for one in AuditEvent.objects.all() if b"You are suspended" in bytes(one.payload)]
    assert facts("enforcement.ordered")[1]["follows"] == effect.audit_name


@pytest.mark.parametrize("meaning", [Meaning.NEVER, Meaning.UNSURE, Meaning.LATER, Meaning.GONE])
def test_an_effect_that_is_not_applied_has_none(told, meaning):
    effect, notice = told()
    sent = actions._claim(effect.account_id, now=None)

    actions._settle(sent, Answer(meaning, "answered"), now=None, at=NOON)

    notice.refresh_from_db()
    assert notice.order is None
    assert not notifies().exists()


def test_an_effect_given_up_or_cancelled_has_none(told, ben):
    stopped, _ = told()
    sent = actions._claim(stopped.account_id, now=None)
    actions._settle(sent, Answer(Meaning.NEVER, "answered 400"), now=None, at=NOON)
    stopped.refresh_from_db()
    actions.skip(stopped, by=ben, now=NOON, reason="wrong account")
    cancelled, _ = told()
    actions.cancel(cancelled, by=ben, now=NOON)

    for effect in (stopped, cancelled):
        actions.drain(effect.account_id)

    assert not notifies().exists()
    assert {notice.order for notice in Notice.objects.all()} == {None}


def test_a_stopped_effect_that_a_lead_sends_again_is_told_of_then(told, platform, ben):
    effect, _ = told()
    sent = actions._claim(effect.account_id, now=None)
    actions._settle(sent, Answer(Meaning.NEVER, "answered 400"), now=None, at=NOON)
    effect.refresh_from_db()

    actions.retry(effect, by=ben, now=NOON)
    actions.drain(effect.account_id)

    assert kinds(platform) == ["suspend", "notify"]


def test_what_was_overtaken_before_it_was_sent_is_never_told_and_so_never_corrected(told, ordered, platform):
    effect, notice = told()
    lift = ordered("unsuspend", account=effect.account)
    correction = write(lift, corrects=notice, template="N-UNDONE")

    actions.drain(effect.account_id)

    notice.refresh_from_db()
    correction.refresh_from_db()
    assert kinds(platform) == ["unsuspend"]
    assert (notice.order, correction.order) == (None, None)
    assert "never told" in correction.dropped_why


def test_what_was_lifted_while_it_was_under_way_is_not_told_any_more(told, ordered, platform):
    effect, notice = told()
    sent = actions._claim(effect.account_id, now=None)
    ordered("unsuspend", account=effect.account)

    actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=NOON)

    notice.refresh_from_db()
    assert notice.order is None
    assert notice.dropped_why.startswith("overtaken")
    assert facts("notice.dropped") == [{"template": "N-SUSPEND", "why": notice.dropped_why}]


def test_a_measure_whose_time_was_over_before_it_could_be_told_is_not_told(told):
    effect, notice = told(until=NOON + timedelta(hours=1))
    sent = actions._claim(effect.account_id, now=NOON)

    actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=NOON + timedelta(hours=2))

    notice.refresh_from_db()
    assert (notice.order, notice.dropped_at is None) == (None, False)


def test_whoever_was_told_is_told_of_the_reversal_behind_the_lift(told, ordered, platform):
    effect, notice = told()
    actions.drain(effect.account_id)
    notice.refresh_from_db()
    lift = ordered("unsuspend", account=effect.account, parent=effect)
    write(lift, corrects=notice, template="N-UNDONE")

    actions.drain(effect.account_id)

    assert kinds(platform) == ["suspend", "notify", "unsuspend", "notify"]
    assert platform.ledger.rows[3]["notice"]["template"] == "N-UNDONE"


def test_a_heal_tells_nobody_a_second_time(told, platform):
    effect, _ = told()
    actions.drain(effect.account_id, now=NOON)
    platform.ledger.lose("main", effect.account.external_id, 0)
    soon = AccountSequence.objects.get(pk=effect.account_id).look_at + timedelta(minutes=2)

    reconciling.reconcile(soon)
    actions.drain(effect.account_id, now=soon)

    assert Enforcement.objects.filter(kind="suspend", status="applied").count() == 2
    assert notifies().count() == 1
    assert kinds(platform) == ["suspend", "notify", "suspend"]


def test_the_end_of_a_timed_measure_tells_nobody(told, platform):
    until = NOON + timedelta(days=1)
    effect, _ = told(until=until)
    actions.drain(effect.account_id, now=NOON)

    assert actions.end_due(until) == 1
    actions.drain(effect.account_id, now=until)

    assert kinds(platform) == ["suspend", "notify", "unsuspend"]


def test_a_notice_that_is_refused_stops_as_any_action_and_a_lead_gives_it_up(told, platform, ben):
    effect, _ = told()
    actions.drain(effect.account_id, now=NOON)
    order = notifies().get()
    assert order.status == "applied"
    other, _ = told()
    sent = actions._claim(other.account_id, now=None)
    actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=NOON)
    sent = actions._claim(other.account_id, now=None)
    actions._settle(sent, Answer(Meaning.NEVER, "answered 422"), now=None, at=NOON)

    stopped = notifies().get(account=other.account)
    assert (stopped.status, Finding.objects.get().enforcement) == ("stopped", stopped)
    actions.skip(stopped, by=ben, now=NOON, reason="told by letter")
    assert Notice.objects.get(order=stopped).delivered_at is None


def test_words_that_were_erased_are_not_sent(told, platform):
    effect, _ = told()
    sent = actions._claim(effect.account_id, now=None)
    actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=NOON)
    VaultKey.objects.filter(pk=effect.account_id).update(wrapped=None, destroyed_at=NOON)

    actions.drain(effect.account_id)

    order = notifies().get()
    assert (order.status, order.detail) == ("stopped", "the words of this notice were erased")
    assert kinds(platform) == []


def test_the_database_refuses_what_was_dropped_and_sent(told, platform):
    effect, notice = told()
    actions.drain(effect.account_id)

    with pytest.raises(IntegrityError, match="what_was_dropped_is_not_sent"), transaction.atomic():
        Notice.objects.filter(pk=notice.pk).update(dropped_at=NOON)


# --- Races, with real commits ----------------------------------------------------------------------------------------


def test_many_workers_tell_once(real_commits, told, platform):
    platform.faults.set({"slow_ms": 5})
    effect, _ = told(now=timezone.now())

    at_once(*[lambda: actions.drain(effect.account_id)] * 6)
    while actions.drain(effect.account_id):
        pass

    assert kinds(platform) == ["suspend", "notify"]
    assert notifies().count() == 1


def test_a_worker_killed_after_the_call_and_before_it_wrote_that_down_tells_once(real_commits, told, platform):
    effect, _ = told(now=timezone.now())
    sent = actions._claim(effect.account_id, now=None)
    actions.connector.carry_out(sent.description, sent.call, clock=sent.clock)
    change(Enforcement.objects.filter(pk=effect.pk), lease_until=timezone.now() - timedelta(seconds=1))
    assert not notifies().exists()

    actions.sweep()
    actions.drain(effect.account_id)

    assert kinds(platform) == ["suspend", "notify"]


def test_a_worker_killed_between_effect_and_notice_leaves_the_notice_to_the_next(real_commits, told, platform):
    effect, _ = told(now=timezone.now())
    sent = actions._claim(effect.account_id, now=None)
    answer = actions.connector.carry_out(sent.description, sent.call, clock=sent.clock)
    actions._settle(sent, answer, now=None, at=timezone.now())  # and there it dies

    order = notifies().get()
    assert order.status == "queued"
    assert Enforcement.objects.due_heads().get() == order
    assert actions.drain(effect.account_id) == 1


def test_a_crash_while_the_effect_is_written_down_leaves_neither(real_commits, told, platform, monkeypatch):
    effect, notice = told(now=timezone.now())
    sent = actions._claim(effect.account_id, now=None)
    monkeypatch.setattr(actions, "send_notice", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=timezone.now())

    effect.refresh_from_db()
    notice.refresh_from_db()
    assert (effect.status, notice.order) == ("in_flight", None)


def test_a_worker_lost_over_the_notice_tells_once(real_commits, told, platform):
    effect, _ = told(now=timezone.now())
    sent = actions._claim(effect.account_id, now=None)
    actions._settle(sent, Answer(Meaning.APPLIED, "answered 200"), now=None, at=timezone.now())
    sent = actions._claim(effect.account_id, now=None)
    actions.connector.carry_out(sent.description, sent.call, clock=sent.clock)
    change(Enforcement.objects.filter(pk=sent.row.pk), lease_until=timezone.now() - timedelta(seconds=1))

    actions.sweep()
    actions.drain(effect.account_id)

    assert kinds(platform) == ["notify"]
    assert Notice.objects.get().delivered_at is not None


def test_a_reversal_beside_the_last_word_of_a_worker_stops_nobody(real_commits, told, ordered, platform):
    """Both lock the account's numbers first, so neither waits for what the other holds."""
    for _ in range(10):
        effect, notice = told(now=timezone.now())
        sent = actions._claim(effect.account_id, now=None)
        lifting = released_decision(effect.account)

        results = at_once(
            lambda sent=sent: actions._settle(sent, Answer(Meaning.APPLIED, "ok"), now=None, at=timezone.now()),
            lambda lifting=lifting: ordered("unsuspend", decision=lifting, now=timezone.now()),
        )

        notice.refresh_from_db()
        assert not [one for one in results if isinstance(one, Exception)], results
        assert (notice.order is None) != (notice.dropped_at is None)
