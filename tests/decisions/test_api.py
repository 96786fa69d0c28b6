"""What does a program see of decisions? The contract, call by call."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from moderation.cases import actions as cases
from moderation.cases.models import Case
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.people import actions as people
from portal.privacy.actions import open_value
from tests.make import make_case, ship_settings

WARN = {"outcome": "warn", "reason_code": "bulk_messages", "undo_seconds": 0}
BAN = {"outcome": "ban", "reason_code": "deceptive_link", "note": "copies a bank"}


@pytest.fixture
def call(system):
    """`call(ada, "POST", "/cases/1/claim", {...})` with a fresh key of ada's."""
    keys = {}

    def send(user, method, path, body=None, **headers):
        if user.pk not in keys:
            keys[user.pk] = people.issue_key(user, by=system, now=timezone.now(), title="test")[1]
        return Client(headers={"authorization": f"Bearer {keys[user.pk]}", **headers}).generic(
            method, f"/api/v1{path}", __import__("json").dumps(body or {}), content_type="application/json"
        )

    return send


@pytest.fixture
def claimed(ada, call):
    case = make_case(now=timezone.now())
    assert call(ada, "POST", f"/cases/{case.pk}/claim").status_code == 200
    return Case.objects.get()


def decide(call, user, case, body, key="k1"):
    return call(
        user, "POST", f"/cases/{case.pk}/decisions", {"version": case.version} | body, **{"idempotency-key": key}
    )


def test_a_decision_answers_201_with_what_it_ordered(ada, call, claimed):
    answer = decide(call, ada, claimed, WARN)

    assert answer.status_code == 201
    body = answer.json()
    assert (body["state"], body["case"], body["case_state"]) == ("released", str(claimed.pk), "decided")
    action = Enforcement.objects.get()
    assert body["enforcements"] == [{"id": str(action.pk), "kind": "warn", "state": "queued"}]


def test_the_same_key_and_body_answers_the_first_result_again(ada, call, claimed):
    first, again = decide(call, ada, claimed, WARN), decide(call, ada, claimed, WARN)

    assert (again.status_code, again.json()) == (201, first.json())
    assert Decision.objects.count() == 1


def test_the_same_key_with_another_body_is_422(ada, call, claimed):
    decide(call, ada, claimed, WARN)

    answer = decide(call, ada, claimed, {"outcome": "no_action", "reason_code": "not_violating"})

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"


def test_a_missing_key_is_400(ada, call, claimed):
    answer = call(ada, "POST", f"/cases/{claimed.pk}/decisions", {"version": claimed.version} | WARN)

    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"reason_code": "bulk_messages"},
        {"outcome": "hang", "reason_code": "bulk_messages"},
        {"outcome": "warn"},
        WARN | {"reason_code": "because"},
        WARN | {"undo_seconds": 61},
        WARN | {"version": "x"},
        WARN | {"until": "tomorrow"},
        WARN | {"answers": ["x"]},
        WARN | {"note": "a\x00b"},
        WARN | {"note": "\ud800"},
        WARN | {"policy": "SPM-1.3"},
        {"outcome": "suspend", "reason_code": "bulk_messages", "note": "n"},
    ],
)
def test_what_does_not_fit_is_400_with_a_sentence(ada, call, claimed, body):
    answer = decide(call, ada, claimed, body)

    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert Case.objects.get().status == "claimed"


def test_a_misspelt_end_is_refused_for_it_would_be_none(ada, call, claimed):
    answer = decide(
        call, ada, claimed, WARN | {"outcome": "restrict", "scope": "live", "untill": "2027-01-01T00:00:00Z"}
    )

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("untill: There is no such field; there are outcome, reason_code, ")
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/decisions/{}/approval", {"verdict": "approve", "reasons": "fine"}),
        ("/decisions/{}/reversal", {"reason_code": "not_violating", "notes": "x"}),
    ],
)
def test_so_is_what_is_no_part_of_an_approval_or_a_reversal(ada, ben, call, claimed, path, body):
    pk = decide(call, ada, claimed, BAN).json()["id"]

    answer = call(ben, "POST", path.format(pk), body)

    assert (answer.status_code, "There is no such field" in answer.json()["detail"]) == (400, True)
    assert Decision.objects.get().status == "proposed"


def test_nulls_mean_left_out(ada, call, claimed):
    body = WARN | {"policy": None, "note": None, "answers": None, "evidence": None, "until": None, "scope": None}

    assert decide(call, ada, claimed, body).status_code == 201


def test_an_old_version_is_409_with_the_state(ada, call, claimed):
    answer = decide(call, ada, claimed, WARN | {"version": claimed.version - 1})

    assert (answer.status_code, answer.json()["state"]) == (409, "claimed")


def test_a_case_somebody_else_holds_is_409(ben, call, claimed):
    assert decide(call, ben, claimed, WARN).status_code == 409


