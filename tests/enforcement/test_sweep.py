"""Is what a lost worker held found, and what kills workers stopped?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.enforcement import actions
from moderation.enforcement.call import Answer, Meaning
from moderation.enforcement.models import Enforcement, Finding
from portal.audit.models import AuditEvent


def lose(action):
    """A worker takes it and dies; its lease runs out."""
    assert actions._claim(action.account_id, now=None) is not None
    Enforcement.objects.filter(pk=action.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_it_gives_back_what_a_lost_worker_held(ordered, platform):
    action = ordered("suspend")
    lose(action)

    assert actions.sweep() == 1

    action.refresh_from_db()
    assert (action.status, action.lost_leases, action.lease_token) == ("retrying", 1, None)
    assert [t.outcome for t in action.tries.all()] == ["lost"]
    assert actions.drain(action.account_id) == 1
    action.refresh_from_db()
    assert action.status == "applied"


def test_it_leaves_alone_whoever_is_still_at_work(ordered):
    action = ordered("suspend")
    actions._claim(action.account_id, now=None)

    assert actions.sweep() == 0


def test_a_worker_lost_after_the_effect_makes_no_second_one(ordered, platform):
    action = ordered("suspend")
    sent = actions._claim(action.account_id, now=None)
    actions.connector.carry_out(sent.description, sent.call, clock=sent.clock)
    Enforcement.objects.filter(pk=action.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    actions.sweep()
    actions.drain(action.account_id)

    action.refresh_from_db()
    assert (action.status, action.attempts, len(platform.ledger.rows)) == ("applied", 2, 1)


def test_it_stops_what_took_five_workers_along(ordered):
    action = ordered("suspend")
    for _ in range(5):
        lose(action)
        actions.sweep()

    action.refresh_from_db()
    assert (action.status, action.lost_leases, action.attempts) == ("stopped", 5, 5)
    assert Finding.objects.get().kind == "stopped"
    kinds = AuditEvent.objects.filter(subjects__0=action.audit_name).order_by("id").values_list("type", flat=True)
    assert list(kinds) == [
        "enforcement.ordered", *["enforcement.attempted", "enforcement.retrying"] * 4,
        "enforcement.attempted", "enforcement.stopped",
    ]  # fmt: skip


@pytest.mark.parametrize("meaning", list(Meaning))
def test_an_answer_to_a_lease_that_is_over_is_dropped_though_another_holds_the_action(ordered, platform, meaning):
    action = ordered("suspend")
    first = actions._claim(action.account_id, now=None)
    Enforcement.objects.filter(pk=action.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    actions.sweep()
    Enforcement.objects.filter(pk=action.pk).update(next_attempt_at=timezone.now())
    second = actions._claim(action.account_id, now=None)
    told = AuditEvent.objects.count()

    actions._settle(first, Answer(meaning, "late"), now=None, at=first.clock)

    action.refresh_from_db()
    assert (action.status, action.lease_token) == ("in_flight", second.row.lease_token)
    assert [t.outcome for t in action.tries.order_by("number")] == ["lost", "sent"]
    assert AuditEvent.objects.count() == told
    assert not Finding.objects.exists()
    actions._settle(
        second,
        actions.connector.carry_out(second.description, second.call, clock=second.clock),
        now=None,
        at=second.clock,
    )
    action.refresh_from_db()
    assert action.status == "applied"
