"""What does time do? Defaults are met, proposals return, and nothing is approved by silence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moderation.cases import actions as cases
from moderation.cases.models import Case, Draft
from moderation.decisions import actions
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.people import actions as people
from portal.refusal import Refused
from tests.make import NOON, later, make_case, make_decision


def test_a_case_that_waited_for_an_answer_returns(ada):
    case = make_case(at="claimed", by=ada)
    cases.wait(case, by=ada, now=NOON, waiting_for="papers", until=later(days=2))

    assert actions.expire_pending(now=later(days=2, seconds=-1)) == 0
    assert actions.expire_pending(now=later(days=2)) == 1

    case = Case.objects.get()
    assert (case.status, case.pending_until, case.pending_default) == ("waiting", None, "")


def test_no_age_shown_in_time_proposes_a_ban_to_a_person(ruth, system):
    case = make_case(at="claimed", by=ruth, risk_type="underage")
    make_decision(at="released", by=ruth, case=case, outcome="verify_age", reason_code="ask_age")

    assert actions.expire_pending(now=later(days=14)) == 1

    proposal = Decision.objects.get(outcome="ban")
    assert (proposal.status, proposal.made_by, proposal.reason_code.code) == ("proposed", system, "no_answer")
    assert proposal.policy.code == "MIN-1.2"
    assert Case.objects.get().status == "proposed"
    assert not Enforcement.objects.filter(kind="ban").exists()
    actions.approve(proposal, by=ruth, now=later(days=15))
    assert Enforcement.objects.get(kind="ban").decision == proposal


def test_a_held_payout_ends_and_the_case_with_it(ruth):
    case = make_case(at="claimed", by=ruth, risk_type="monetization_abuse")
    word = {"outcome": "hold_payout", "reason_code": "recycled", "until": NOON + timedelta(days=7)}
    make_decision(at="released", by=ruth, case=case, **word)
    assert Case.objects.get().pending_until == later(days=7)

    actions.expire_pending(now=later(days=7))

    assert (Case.objects.get().status, Case.objects.get().ended_at) == ("decided", later(days=7))
    assert Enforcement.objects.get().expires_at == later(days=7)  # enforcement lifts it by itself on that day


def test_a_payout_is_held_no_longer_than_the_answer_takes(ruth):
    case = make_case(at="claimed", by=ruth, risk_type="monetization_abuse")
    word = {"outcome": "hold_payout", "reason_code": "recycled", "until": later(days=8)}

    with pytest.raises(Refused, match="at most 7 days"):
        make_decision(by=ruth, case=case, **word)


def test_a_proposal_nobody_answers_returns_as_a_draft_after_three_days(ada, ben):
    decision = make_decision(at="proposed", by=ada)

    assert actions.expire_proposals(now=later(hours=71)) == 0
    assert actions.expire_proposals(now=later(hours=72)) == 1

    assert (Decision.objects.get().status, Case.objects.get().status) == ("undone", "waiting")
    assert Draft.objects.get().body["outcome"] == "ban"
    with pytest.raises(Refused, match="It was undone"):
        actions.approve(Decision.objects.get(pk=decision.pk), by=ben, now=later(hours=73))


def test_the_proposal_of_somebody_who_left_returns_at_once(ada, system):
    make_decision(at="proposed", by=ada)
    people.disable(ada, by=system, now=NOON)

    assert actions.expire_proposals(now=NOON) == 1
    assert Case.objects.get().status == "waiting"
