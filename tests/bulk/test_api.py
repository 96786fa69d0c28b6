"""Can a program do what a lead does: preview, propose, agree, let go on, stop, undo, and read each account?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from moderation.bulk.models import Bulk
from portal.audit.models import AuditEvent
from portal.people import actions as people
from portal.people.models import User
from tests.make import NOON, make_row_account, make_score, ship_settings

from .group import run

ROOT = "/api/v1/bulks"
NOTE = {"outcome": "warn", "reason_code": "bulk_messages", "note": "post one text in turn"}


@pytest.fixture
def call(lena: Any, ben: Any, ada: Any) -> Any:
    """`call("lena", "post", "/preview", {…})` → answer, status."""
    ship_settings()
    keys = {
        user.username: people.issue_key(user, by=User.objects.service("system"), now=NOON, title="script")[1]
        for user in (lena, ben, ada)
    }

    def one(name: str, method: str, path: str = "", body: Any = None, key: str = "k-1") -> tuple[Any, int]:
        headers = {"Authorization": f"Bearer {keys[name]}", "Idempotency-Key": key}
        more = {"data": json.dumps(body or {}), "content_type": "application/json"} if method == "post" else {}
        answer = getattr(Client(), method)(ROOT + path, headers=headers, **more)
        return answer.json(), answer.status_code

    return one


def accounts(count: int) -> list[str]:
    return [f"main:{make_score(make_row_account(), shown=70).account.external_id}" for _ in range(count)]


def proposed(call: Any, count: int = 3) -> str:
    told, status = call(
        "lena", "post", "", {"risk_type": "spam", "accounts": accounts(count), "count": count, **NOTE}
    )  # fmt: skip
    assert status == 201, told
    return str(told["id"])


def test_a_preview_says_how_many_who_is_left_out_and_a_sample(call):
    names = [*accounts(3), "main:nobody", f"main:{make_row_account(is_protected=True).external_id}"]

    told, status = call("lena", "post", "/preview", {"risk_type": "spam", "accounts": names})

    assert (status, told["accounts"], told["below_review"]) == (200, 3, 0)
    assert told["left_out"] == {"is not known": 1, "must be decided by itself": 1}
    assert {one["account"] for one in told["sample"]} == set(names[:3])
    assert AuditEvent.objects.filter(type="bulk.previewed").count() == 1


def test_a_preview_by_filter(call):
    accounts(3)
    make_score(make_row_account(), shown=20)

    told, status = call("lena", "post", "/preview", {"risk_type": "spam", "filter": {"lowest": 60}})

    assert (status, told["accounts"], told["cut"]) == (200, 3, False)


@pytest.mark.parametrize("whom", [{}, {"filter": {}, "accounts": ["main:1"]}])
def test_it_takes_one_way_to_say_whom(call, whom):
    assert call("lena", "post", "/preview", {"risk_type": "spam", **whom})[1] == 400


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"filter": {"lowest": 20, "score_to": 40}}, "score_to"),
        ({"filter": {"lowest": 20}, "platform": "main"}, "platform"),
    ],
)
def test_a_word_it_does_not_know_is_refused_for_it_would_choose_everybody(call, said, name):
    told, status = call("lena", "post", "/preview", {"risk_type": "spam", **said})

    assert status == 400
    assert f"{name}" in json.dumps(told)
    assert "There is no such field" in json.dumps(told)
    assert not AuditEvent.objects.filter(type="bulk.previewed").exists()


def test_its_whole_life(call):
    pk = proposed(call)
    assert call("lena", "post", f"/{pk}/approval", {"verdict": "approve"})[1] == 409
    assert call("ben", "post", f"/{pk}/approval", {"verdict": "approve"})[0]["state"] == "running"
    run(Bulk.objects.get(pk=pk), limit=2, now=Bulk.objects.get(pk=pk).approved_at)
    assert call("ben", "post", f"/{pk}/stop")[0]["state"] == "stopped"
    told, _ = call("lena", "get", f"/{pk}")
    assert (told["counts"], told["measures"]) == ({"decided": 2, "waiting": 1}, {"queued": 2})
    assert call("ben", "post", f"/{pk}/go-on")[0]["state"] == "running"
    call("ben", "post", f"/{pk}/stop")
    told, status = call("lena", "post", f"/{pk}/undo", {"reason_code": "not_violating"})
    assert (status, told["state"], told["undone_by"]) == (200, "undoing", "lena")
    rows, _ = call("lena", "get", f"/{pk}/items?state=decided")
    assert [row["position"] for row in rows["results"]] == [1, 2]


def test_the_same_key_answers_the_first_proposal_and_refuses_another(call):
    body = {"risk_type": "spam", "accounts": accounts(3), "count": 3, **NOTE}
    first, _ = call("lena", "post", "", body)

    assert call("lena", "post", "", body)[0]["id"] == first["id"]
    assert call("lena", "post", "", body | {"outcome": "ban"})[1] == 422
    assert Bulk.objects.count() == 1


def test_a_wrong_count_is_refused_with_the_right_one(call):
    told, status = call("lena", "post", "", {"risk_type": "spam", "accounts": accounts(3), "count": 4, **NOTE})

    assert (status, "on 3 accounts" in told["detail"]) == (409, True)


def test_declined_it_needs_a_reason(call):
    pk = proposed(call)

    assert call("ben", "post", f"/{pk}/approval", {"verdict": "decline"})[1] == 400
    told, _ = call("ben", "post", f"/{pk}/approval", {"verdict": "decline", "reason": "not one of them is spam"})
    assert told["state"] == "declined"


def test_the_list_is_read_in_pages(call, monkeypatch):
    monkeypatch.setattr("moderation.bulk.api.PAGE", 2)
    made = [
        call("lena", "post", "", {"risk_type": "spam", "accounts": accounts(2), "count": 2, **NOTE}, key=f"k{n}")[0][
            "id"
        ]
        for n in range(3)
    ]

    first, _ = call("ben", "get")
    second, _ = call("ben", "get", f"?cursor={first['next']}")

    assert [row["id"] for row in first["results"] + second["results"]] == made[::-1]
    assert second["next"] is None


def test_it_is_for_leads(call):
    pk = proposed(call)

    for method, path in (
        ("get", ""), ("post", ""), ("post", "/preview"), ("get", f"/{pk}"), ("get", f"/{pk}/items"),
        ("post", f"/{pk}/approval"), ("post", f"/{pk}/go-on"), ("post", f"/{pk}/stop"), ("post", f"/{pk}/undo"),
    ):  # fmt: skip
        assert call("ada", method, path)[1] == 403