def test_answers_and_evidence_are_kept(ada, call, claimed):
    body = WARN | {"answers": {"1": "unclear", "2": "en"}, "evidence": ["two messages"]}

    decide(call, ada, claimed, body)

    decision = Decision.objects.get()
    assert decision.answers == {"1": "unclear", "2": "en"}
    pointed = json.loads(bytes(decision.evidence.body))["pointed"]
    assert [open_value(name.split(":")[1]) for name in pointed] == ["two messages"]


def test_undo_returns_the_case_to_its_claimer(ada, call, claimed):
    made = decide(call, ada, claimed, WARN | {"undo_seconds": 60}).json()
    assert made["state"] == "held"

    answer = call(ada, "POST", f"/decisions/{made['id']}/undo")

    assert (answer.status_code, answer.json()["state"], answer.json()["case_state"]) == (200, "undone", "claimed")
    assert call(ada, "POST", f"/decisions/{made['id']}/undo").status_code == 409


def test_a_ban_is_proposed_and_approved_by_another(ada, ben, ruth, call, claimed):
    made = decide(call, ada, claimed, BAN).json()
    assert (made["state"], made["case_state"], made["enforcements"]) == ("proposed", "proposed", [])
    path = f"/decisions/{made['id']}/approval"

    assert call(ada, "POST", path, {"verdict": "approve"}).status_code in (403, 409)
    assert call(ruth, "POST", path, {"verdict": "approve"}).status_code == 409
    assert call(ben, "POST", path, {"verdict": "maybe"}).status_code == 400
    answer = call(ben, "POST", path, {"verdict": "approve", "reason": "clear"})

    assert (answer.status_code, answer.json()["state"]) == (200, "released")
    assert [action["kind"] for action in answer.json()["enforcements"]] == ["ban"]
    assert call(ben, "POST", path, {"verdict": "approve"}).status_code == 409


def test_a_lead_declines_with_a_reason(ada, ben, call, claimed):
    made = decide(call, ada, claimed, BAN).json()
    path = f"/decisions/{made['id']}/approval"

    assert call(ben, "POST", path, {"verdict": "decline"}).status_code == 400
    answer = call(ben, "POST", path, {"verdict": "decline", "reason": "a bakery"})

    assert (answer.json()["state"], answer.json()["case_state"]) == ("declined", "waiting")


def test_a_lead_reverses(ada, ben, call, claimed):
    until = (timezone.now() + timedelta(days=3)).isoformat()
    body = {"outcome": "suspend", "reason_code": "bulk_messages", "until": until, "note": "n", "undo_seconds": 0}
    made = decide(call, ada, claimed, body).json()
    path = f"/decisions/{made['id']}/reversal"

    assert call(ada, "POST", path, {"reason_code": "not_violating"}).status_code == 403
    answer = call(ben, "POST", path, {"reason_code": "not_violating", "note": "a tool"})

    assert (answer.status_code, answer.json()["reverses"]) == (201, made["id"])
    assert [action["kind"] for action in answer.json()["enforcements"]] == ["unsuspend"]
    assert call(ben, "POST", path, {"reason_code": "not_violating"}).status_code == 409


def test_a_decision_of_another_lane_does_not_exist(ben, ruth, call):
    case = make_case(at="claimed", by=ruth, risk_type="underage", now=timezone.now())
    body = {"outcome": "ban", "reason_code": "below_age", "note": "her mother wrote"}
    made = decide(call, ruth, case, body).json()

    for path in ("undo", "approval", "reversal"):
        body = {"verdict": "approve", "reason_code": "not_violating"}
        assert call(ben, "POST", f"/decisions/{made['id']}/{path}", body).status_code == 404


def test_policies_come_with_their_reason_codes_and_without_lanes_that_are_not_mine(ada, ruth, cleo, call):
    ship_settings()

    body = call(ada, "GET", "/policies").json()

    assert len(body["results"]) == 28
    spam = next(policy for policy in body["results"] if policy["code"] == "SPM-1.1")
    assert spam["reason_codes"] == ["bulk_messages"]
    assert "underage" not in {flow["risk_type"] for flow in body["workflows"]}
    assert "underage" in {flow["risk_type"] for flow in call(ruth, "GET", "/policies").json()["workflows"]}
    assert call(cleo, "GET", "/policies").status_code == 403


def test_deciding_costs_a_bounded_number_of_queries(ada, call, claimed, django_assert_max_num_queries):
    call(ada, "GET", "/policies")

    with django_assert_max_num_queries(39):
        decide(call, ada, claimed, WARN)


def test_nothing_is_left_behind_by_a_refused_decision(ada, call, claimed):
    cases.save_draft(claimed, by=ada, now=timezone.now(), body={"outcome": "warn"})

    decide(call, ada, claimed, WARN | {"outcome": "demonetize", "note": "n"})

    assert claimed.drafts.exists()
    assert not claimed.evidence.exists()
