"""Can a case be decided twice? Real connections, real commits."""

from __future__ import annotations

import pytest

from moderation.cases.models import Case, Evidence
from moderation.decisions import actions
from moderation.decisions.models import Approval, Decision
from moderation.enforcement.models import Enforcement
from portal.refusal import Refused
from tests.make import NOON, later, make_case, make_decision
from tests.race.crowd import all_at_once

pytestmark = pytest.mark.usefixtures("real_commits")
WARN = {"outcome": "warn", "reason_code": "bulk_messages", "undo_seconds": 0}


def fresh(case):
    return Case.objects.select_related("account", "queue", "score").get(pk=case.pk)


def test_fifty_decisions_on_one_case_have_one_winner_and_49_clear_refusals(person):
    ada = person("ada", "reviewer")
    case = make_case(at="claimed", by=ada)
    seen = [fresh(case) for _ in range(50)]

    def decide(index):
        return actions.decide(seen[index], by=ada, now=NOON, version=case.version, request_key=f"key-{index}", **WARN)

    results = all_at_once([lambda index=index: decide(index) for index in range(50)])

    made = [result for result in results if isinstance(result, Decision)]
    refused = [result for result in results if isinstance(result, Refused)]
    assert (len(made), len(refused)) == (1, 49)
    assert {(refusal.status, refusal.state) for refusal in refused} == {(409, "decided")}
    assert all(refusal.sentence for refusal in refused)
    assert Decision.objects.get() == made[0]
    assert (Enforcement.objects.count(), Evidence.objects.count()) == (1, 1)


def test_fifty_times_the_same_key_is_one_decision_and_fifty_alike_answers(person):
    ada = person("ada", "reviewer")
    case = make_case(at="claimed", by=ada)
    seen = [fresh(case) for _ in range(50)]

    def decide(index):
        return actions.decide(seen[index], by=ada, now=NOON, version=case.version, request_key="one click", **WARN)

    results = all_at_once([lambda index=index: decide(index) for index in range(50)])

    assert {result.pk for result in results} == {Decision.objects.get().pk}
    assert Enforcement.objects.count() == 1


def test_one_key_for_two_cases_decides_one_of_them(person):
    ada = person("ada", "reviewer")
    cases = [make_case(at="claimed", by=ada) for _ in range(2)]

    def decide(case):
        return actions.decide(case, by=ada, now=NOON, version=case.version, request_key="reused", **WARN)

    results = all_at_once([lambda case=case: decide(case) for case in cases])

    assert sorted(type(result).__name__ for result in results) == ["Decision", "Refused"]
    assert next(result for result in results if isinstance(result, Refused)).status == 422
    assert Case.objects.filter(status="decided").count() == 1


def test_two_leads_approve_once(person):
    ada, leads = person("ada", "reviewer"), [person(f"lead{number}", "lead") for number in range(6)]
    decision = make_decision(at="proposed", by=ada)
    seen = [
        Decision.objects.select_related("case", "account", "reason_code", "policy").get(pk=decision.pk) for _ in leads
    ]

    results = all_at_once(
        [
            lambda mine=mine, lead=lead: actions.approve(mine, by=lead, now=NOON)
            for mine, lead in zip(seen, leads, strict=True)
        ]
    )

    assert sum(isinstance(result, Decision) for result in results) == 1
    assert {refusal.state for refusal in results if isinstance(refusal, Refused)} == {"released"}
    assert (Approval.objects.count(), Enforcement.objects.count()) == (1, 1)


def test_approve_and_decline_at_once_agree_on_one(person):
    ada, ben, lena = person("ada", "reviewer"), person("ben", "lead"), person("lena", "lead")
    decision = make_decision(at="proposed", by=ada)
    seen = [
        Decision.objects.select_related("case", "account", "reason_code", "policy").get(pk=decision.pk) for _ in "12"
    ]

    results = all_at_once(
        [
            lambda: actions.approve(seen[0], by=ben, now=NOON),
            lambda: actions.decline(seen[1], by=lena, now=NOON, reason="too hard"),
        ]
    )

    assert sum(isinstance(result, Refused) for result in results) == 1
    status = Decision.objects.get().status
    assert Case.objects.get().status == {"released": "decided", "declined": "waiting"}[status]
    assert Enforcement.objects.count() == (1 if status == "released" else 0)


def test_undo_and_the_end_of_the_window_agree_on_one(person):
    ada = person("ada", "reviewer")
    decision = make_decision(by=ada)
    mine = Decision.objects.select_related("case", "reason_code", "policy").get(pk=decision.pk)

    results = all_at_once(
        [
            lambda: actions.undo(mine, by=ada, now=later(seconds=9)),
            lambda: actions.release_due(now=later(seconds=10)),
            lambda: actions.release_due(now=later(seconds=10)),
        ]
    )

    status = Decision.objects.get().status
    assert status in ("undone", "released")
    assert isinstance(results[0], Refused) is (status == "released")
    assert Enforcement.objects.count() == (1 if status == "released" else 0)


def test_what_is_due_is_released_once_by_many(person):
    ada = person("ada", "reviewer")
    for _ in range(10):
        make_decision(by=ada)

    released = all_at_once([lambda: actions.release_due(now=later(seconds=10))] * 4)

    assert sum(released) == 10
    assert Enforcement.objects.count() == 10
