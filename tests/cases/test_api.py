"""What does a program see of cases? The contract, call by call."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from moderation.cases import actions
from moderation.cases.models import Case
from portal.people import actions as people
from risk.intake.models import Signal
from tests.make import NOON, later, make_case, make_decision, make_row_account, make_score, ship_settings


@pytest.fixture
def call(system):
    """`call(ada, "GET", "/cases")` with a fresh key of ada's."""
    keys = {}

    def send(user, method, path, body=None, **query):
        if user.pk not in keys:
            keys[user.pk] = people.issue_key(user, by=system, now=timezone.now(), title="test")[1]
        client = Client(headers={"authorization": f"Bearer {keys[user.pk]}"})
        if method == "GET":
            return client.get(f"/api/v1{path}", query)
        return client.post(f"/api/v1{path}", body or {}, content_type="application/json")

    return send


def pages(call, user, **query):
    """All rows of all pages, and how many pages there were."""
    rows, cursor, number = [], "", 0
    while cursor is not None:
        answer = call(user, "GET", "/cases", **query, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.json()
        rows += answer.json()["results"]
        cursor, number = answer.json()["next"], number + 1
    return rows, number


def test_a_key_is_needed(client, db):
    answer = client.get("/api/v1/cases")

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_list_comes_most_urgent_first_in_pages_without_holes_or_doubles(ada, call):
    ship_settings()
    for number in range(120):
        make_score(make_row_account(), shown=50 + number % 7, now=later(minutes=number % 11))
    actions.take_new(now=NOON)

    rows, number = pages(call, ada, queue="spam")

    assert (len(rows), number) == (120, 3)
    assert len({row["id"] for row in rows}) == 120
    keys = [(-row["priority"], row["due_at"], row["opened_at"], int(row["id"])) for row in rows]
    assert keys == sorted(keys)


@pytest.mark.parametrize("order", ["due", "newest"])
def test_other_orders_page_as_well(ada, call, order):
    ship_settings()
    for number in range(55):
        make_score(make_row_account(), risk_type=("spam", "bullying")[number % 2], now=later(minutes=number * 7 % 13))
        if number % 10 == 0:
            actions.take_new(now=later(minutes=number * 7 % 13))
    actions.take_new(now=NOON)

    rows, number = pages(call, ada, order=order)

    assert (len(rows), number) == (55, 2)
    keys = [(row["due_at"] if order == "due" else row["opened_at"], int(row["id"])) for row in rows]
    assert keys == sorted(keys, reverse=order == "newest")


def test_without_a_state_open_cases_are_listed(ada, ben, call):
    waiting, claimed = make_case(), make_case(at="claimed", by=ada)
    decided = make_decision(at="released", by=ben).case

    rows, _ = pages(call, ada)
    assert {row["id"] for row in rows} == {str(waiting.pk), str(claimed.pk)}
    assert [row["id"] for row in pages(call, ada, state="decided")[0]] == [str(decided.pk)]
    assert [row["id"] for row in pages(call, ada, state="claimed")[0]] == [str(claimed.pk)]
    assert pages(call, ada, state="claimed")[0][0]["claimed_by"] == "ada"


def test_an_accounts_cases_are_found_in_every_state(ada, call):
    ship_settings()
    account = make_row_account(external_id="a:b")
    make_decision(at="released", by=ada, case=make_case(at="claimed", by=ada, account=account))
    make_case(account=account)

    rows, _ = pages(call, ada, account="main:a:b")

    assert [row["state"] for row in rows] == ["waiting", "decided"]
    assert pages(call, ada, account="main:nobody")[0] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"queue": "nowhere"}, 404),
        ({"queue": "minors"}, 404),
        ({"queue": "money"}, 404),
        ({"state": "lost"}, 400),
        ({"order": "random"}, 400),
        ({"cursor": "rubbish"}, 400),
        ({"account": "48211"}, 400),
        ({"state": "decided", "order": "due"}, 400),
        ({"queue": "a\x00"}, 400),
    ],
)
def test_a_wrong_question_is_a_problem_and_no_error(ada, call, query, status):
    ship_settings()

    answer = call(ada, "GET", "/cases", **query)

    assert answer.status_code == status
    assert answer.json()["detail"]


def test_other_lanes_do_not_exist(ada, ben, ruth, call):
    case = make_case(risk_type="underage")

    assert pages(call, ada)[0] == pages(call, ben)[0] == []
    assert len(pages(call, ruth)[0]) == 1
    for user in (ada, ben):
        assert call(user, "GET", f"/cases/{case.pk}").status_code == 404
        assert call(user, "POST", f"/cases/{case.pk}/claim").status_code == 404
        assert call(user, "POST", "/queues/minors/claim").status_code == 404
        assert "minors" not in {row["slug"] for row in call(user, "GET", "/queues").json()["results"]}
    assert "minors" in {row["slug"] for row in call(ruth, "GET", "/queues").json()["results"]}


