"""Is a backend that is away left in peace, and found again by one probe at a time?"""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.enforcement import actions, counting
from moderation.enforcement.breaker import Breaker, Tally, after_failure, after_success
from moderation.enforcement.call import Answer, Meaning
from moderation.enforcement.models import Backend, Enforcement
from tests.conftest import NOON


def failing(times, *, successes=0, breaker=None, every=0.0):
    breaker = breaker or Breaker()
    for number in range(times):
        breaker = after_failure(breaker, now=NOON + timedelta(seconds=number * every), successes=successes)
    return breaker


def test_it_opens_at_half_of_twenty_calls():
    assert failing(19).open_until is None
    assert failing(20).open_until == NOON + timedelta(seconds=10)
    assert failing(10, successes=1).open_until == NOON + timedelta(seconds=10)
    assert failing(30, successes=2).open_until is None


def test_it_forgets_what_was_a_while_ago():
    assert failing(30, every=2.0).open_until is None


def test_it_rests_longer_when_the_probe_fails_and_closes_when_it_does_not():
    opened = failing(20)

    later = after_failure(opened, now=NOON + timedelta(seconds=12))

    assert later.open_until == NOON + timedelta(seconds=22)
    assert after_success(later) == Breaker()
    assert after_success(failing(3)) == failing(3)


def test_successes_are_told_once():
    tally = Tally()
    tally.add("platform")
    tally.add("platform")

    assert [tally.take("platform"), tally.take("platform"), tally.take("other")] == [2, 0, 0]


@pytest.fixture
def away(ordered, settings):
    """Nobody listens there, and twenty calls have found that out; three more actions wait."""
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = f"http://127.0.0.1:{port}", "s"
    settings.ENFORCEMENT_HOSTS = [f"127.0.0.1:{port}"]
    counting._successes.take("platform")  # of the tests before
    rows = [ordered("label") for _ in range(23)]
    for row in rows[:20]:
        actions.drain(row.account_id)
    return rows[20:]


def test_nothing_is_called_while_it_is_open(away):
    assert Backend.objects.get().open_until > timezone.now() + timedelta(seconds=5)
    assert [actions.drain(row.account_id) for row in away] == [0, 0, 0]
    assert not Enforcement.objects.due_heads().exists()
    assert [row.attempts for row in Enforcement.objects.filter(pk__in=[row.pk for row in away])] == [0, 0, 0]


def test_one_probe_goes_through_after_a_rest(away):
    Backend.objects.update(open_until=timezone.now() - timedelta(seconds=1))

    assert [actions.drain(row.account_id) for row in away] == [1, 0, 0]

    assert Backend.objects.get().open_until > timezone.now() + timedelta(seconds=5)


def unanswered(ordered, kind):
    """Twenty actions of a kind that meet a gateway's error, each the only one of its account."""
    counting._successes.take("platform")
    for _ in range(20):
        sent = actions._claim(ordered(kind).account_id, now=None)
        actions._settle(sent, Answer(Meaning.LATER, "answered 503", unreached=True), now=None, at=sent.clock)


def test_mail_that_is_down_keeps_no_measure_back(ordered, platform):
    unanswered(ordered, "notify")

    assert Backend.objects.get().open_until is None
    assert actions.drain(ordered("ban").account_id) == 1


def test_measures_that_meet_the_same_open_it(ordered, platform):
    unanswered(ordered, "label")

    assert Backend.objects.get().open_until is not None


def test_a_notice_may_be_the_probe(ordered, platform):
    unanswered(ordered, "label")
    Backend.objects.update(open_until=timezone.now() - timedelta(seconds=1))

    assert actions.drain(ordered("notify").account_id) == 1

    assert Backend.objects.get().open_until is None
