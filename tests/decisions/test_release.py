"""When does a decision take effect? After its undo window, once."""

from __future__ import annotations

from moderation.decisions import actions
from moderation.decisions.models import Decision
from moderation.enforcement import actions as enforcement
from moderation.enforcement.models import Enforcement
from risk.intake.models import Standing
from tests.make import later, make_case, make_decision


def test_it_waits_for_the_end_of_the_window(ada):
    make_decision(by=ada)

    assert actions.release_due(now=later(seconds=9)) == 0
    assert actions.release_due(now=later(seconds=10)) == 1

    decision = Decision.objects.get()
    assert (decision.status, decision.released_at) == ("released", later(seconds=10))
    assert Enforcement.objects.get().kind == "warn"


def test_twice_is_once(ada):
    make_decision(by=ada)
    actions.release_due(now=later(seconds=10))

    assert actions.release_due(now=later(seconds=20)) == 0
    assert Enforcement.objects.count() == 1


def test_it_writes_the_strikes_of_the_policy_down(ada):
    case = make_case(at="claimed", by=ada, risk_type="fake_account")
    make_decision(by=ada, case=case, outcome="limit_reach", reason_code="part_of_group")

    actions.release_due(now=later(seconds=10))

    standing = Standing.objects.get()
    assert (standing.outcome, standing.policy, standing.strikes) == ("limit_reach", "AUT-1.2", 2)


def test_a_protection_is_no_strike(ada):
    case = make_case(at="claimed", by=ada, risk_type="account_takeover", queue="takeover")
    make_decision(by=ada, case=case, outcome="secure", reason_code="taken_over")

    actions.release_due(now=later(seconds=10))

    assert Standing.objects.get().strikes == 0


def test_a_decision_that_cannot_be_released_keeps_no_other_back(ada, monkeypatch):
    stuck = make_decision(by=ada)
    make_decision(by=ada)
    order = enforcement.order
    monkeypatch.setattr(
        enforcement, "order", lambda **it: 1 / 0 if it["decision_id"] == stuck.pk else order(**it)
    )  # a fault in one of them

    assert actions.release_due(now=later(seconds=10)) == 1

    stuck.refresh_from_db()
    assert stuck.status == "held"