def test_who_may_not_look_gets_403(cleo, call):
    case = make_case()

    for method, path in (
        ("GET", "/cases"),
        ("GET", "/queues"),
        ("GET", f"/cases/{case.pk}"),
        ("POST", f"/cases/{case.pk}/claim"),
    ):
        assert call(cleo, method, path).status_code == 403


def test_an_auditor_reads_and_claims_nothing(vera, call):
    case = make_case()

    assert call(vera, "GET", f"/cases/{case.pk}").status_code == 200
    assert call(vera, "POST", f"/cases/{case.pk}/claim").status_code == 403


def test_queues_say_how_many_wait(ada, call):
    make_case()
    make_case(at="claimed", by=ada)

    rows = {row["slug"]: row for row in call(ada, "GET", "/queues").json()["results"]}

    assert (rows["spam"]["waiting"], rows["bullying"]["waiting"]) == (1, 0)
    assert "money" not in rows


def test_claiming_the_next_answers_the_case_or_204(ada, call):
    case = make_case()

    answer = call(ada, "POST", "/queues/spam/claim")
    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (200, str(case.pk), "claimed")
    assert answer.json()["claimed_by"] == "ada"
    assert call(ada, "POST", "/queues/spam/claim").status_code == 204
    assert call(ada, "POST", "/queues/nowhere/claim").status_code == 404


def test_claim_release_skip_and_escalate_as_on_the_page(ada, ruth, call):
    case = make_case()
    path = f"/cases/{case.pk}"

    assert call(ada, "POST", f"{path}/claim").json()["state"] == "claimed"
    lost = call(ruth, "POST", f"{path}/claim")
    assert (lost.status_code, lost.json()["state"]) == (409, "claimed")
    assert call(ada, "POST", f"{path}/release").json()["state"] == "waiting"
    assert call(ada, "POST", f"{path}/release").status_code == 409
    call(ada, "POST", f"{path}/claim")
    assert call(ada, "POST", f"{path}/skip").status_code == 400
    assert call(ada, "POST", f"{path}/skip", {"reason": "Japanese"}).json()["state"] == "waiting"
    call(ruth, "POST", f"{path}/claim")
    assert call(ruth, "POST", f"{path}/escalate", {"reason": "a politician"}).json()["queue"] == "escalations"


def test_a_field_it_does_not_know_is_refused(ada, call):
    case = make_case()
    call(ada, "POST", f"/cases/{case.pk}/claim")

    answer = call(ada, "POST", f"/cases/{case.pk}/skip", {"reason": "language", "queue": "spam"})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "queue: There is no such field; there are reason."


def test_one_case_shows_reasons_evidence_and_history_masked(ada, call):
    case = make_case(at="claimed", by=ada)
    Signal.objects.create(
        source="reports", external_id="1", kind="user_report", occurred_at=NOON, account=case.account,
        data={"reason": "spam", "text": {"vault": "x", "commitment": "y", "length": 12}, "reporter": {"person": "abc"}},
    )  # fmt: skip

    body = call(ada, "GET", f"/cases/{case.pk}").json()

    assert (body["state"], body["version"], body["claimed_by"]) == ("claimed", case.version, "ada")
    assert body["reasons"] == [{"rule": "some_rule", "title": "posts a lot", "group": "content", "points": 60}]
    assert body["evidence"][0]["data"] == {
        "reason": "spam",
        "text": {"masked": True, "length": 12},
        "reporter": {"person": "masked"},
    }
    assert [event["event"] for event in body["history"]] == ["case.opened", "case.claimed"]


def test_an_escalated_case_is_gone_from_who_escalated_it(ada, call):
    case = make_case(at="claimed", by=ada)
    actions.escalate(case, by=ada, now=NOON, reason="r")

    assert call(ada, "GET", f"/cases/{case.pk}").status_code == 404


def test_pages_cost_the_same_number_of_queries_however_many_cases(ada, call, django_assert_max_num_queries):
    ship_settings()
    for _ in range(60):
        make_score(make_row_account())
    actions.take_new(now=NOON)
    call(ada, "GET", "/queues")

    with django_assert_max_num_queries(6):
        call(ada, "GET", "/cases")
    with django_assert_max_num_queries(10):
        call(ada, "GET", f"/cases/{Case.objects.first().pk}")
    with django_assert_max_num_queries(10):
        call(ada, "POST", "/queues/spam/claim")
