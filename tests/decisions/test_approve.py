"""Who gives the second word, and what follows? Never the author."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, InternalError, transaction

from moderation.cases.models import Case, Draft
from moderation.decisions import actions
from moderation.decisions.models import Approval, Decision
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.privacy.actions import open_value
from portal.refusal import Refused
from tests.make import NOON, later, make_case, make_decision


def test_it_puts_the_decision_in_force_at_once(ada, ben):
    decision = make_decision(at="proposed", by=ada)

    actions.approve(decision, by=ben, now=later(minutes=8), reason="clear")

    decision = Decision.objects.get()
    assert (decision.status, decision.approved_by, decision.released_at) == ("released", ben, later(minutes=8))
    assert Case.objects.get().status == "decided"
    assert Enforcement.objects.get().kind == "ban"
    assert open_value(Approval.objects.get().reason) == "clear"
    assert AuditEvent.objects.get(type="approval.given").by == f"user:{ben.pk}"


def test_it_refuses_the_person_who_decided(ben):
    decision = make_decision(at="proposed", by=ben)

    with pytest.raises(Refused, match="your own decision"):
        actions.approve(decision, by=ben, now=NOON)

    assert not Enforcement.objects.exists()


def test_the_database_refuses_the_person_who_decided(ben):
    decision = make_decision(at="proposed", by=ben)

    with pytest.raises(IntegrityError, match="nobody_approves_their_own"), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(approved_by=ben, approved_at=NOON)


def test_the_database_refuses_a_ban_in_force_without_a_second_person(ada):
    decision = make_decision(at="proposed", by=ada)

    with pytest.raises(InternalError, match="Invalid transition"), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(status="released")
    with pytest.raises(IntegrityError, match="what_needs_a_second_person_has_one"), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(status="held")


def test_it_is_a_leads_word_outside_the_lanes(ada, ruth, person):
    decision = make_decision(at="proposed", by=ada)

    with pytest.raises(Refused, match="a team lead gives the second word"):
        actions.approve(decision, by=ruth, now=NOON)
    with pytest.raises(Refused, match="do not approve"):
        actions.approve(decision, by=person("milo", "reviewer"), now=NOON)


def test_in_the_minors_lane_a_specialist_may(ruth, ben, person):
    case = make_case(at="claimed", by=ruth, risk_type="underage")
    word = {"outcome": "ban", "reason_code": "below_age", "note": "her mother wrote to us"}
    decision = make_decision(by=ruth, case=case, **word)

    with pytest.raises(Refused, match="this lane"):
        actions.approve(decision, by=ben, now=NOON)
    actions.approve(decision, by=person("omar", "specialist"), now=NOON)

    assert Decision.objects.get().status == "released"


def test_it_agrees_only_once(ada, ben, person):
    decision = make_decision(at="proposed", by=ada)
    seen_by_lena = Decision.objects.get()
    actions.approve(decision, by=ben, now=NOON)

    with pytest.raises(Refused, match="Somebody else was first") as refused:
        actions.approve(seen_by_lena, by=person("lena", "lead"), now=NOON)

    assert refused.value.state == "released"
    assert Enforcement.objects.count() == 1


def test_declining_returns_the_case_with_the_proposal_as_a_draft(ada, ben):
    decision = make_decision(at="proposed", by=ada)

    actions.decline(decision, by=ben, now=NOON, reason="the owner is not in control")

    case = Case.objects.get()
    assert (Decision.objects.get().status, case.status) == ("declined", "waiting")
    draft = Draft.objects.get()
    assert (draft.user, draft.body["outcome"]) == (ada, "ban")
    assert open_value(draft.note) == open_value(decision.note)
    assert not Enforcement.objects.exists()


def test_a_measure_whose_end_has_passed_is_not_agreed_to(ada, ben):
    case = make_case(at="claimed", by=ada, risk_type="bullying")
    word = {"outcome": "suspend", "reason_code": "insults_person", "until": later(days=8), "note": "again"}
    decision = make_decision(by=ada, case=case, **word)

    with pytest.raises(Refused, match="has passed by now"):
        actions.approve(decision, by=ben, now=later(days=8))

    actions.decline(decision, by=ben, now=later(days=8), reason="too late")
    assert Case.objects.get().status == "waiting"


def test_declining_needs_a_reason(ada, ben):
    decision = make_decision(at="proposed", by=ada)

    with pytest.raises(Refused, match="Say why"):
        actions.decline(decision, by=ben, now=NOON, reason=" ")
