"""What may programs read of accounts? The card with its reasons, pages by score; other lanes do not exist."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.audit.models import AuditEvent
from portal.people import actions as people
from risk.intake import actions as intake
from risk.scoring import actions, reading
from risk.strategy import actions as strategy
from tests.make import NOON, ROBOT, make_signal


@pytest.fixture
def told(system: Any) -> Any:
    strategy.ship(by=system, now=NOON)
    raw = [
        make_signal(
            account="robot",
            attributes={**ROBOT, "handle": "real.robot.9000", "birth_date": "2016-01-01"},
            links=[("device", "d")],
        ),
        make_signal("login", account="friend", attributes={"followers_count": 900}, links=[("device", "d")]),
        make_signal("post", account="robot", scores=[{"risk_type": "spam", "score": 91, "model": "spamnet-4"}]),
    ]
    assert not intake.ingest(raw, by=system, now=NOON, door="api").rejected
    actions.score_stale(now=NOON)
    return system


@pytest.fixture
def client_of(system: Any) -> Any:
    def make(user: Any) -> APIClient:
        _, key = people.issue_key(user, by=system, now=NOON, title="test")
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        return client

    return make


def test_the_card_shows_scores_with_reasons_that_add_up(told: Any, client_of: Any, ada: Any) -> None:
    card = client_of(ada).get("/api/v1/accounts/main/robot").json()

    ours, verdict = (next(one for one in card["scores"] if ("model" in one) == pushed) for pushed in (False, True))
    assert (ours["risk_type"], ours["raw"], ours["score"], ours["band"], ours["calibrated"]) == (
        "fake_account",
        70,
        70,
        "high",
        None,
    )
    assert ours["strategy"] == "fake_account v1"
    assert sum(reason["points"] for reason in ours["reasons"]) == ours["raw"]
    assert {"rule", "title", "group", "points", "detail"} <= set(ours["reasons"][0])
    assert ours["not_evaluated"]["fa_disposable_mail"] == "not evaluated: feature email_domain missing"
    assert (verdict["model"], verdict["score"], verdict["reasons"], verdict["strategy"]) == ("spamnet-4", 91, [], None)
    assert (card["headline"], card["headline_type"]) == (54.6, "spam")
    assert (card["platform"], card["id"], card["handle"]) == ("main", "robot", "re•••.9000")
    assert [(link["id"], link["kinds"]) for link in card["links"]] == [("friend", ["device"])]
    assert {"strikes", "labels", "cases", "decisions", "enforcements"} <= set(card)
    assert "real.robot" not in str(card)


def test_the_lane_of_minors_does_not_exist_for_others(told: Any, client_of: Any, ada: Any, ruth: Any) -> None:
    def types(user: Any) -> set[str]:
        return {one["risk_type"] for one in client_of(user).get("/api/v1/accounts/main/robot").json()["scores"]}

    assert "underage" not in types(ada)
    assert "underage" in types(ruth)
    assert client_of(ada).get("/api/v1/accounts?risk_type=underage").json()["results"] == []
    assert len(client_of(ruth).get("/api/v1/accounts?risk_type=underage").json()["results"]) == 1


def test_accounts_come_by_score_page_by_page_without_gaps_or_doubles(
    told: Any, client_of: Any, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.ingest(
        [make_signal(account=f"n{at}", attributes={"followers_count": at * 10}) for at in range(12)],
        by=told,
        now=NOON,
        door="api",
    )
    actions.score_stale(now=NOON)
    monkeypatch.setattr(reading, "PAGE", 5)
    client, seen, mark = client_of(ada), [], ""
    while mark is not None:
        page = client.get(f"/api/v1/accounts?platform=main&risk_type=fake_account&cursor={mark}").json()
        assert len(page["results"]) <= 5
        seen += page["results"]
        mark = page["next"]

    assert len({row["id"] for row in seen}) == len(seen) == 14
    assert [row["raw"] for row in seen] == sorted((row["raw"] for row in seen), reverse=True)
    assert seen[0] == {"platform": "main", "id": "robot", "risk_type": "fake_account", "raw": 70, "score": 70}


def test_accounts_can_be_asked_from_a_score_on(told: Any, client_of: Any, ada: Any) -> None:
    rows = client_of(ada).get("/api/v1/accounts?min_score=50").json()["results"]

    assert [row["id"] for row in rows] == ["robot"]


@pytest.mark.parametrize("query", ["min_score=x", "min_score=101", "min_score=-1", "cursor=rubbish", "platform=%00"])
def test_a_parameter_that_makes_no_sense_is_refused_in_a_sentence(
    told: Any, client_of: Any, ada: Any, query: str
) -> None:
    answer = client_of(ada).get(f"/api/v1/accounts?{query}")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_an_account_nobody_told_of_is_not_there(told: Any, client_of: Any, ada: Any, cleo: Any) -> None:
    assert client_of(ada).get("/api/v1/accounts/main/nobody").status_code == 404
    assert client_of(cleo).get("/api/v1/accounts/main/robot").status_code == 403
    assert APIClient().get("/api/v1/accounts/main/robot").status_code == 401


def test_looking_at_an_account_is_written_once_in_five_minutes(told: Any, client_of: Any, ada: Any) -> None:
    client = client_of(ada)
    for _ in range(3):
        client.get("/api/v1/accounts/main/robot")

    assert AuditEvent.objects.filter(type="account.viewed", by=f"user:{ada.pk}").count() == 1


def test_the_card_takes_a_bounded_number_of_queries(
    told: Any, client_of: Any, ada: Any, django_assert_max_num_queries: Any
) -> None:
    client = client_of(ada)
    client.get("/api/v1/accounts/main/robot")
    with django_assert_max_num_queries(16):
        client.get("/api/v1/accounts/main/robot")
