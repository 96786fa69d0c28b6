"""Can the whole be undone as one? Whoever was decided on again since is skipped and named."""

from __future__ import annotations

import pytest

from moderation.bulk import actions, reporting
from moderation.decisions import actions as decisions
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.refusal import Refused
from risk.intake.models import Account, Standing
from tests.make import BAN, change, later, make_case

from .group import make_accounts, run, running

WHY = {"reason_code": "not_violating"}


def undo(bulk, *, by, now=None):
    actions.undo(bulk, by=by, now=now or later(minutes=11), **WHY)
    return run(bulk, now=now or later(minutes=12))


def stopped(accounts, *, by, approver, turns):
    bulk = running(accounts, by=by, approver=approver)
    run(bulk, limit=turns)
    return bulk if bulk.status == "done" else actions.stop(bulk, by=approver, now=later(minutes=6))


def test_it_lifts_each_measure_and_takes_each_strike(lena, ben):
    bulk = stopped(make_accounts(3), by=lena, approver=ben, turns=3)

    undo(bulk, by=lena)

    assert bulk.status == "undone"
    assert set(bulk.items.values_list("status", flat=True)) == {"undone"}
    assert Decision.objects.filter(status="reversed").count() == 3
    assert Enforcement.objects.filter(kind="unsuspend").count() == 3
    assert not Standing.objects.filter(lifted_at=None).exists()


def test_it_drops_whose_turn_had_not_come(lena, ben):
    bulk = stopped(make_accounts(4), by=lena, approver=ben, turns=2)

    undo(bulk, by=lena)

    assert reporting.counts(bulk) == {"undone": 2, "dropped": 2}
    assert Decision.objects.filter(reverses=None).count() == 2


def test_it_skips_who_was_decided_again_since_and_says_so(lena, ben, ada):
    one, two = make_accounts(2)
    bulk = stopped([one, two], by=lena, approver=ben, turns=2)
    case = make_case(at="claimed", by=ada, account=two, now=later(minutes=7))
    decisions.decide(
        case, by=ada, now=later(minutes=8), version=case.version, request_key="by-itself-found", **BAN
    )  # fmt: skip

    undo(bulk, by=lena)

    assert bulk.items.get(account=one).status == "undone"
    kept = bulk.items.get(account=two)
    assert (kept.status, kept.why) == ("kept", "It was decided again since.")
    assert Decision.objects.get(pk=kept.decision_id).status == "released"


def test_it_names_what_was_taken_back_by_itself_already(lena, ben):
    bulk = stopped(make_accounts(1), by=lena, approver=ben, turns=1)
    decisions.reverse(Decision.objects.get(), by=ben, now=later(minutes=7), **WHY)

    undo(bulk, by=lena)

    assert bulk.items.get().why == "It was taken back by itself already."


def test_left_half_way_it_goes_on_and_reverses_nothing_twice(lena, ben):
    bulk = stopped(make_accounts(4), by=lena, approver=ben, turns=4)
    actions.undo(bulk, by=lena, now=later(minutes=11), **WHY)

    assert [run(bulk, limit=3, now=later(minutes=12)), bulk.status] == [3, "undoing"]
    run(bulk, now=later(minutes=13))

    assert bulk.status == "undone"
    assert Decision.objects.exclude(reverses=None).count() == 4


def test_it_is_stopped_first(lena, ben):
    bulk = running(make_accounts(2), by=lena, approver=ben)

    with pytest.raises(Refused, match="stop it first"):
        actions.undo(bulk, by=lena, now=later(minutes=6), **WHY)


def test_it_is_a_leads_act_with_a_reason_there_is(lena, ben, ada):
    bulk = stopped(make_accounts(1), by=lena, approver=ben, turns=1)

    with pytest.raises(Refused, match="for team leads"):
        actions.undo(bulk, by=ada, now=later(minutes=6), **WHY)
    with pytest.raises(Refused, match="no reason code"):
        actions.undo(bulk, by=lena, now=later(minutes=6), reason_code="no_such_reason")


def test_it_leaves_whoever_is_gone_from_the_platform(lena, ben):
    bulk = stopped(make_accounts(2), by=lena, approver=ben, turns=2)
    gone = Enforcement.objects.filter(account=bulk.items.get(position=1).account)
    change(gone, status="in_flight", lease_token=bulk.pk, lease_until=later(minutes=8))
    change(gone, status="moot", lease_token=None, lease_until=None)

    undo(bulk, by=lena)

    assert list(bulk.items.order_by("position").values_list("status", flat=True)) == ["kept", "undone"]
    assert bulk.items.get(position=1).why == "The account is gone from its platform."


def test_it_leaves_whoever_was_erased(lena, ben):
    bulk = stopped(make_accounts(1), by=lena, approver=ben, turns=1)
    Account.objects.update(erased_at=later(minutes=8))

    undo(bulk, by=lena)

    assert (bulk.items.get().status, bulk.items.get().why) == ("kept", "It was erased.")
