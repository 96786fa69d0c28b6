"""What do programs see of actions, and who may send one again?"""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from moderation.enforcement import actions
from portal.people import actions as people
from tests.conftest import NOON

from .world import released_decision


@pytest.fixture
def as_user(system):
    def client(user):
        _, key = people.issue_key(user, by=system, now=NOON, title="test")
        caller = APIClient()
        caller.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        return caller

    return client


def test_it_shows_each_with_its_attempts(as_user, ordered, platform, ben, django_assert_max_num_queries):
    action = ordered("restrict", scope="live")
    actions.drain(action.account_id)
    for _ in range(5):
        ordered("label")
    client = as_user(ben)

    with django_assert_max_num_queries(6):
        told = client.get("/api/v1/enforcements").json()

    assert told["next"] is None
    assert len(told["results"]) == 6
    [row] = [row for row in told["results"] if row["state"] == "applied"]
    assert (row["id"], row["kind"], row["scope"], row["seq"]) == (str(action.pk), "restrict", "live", 1)
    assert (row["decision"], row["case"]) == (str(action.decision_id), str(action.decision.case_id))
    assert row["account"] == {"platform": "main", "id": action.account.external_id}
    assert [(a["outcome"], a["detail"]) for a in row["attempts"]] == [("applied", "answered 200")]


def test_it_filters_by_state_account_and_decision(as_user, ordered, platform, ben):
    action, other = ordered("label"), ordered("label")
    actions.drain(action.account_id)
    client = as_user(ben)

    def ids(query):
        return [row["id"] for row in client.get(f"/api/v1/enforcements?{query}").json()["results"]]

    assert ids("state=applied") == ids(f"decision={action.decision_id}") == [str(action.pk)]
    assert ids(f"account=main:{other.account.external_id}") == [str(other.pk)]
    assert ids("account=main:nobody") == []


def test_it_pages_by_a_cursor(as_user, ordered, ben, monkeypatch):
    from moderation.enforcement import reading

    monkeypatch.setattr(reading, "PAGE", 2)
    wanted = {str(ordered("label").pk) for _ in range(5)}
    client, seen, cursor = as_user(ben), [], ""
    while cursor is not None:
        told = client.get("/api/v1/enforcements", {"cursor": cursor}).json()
        seen += [row["id"] for row in told["results"]]
        cursor = told["next"]

    assert len(seen) == 5
    assert set(seen) == wanted


@pytest.mark.parametrize("query", ["state=lost", "account=main", "decision=7", "cursor=rubbish", "account=a:%00"])
def test_it_says_what_is_wrong_with_a_question(as_user, ben, query):
    answer = as_user(ben).get(f"/api/v1/enforcements?{query}")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_other_lanes_do_not_exist(as_user, ordered, ben, ruth):
    action = ordered("label", decision=released_decision(lane="minors"))

    assert as_user(ben).get("/api/v1/enforcements").json()["results"] == []
    assert [row["id"] for row in as_user(ruth).get("/api/v1/enforcements").json()["results"]] == [str(action.pk)]
    assert as_user(ben).post(f"/api/v1/enforcements/{action.pk}/retry").status_code == 404


def test_a_lead_sends_a_stopped_one_again(as_user, ordered, platform, ben, ada):
    action = ordered("restrict", scope="wings")
    actions.drain(action.account_id)
    url = f"/api/v1/enforcements/{action.pk}/retry"

    assert as_user(ada).post(url).status_code == 403
    assert as_user(ben).post(url).json()["state"] == "queued"
    again = as_user(ben).post(url)
    assert (again.status_code, again.json()["state"]) == (409, "queued")


def test_who_may_not_look_sees_nothing(as_user, cleo, db):
    assert as_user(cleo).get("/api/v1/enforcements").status_code == 403
    assert APIClient().get("/api/v1/enforcements").status_code == 401
