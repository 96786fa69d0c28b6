"""Does a timed measure end by itself, once, and only if nothing later governs?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from moderation.enforcement import actions
from moderation.enforcement.models import Enforcement
from tests.conftest import NOON

LATER = NOON + timedelta(days=7)


@pytest.fixture
def suspended(ordered, platform):
    """Suspended for a week, and the platform knows."""
    action = ordered("suspend", until=LATER)
    actions.drain(action.account_id, now=NOON)
    return action


def test_it_is_lifted_when_its_time_is_up(suspended, platform):
    assert actions.end_due(LATER - timedelta(seconds=1)) == 0
    assert actions.end_due(LATER) == 1
    assert actions.end_due(LATER) == 0

    lift = Enforcement.objects.get(parent=suspended)
    assert (lift.kind, lift.decision_id, lift.seq) == ("unsuspend", suspended.decision_id, 2)
    actions.drain(lift.account_id, now=LATER)
    assert platform.ledger.holder("main", suspended.account.external_id).state["suspended"] is False


def test_a_restriction_is_lifted_in_its_own_scope(ordered, platform):
    action = ordered("restrict", scope="live", until=LATER)
    actions.drain(action.account_id, now=NOON)

    actions.end_due(LATER)

    assert Enforcement.objects.get(parent=action).scope == "live"


def test_a_ban_without_an_end_stays(ordered, platform):
    action = ordered("ban")
    actions.drain(action.account_id, now=NOON)

    assert actions.end_due(LATER + timedelta(days=9999)) == 0


def test_a_warning_has_nothing_to_lift(ordered, platform):
    action = ordered("warn", until=LATER)
    actions.drain(action.account_id, now=NOON)

    assert actions.end_due(LATER) == 0


def test_a_later_lift_leaves_nothing_to_end(suspended, ordered):
    ordered("unsuspend", account=suspended.account, parent=suspended)
    actions.drain(suspended.account_id, now=NOON)

    assert actions.end_due(LATER) == 0
    assert Enforcement.objects.count() == 2


def test_a_later_longer_suspension_governs(suspended, ordered):
    longer = ordered("suspend", account=suspended.account, until=LATER + timedelta(days=7))

    assert actions.end_due(LATER) == 0  # it is on its way
    actions.drain(suspended.account_id, now=LATER)
    assert actions.end_due(LATER) == 0  # it is in force
    assert actions.end_due(LATER + timedelta(days=7)) == 1
    assert Enforcement.objects.get(kind="unsuspend").parent_id == longer.pk


def test_other_measures_do_not_stop_it(suspended, ordered):
    ordered("label", account=suspended.account)

    assert actions.end_due(LATER) == 1


def test_what_was_applied_late_ends_at_once(ordered, platform):
    action = ordered("suspend", until=LATER)
    actions.drain(action.account_id, now=LATER + timedelta(hours=1))

    assert actions.end_due(LATER + timedelta(hours=1)) == 1
