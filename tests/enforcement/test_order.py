"""Does a decision become an action, once, with the next number of its account?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import InternalError, transaction
from django.utils import timezone

from moderation.enforcement import actions, connector
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.conftest import NOON

from .world import account, released_decision


def test_it_numbers_the_actions_of_an_account_without_a_gap(ordered):
    one, other = account(), account()

    numbers = [ordered("label", account=whom).seq for whom in (one, one, other, one)]

    assert numbers == [1, 2, 1, 3]


def test_it_is_named_by_what_it_is_so_that_ordering_twice_is_ordering_once(ordered):
    decision = released_decision()

    first, second = ordered("suspend", decision=decision), ordered("suspend", decision=decision)

    assert first.pk == second.pk
    assert Enforcement.objects.count() == 1
    assert AuditEvent.objects.filter(type="enforcement.ordered").count() == 1
    assert ordered("label", decision=decision).seq == 2


def test_it_belongs_inside_the_transaction_that_releases(real_commits):
    decision = released_decision()

    with pytest.raises(RuntimeError, match="inside the transaction"):
        actions.order(decision_id=decision.pk, account=decision.account, kind="ban", by=decision.made_by, now=NOON)

    assert not Enforcement.objects.exists()


def test_nothing_of_it_stays_when_the_decision_does_not(real_commits):
    decision = released_decision()

    def order():
        return actions.order(
            decision_id=decision.pk, account=decision.account, kind="ban", by=decision.made_by, now=NOON
        )

    with transaction.atomic():
        order()
        transaction.set_rollback(True)
    assert not Enforcement.objects.exists()

    with transaction.atomic():
        row = order()
    assert row.seq == 1


def test_a_later_opposite_supersedes_what_was_never_sent(ordered, platform):
    suspension = ordered("suspend")

    lift = ordered("unsuspend", account=suspension.account)

    suspension.refresh_from_db()
    assert (suspension.status, suspension.detail, suspension.attempts) == ("superseded", "overtaken by unsuspend", 0)
    assert AuditEvent.objects.filter(type="enforcement.superseded", subjects__contains=[lift.audit_name]).count() == 1
    assert actions.drain(lift.account_id) == 1
    assert [row["kind"] for row in platform.ledger.rows] == ["unsuspend"]


def test_what_was_sent_is_never_superseded(ordered, platform):
    platform.faults.set({"error_500": 1})
    suspension = ordered("suspend")
    actions.drain(suspension.account_id, now=NOON)

    ordered("unsuspend", account=suspension.account)

    suspension.refresh_from_db()
    assert suspension.status == "retrying"


@pytest.mark.parametrize(("kind", "scope"), [("unrestrict", "posts"), ("unsuspend", "live"), ("restrict", "live")])
def test_only_its_own_opposite_supersedes(ordered, kind, scope):
    restriction = ordered("restrict", scope="live")

    ordered(kind, account=restriction.account, scope=scope)

    restriction.refresh_from_db()
    assert restriction.status == "queued"


def test_a_clock_that_runs_ahead_does_not_delay(ordered, platform):
    action = ordered("suspend", now=timezone.now() + timedelta(days=1))

    assert actions.drain(action.account_id) == 1


def test_it_says_when_nobody_serves_the_platform(ordered, monkeypatch):
    monkeypatch.setattr(connector, "serving", lambda platform: None)

    with pytest.raises(Refused, match="No backend serves the platform main"):
        ordered("suspend")


def test_the_database_refuses_a_move_that_the_table_does_not_know(ordered):
    action = ordered("suspend")

    with pytest.raises(InternalError, match="Invalid transition"), transaction.atomic():
        Enforcement.objects.filter(pk=action.pk).update(status="applied")
