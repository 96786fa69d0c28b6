"""Who agrees to a group decision? Another lead; who proposed it may take it back."""

from __future__ import annotations

import pytest

from moderation.bulk import actions
from moderation.bulk.models import Bulk
from moderation.decisions.models import Decision
from portal.refusal import Refused
from tests.make import later

from .group import make_accounts, propose, run


def test_it_begins_when_another_lead_agrees(lena, ben):
    bulk = actions.approve(propose(make_accounts(2), by=lena), by=ben, now=later(minutes=1))

    assert (bulk.status, bulk.approved_by) == ("running", ben)


def test_nobody_agrees_to_their_own(lena):
    with pytest.raises(Refused, match="your own"):
        actions.approve(propose(make_accounts(2), by=lena), by=lena, now=later(minutes=1))


def test_a_reviewer_does_not_agree(lena, ada):
    with pytest.raises(Refused, match="for team leads"):
        actions.approve(propose(make_accounts(2), by=lena), by=ada, now=later(minutes=1))


def test_it_is_too_late_when_the_end_has_passed(lena, ben):
    with pytest.raises(Refused, match="has passed"):
        actions.approve(propose(make_accounts(2), by=lena), by=ben, now=later(days=8))


def test_two_who_agree_at_once_begin_it_once(lena, ben, person):
    bulk = propose(make_accounts(2), by=lena)
    seen = Bulk.objects.get(pk=bulk.pk)
    actions.approve(bulk, by=ben, now=later(minutes=1))

    with pytest.raises(Refused, match="Somebody else was first"):
        actions.approve(seen, by=person("otto", "lead"), now=later(minutes=1))


def test_nothing_runs_before_somebody_agreed(lena):
    bulk = propose(make_accounts(2), by=lena)

    assert run(bulk) == 0
    assert not Decision.objects.exists()


def test_it_can_be_declined_with_a_reason(lena, ben):
    bulk = propose(make_accounts(2), by=lena)
    with pytest.raises(Refused, match="Say why"):
        actions.decline(bulk, by=ben, now=later(minutes=1))

    actions.decline(bulk, by=ben, now=later(minutes=1), reason="a scheduling tool")

    assert Bulk.objects.get().status == "declined"


def test_who_proposed_it_can_withdraw_it(lena, ben):
    bulk = actions.decline(propose(make_accounts(2), by=lena), by=lena, now=later(minutes=1))

    assert bulk.status == "withdrawn"
    with pytest.raises(Refused, match="It was withdrawn"):
        actions.approve(bulk, by=ben, now=later(minutes=2))
