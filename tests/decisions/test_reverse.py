"""Can a lead take it back? Then what it did is undone, and its strikes go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moderation.decisions import actions
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from risk.intake.models import Standing
from tests.make import NOON, later, make_case, make_decision

SUSPEND = {"outcome": "suspend", "reason_code": "bulk_messages", "until": NOON + timedelta(days=3), "note": "often"}


def reverse(decision, *, by, now=NOON, **more):
    return actions.reverse(decision, by=by, now=now, **({"reason_code": "not_violating"} | more))


def test_it_orders_what_undoes_the_measure(ada, ben):
    decision = make_decision(at="released", by=ada, case=make_case(at="claimed", by=ada), **SUSPEND)

    reversal = reverse(decision, by=ben, note="a scheduling tool")

    assert Decision.objects.get(pk=decision.pk).status == "reversed"
    assert (reversal.status, reversal.reverses) == ("released", decision)
    lifted = Enforcement.objects.get(decision=reversal)
    assert (lifted.kind, lifted.parent.decision) == ("unsuspend", decision)
    assert Standing.objects.get().lifted_at == NOON
    assert f"decision:{reversal.pk}" in AuditEvent.objects.get(type="decision.reversed").subjects


def test_it_sends_nothing_for_what_sent_nothing_back(ada, ben):
    decision = make_decision(at="released", by=ada)  # a warning

    reversal = reverse(decision, by=ben)

    assert not Enforcement.objects.filter(decision=reversal).exists()
    assert Standing.objects.get().lifted_at == NOON


def test_it_sends_nothing_for_a_measure_that_ended_by_itself(ada, ben):
    decision = make_decision(at="released", by=ada, case=make_case(at="claimed", by=ada), **SUSPEND)

    reversal = reverse(decision, by=ben, now=later(days=4))

    assert not Enforcement.objects.filter(decision=reversal).exists()


def test_it_is_a_leads_act(ada, ruth):
    decision = make_decision(at="released", by=ada)

    for person in (ada, ruth):
        with pytest.raises(Refused, match="for team leads"):
            reverse(decision, by=person)


def test_it_reverses_only_what_is_in_force_and_only_once(ada, ben):
    held = make_decision(by=ada)
    with pytest.raises(Refused, match="undo it instead"):
        reverse(held, by=ben)
    decision = make_decision(at="released", by=ada)
    seen_again = Decision.objects.select_related("case").get(pk=decision.pk)
    reverse(decision, by=ben)

    with pytest.raises(Refused):
        reverse(seen_again, by=ben)
    with pytest.raises(Refused, match="It was reversed"):
        reverse(Decision.objects.get(pk=decision.pk), by=ben)


def test_a_reversal_is_not_reversed(ada, ben):
    reversal = reverse(make_decision(at="released", by=ada), by=ben)

    with pytest.raises(Refused, match="not reversed"):
        reverse(reversal, by=ben)


def test_it_needs_a_reason_of_the_workflow(ada, ben):
    decision = make_decision(at="released", by=ada)

    for code in ("because", "banter"):
        with pytest.raises(Refused) as refused:
            reverse(decision, by=ben, reason_code=code)
        assert refused.value.status == 400


def test_in_the_minors_lane_a_second_person_agrees_first(ruth, person):
    lena = person("lena", "lead", "lane:minors")
    case = make_case(at="claimed", by=ruth, risk_type="underage")
    decision = make_decision(at="released", by=ruth, case=case)

    reversal = reverse(decision, by=lena, reason_code="adult_confirmed")

    assert (reversal.status, Decision.objects.get(pk=decision.pk).status) == ("proposed", "released")
    actions.approve(reversal, by=ruth, now=later(minutes=1))
    assert Decision.objects.get(pk=decision.pk).status == "reversed"
    assert Enforcement.objects.get(decision=reversal).kind == "unrestrict"


def test_a_declined_reversal_can_be_asked_for_again(ruth, person):
    lena = person("lena", "lead", "lane:minors")
    case = make_case(at="claimed", by=ruth, risk_type="underage")
    decision = make_decision(at="released", by=ruth, case=case)
    first = reverse(decision, by=lena, reason_code="adult_confirmed")
    actions.decline(first, by=ruth, now=later(minutes=1), reason="no paper yet")

    again = reverse(decision, by=lena, now=later(hours=1), reason_code="adult_confirmed")

    assert again.status == "proposed"
    assert case.__class__.objects.get().status == "decided"
