"""Does a notice that nobody takes hold back what is decided later, and is it never sent behind that?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from moderation.enforcement import actions, reconciling, schedule
from moderation.enforcement.call import Answer, Meaning
from moderation.enforcement.models import AccountSequence, Enforcement, Finding
from portal.people.models import User
from portal.refusal import Refused
from tests.conftest import NOON

from .test_notify import kinds, notifies, write
from .test_race import at_once

LATER = Answer(Meaning.LATER, "answered 503")


@pytest.fixture
def untold(ordered: Callable[..., Any], platform: Any) -> Callable[..., Any]:
    """A measure in force, and its notice after one try that was answered like this; `untold(answer)`."""

    def make(answer: Answer, *, now: Any = NOON) -> Any:
        effect = ordered("suspend", now=now)
        write(effect)
        sent = actions._claim(effect.account_id, now=now)
        done = actions.connector.carry_out(sent.description, sent.call, clock=sent.clock)
        actions._settle(sent, done, now=now, at=now)
        tell(effect.account_id, answer, now=now)
        return notifies().get(account=effect.account_id)

    return make


def tell(account_id: Any, answer: Answer, *, now: Any) -> None:
    """One try of the account's head, answered like this."""
    actions._settle(actions._claim(account_id, now=now), answer, now=now, at=now)


@pytest.mark.parametrize("meaning", [Meaning.NEVER, Meaning.UNSURE])
def test_one_that_stands_still_holds_nothing_back(untold, ordered, platform, meaning):
    notice = untold(Answer(meaning, "answered 400"))
    ban = ordered("ban", account=notice.account)

    assert Enforcement.objects.due_heads().get() == ban
    assert actions.drain(notice.account_id) == 1

    notice.refresh_from_db()
    assert notice.status in Enforcement.STANDS
    assert kinds(platform) == ["suspend", "ban"]


def test_one_that_is_tried_again_comes_first(untold, ordered, platform):
    notice = untold(LATER)
    ordered("ban", account=notice.account)

    assert actions.drain(notice.account_id, now=NOON + timedelta(minutes=1)) == 2

    assert kinds(platform) == ["suspend", "notify", "ban"]


def test_it_makes_way_after_five_minutes(untold, ordered, platform):
    notice = untold(LATER)
    ordered("ban", account=notice.account)

    tell(notice.account_id, LATER, now=NOON + schedule.MAKES_WAY)
    notice.refresh_from_db()
    assert notice.status == "retrying"
    tell(notice.account_id, LATER, now=NOON + schedule.MAKES_WAY * 2)

    notice.refresh_from_db()
    words = "given up, since other actions wait behind it: answered 503"
    assert (notice.status, notice.detail) == ("stopped", words)
    assert Finding.objects.get().detail == words
    actions.drain(notice.account_id, now=NOON + schedule.MAKES_WAY * 2)
    assert kinds(platform) == ["suspend", "ban"]


@pytest.mark.parametrize("delay", [None, timedelta(hours=5)])
def test_where_nothing_waits_it_is_tried_for_a_day(untold, ordered, delay):
    notice = untold(LATER)
    if delay:
        ordered("label", account=notice.account, delay=delay)

    tell(notice.account_id, LATER, now=NOON + timedelta(hours=4))
    notice.refresh_from_db()
    assert notice.status == "retrying"

    tell(notice.account_id, LATER, now=NOON + timedelta(hours=24))
    notice.refresh_from_db()
    assert notice.status == "stopped"


def test_another_kind_of_action_makes_way_for_nothing(ordered, platform):
    suspend = ordered("suspend")
    ordered("label", account=suspend.account)

    tell(suspend.account_id, LATER, now=NOON)
    tell(suspend.account_id, LATER, now=NOON + timedelta(hours=4))

    suspend.refresh_from_db()
    assert suspend.status == "retrying"
    tell(suspend.account_id, LATER, now=NOON + timedelta(hours=24))
    suspend.refresh_from_db()
    assert (suspend.status, suspend.detail) == ("stopped", "given up after 23 hours: answered 503")


@pytest.mark.parametrize("sent", [False, True])
def test_it_is_not_sent_again_behind_what_was_decided_since(untold, ordered, platform, ben, sent):
    notice = untold(Answer(Meaning.NEVER, "answered 400"))
    ordered("ban", account=notice.account)
    if sent:
        actions.drain(notice.account_id)

    with pytest.raises(Refused, match="Something was decided about this account since") as refused:
        actions.retry(notice, by=ben, now=NOON)

    assert refused.value.state == "stopped"
    actions.skip(notice, by=ben, now=NOON, reason="told by letter")
    actions.drain(notice.account_id)
    assert kinds(platform) == ["suspend", "ban"]


def test_what_was_taken_back_since_does_not_count(untold, ordered, platform, ben):
    notice = untold(Answer(Meaning.NEVER, "answered 400"))
    ban = ordered("ban", account=notice.account, delay=timedelta(hours=5))
    actions.cancel(ban, by=ben, now=NOON)

    actions.retry(notice, by=ben, now=NOON)

    actions.drain(notice.account_id, now=NOON)
    assert kinds(platform) == ["suspend", "notify"]


def test_what_is_decided_in_the_moment_it_is_sent_again_is_never_before_it(real_commits, untold, ordered, platform):
    """Either the notice goes first, or it is refused: both take the account's numbers."""
    ben = User.objects.service("system")
    for _ in range(12):
        notice = untold(Answer(Meaning.NEVER, "answered 400"), now=timezone.now())
        again, _ban = at_once(
            lambda notice=notice: actions.retry(notice, by=ben, now=timezone.now()),
            lambda notice=notice: ordered("ban", account=notice.account, now=timezone.now()),
        )
        before = len(platform.ledger.rows)
        actions.drain(notice.account_id)
        told = kinds(platform)[before:]
        assert told == (["ban"] if isinstance(again, Refused) else ["notify", "ban"])


def test_an_order_that_is_not_committed_yet_is_waited_for(real_commits, untold, ordered, platform):
    notice, system = untold(Answer(Meaning.NEVER, "answered 400"), now=timezone.now()), User.objects.service("system")
    with transaction.atomic():
        ordered("ban", account=notice.account, now=timezone.now())
        [waits] = at_once(lambda: _impatient(lambda: actions.retry(notice, by=system, now=timezone.now())))

    assert "lock timeout" in str(waits)
    with pytest.raises(Refused, match="decided about this account since"):
        actions.retry(notice, by=system, now=timezone.now())


def _impatient(act: Callable[[], Any]) -> Any:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '300ms'")
        return act()


@pytest.mark.parametrize("answer", [LATER, Answer(Meaning.NEVER, "answered 400")])
def test_it_keeps_nobody_from_comparing_the_account(untold, platform, answer):
    notice = untold(answer)
    platform.ledger.lose("main", notice.account.external_id, 0)

    reconciling.reconcile(AccountSequence.objects.get().look_at + timedelta(minutes=3))

    heal = Enforcement.objects.get(parent=notice.parent_id, kind="suspend")
    assert heal.seq == 3
    actions.drain(notice.account_id)
    assert kinds(platform)[-1] == "suspend"
