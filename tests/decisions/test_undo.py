"""Can I take my own decision back? Within its window, and as long as nobody agreed to it."""

from __future__ import annotations

import pytest

from moderation.cases import actions as cases
from moderation.cases.models import Case, Draft
from moderation.decisions import actions
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.refusal import Refused
from tests.make import later, make_case, make_decision, make_score


def test_the_case_returns_to_its_claimer_with_what_was_typed(ada):
    decision = make_decision(by=ada)

    actions.undo(decision, by=ada, now=later(seconds=9))

    case = Case.objects.get()
    assert (Decision.objects.get().status, case.status, case.claimed_by) == ("undone", "claimed", ada)
    assert case.claimed_until == later(minutes=8, seconds=9)
    assert Draft.objects.get().body["reason_code"] == "bulk_messages"
    actions.release_due(now=later(minutes=1))
    assert not Enforcement.objects.exists()


def test_it_is_too_late_after_the_window(ada):
    decision = make_decision(by=ada)

    with pytest.raises(Refused, match="time to undo is over"):
        actions.undo(decision, by=ada, now=later(seconds=10))


def test_it_is_too_late_once_in_force(ada):
    decision = make_decision(by=ada)
    actions.release_due(now=later(seconds=10))

    with pytest.raises(Refused, match="in force") as refused:
        actions.undo(Decision.objects.get(pk=decision.pk), by=ada, now=later(seconds=5))

    assert refused.value.state == "released"


def test_only_the_author_undoes(ada, ben):
    with pytest.raises(Refused, match="Only the person who decided"):
        actions.undo(make_decision(by=ada), by=ben, now=later(seconds=1))


def test_a_proposal_is_taken_back_by_its_author(ada):
    decision = make_decision(at="proposed", by=ada)

    actions.undo(decision, by=ada, now=later(hours=1))

    assert (Decision.objects.get().status, Case.objects.get().status) == ("undone", "claimed")


def test_it_can_be_decided_again(ada):
    decision = make_decision(by=ada)
    actions.undo(decision, by=ada, now=later(seconds=1))

    again = make_decision(by=ada, case=Case.objects.select_related("queue", "account").get(), now=later(seconds=2))

    assert again.status == "held"


def test_a_case_opened_in_between_is_withdrawn_into_this_one(ada, system):
    decision = make_decision(by=ada)
    case = decision.case
    make_score(case.account, risk_type="spam", shown=95, model="other-model", now=later(seconds=1))
    cases.take_new(now=later(seconds=2))
    assert Case.objects.open().count() == 1

    actions.undo(decision, by=ada, now=later(seconds=3))

    assert sorted(Case.objects.values_list("status", flat=True)) == ["claimed", "withdrawn"]
    assert Case.objects.open().get() == case


def test_a_claimed_case_in_between_is_not_taken_away(ada, ruth):
    decision = make_decision(by=ada)
    other = make_case(account=decision.account)
    cases.claim(other, by=ruth, now=later(seconds=1))
    cases.conclude(other, to="proposed", by=ruth, now=later(seconds=2))

    with pytest.raises(Refused, match="under way"):
        actions.undo(decision, by=ada, now=later(seconds=3))
    assert Decision.objects.get().status == "held"
