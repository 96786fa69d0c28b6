"""What do programs hear when they tell us signals? Counts and places; 400 only for a body that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.people import actions as people
from risk.intake import actions
from risk.intake.models import Signal
from tests.intake.bad import BAD, good
from tests.make import NOON

URL = "/api/v1/signals"


@pytest.fixture
def client(person: Any, system: Any) -> APIClient:
    actions.ship(by=system, now=NOON)
    teller = person("upstream")
    _, key = people.issue_key(teller, by=system, now=NOON, title="signals", scopes=("signal.write",))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def post(client: APIClient, body: Any, kind: str = "application/json") -> Any:
    return client.post(URL, data=body if isinstance(body, str | bytes) else json.dumps(body), content_type=kind)


def test_it_takes_one_object_and_the_same_again_is_a_duplicate(client: APIClient) -> None:
    first, second = post(client, good()), post(client, good())

    assert (first.status_code, first.json()) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
    assert second.json() == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_it_takes_an_array_and_names_the_bad_by_index(client: APIClient) -> None:
    answer = post(client, [good(external_id="1"), good(external_id="2", kind="sneeze"), good(external_id="3"), 7])

    told = answer.json()
    assert (answer.status_code, told["accepted"]) == (200, 2)
    assert [(bad["index"], bad["path"]) for bad in told["rejected"]] == [(1, "$.kind"), (3, "$")]
    assert all(bad["reason"] for bad in told["rejected"])


def test_it_takes_lines_and_every_kind_of_wrong_costs_only_its_own(client: APIClient) -> None:
    lines = []
    for at, (text, _) in enumerate(BAD.values()):
        lines += [text, json.dumps(good(external_id=f"g{at}"))]

    told = post(client, "\n".join(lines), "application/x-ndjson").json()

    assert (told["accepted"], [bad["index"] for bad in told["rejected"]]) == (len(BAD), list(range(0, 2 * len(BAD), 2)))
    assert [bad["path"] for bad in told["rejected"]] == [path for _, path in BAD.values()]


def test_it_lets_nan_in_an_array_cost_only_that_signal(client: APIClient) -> None:
    body = "[" + json.dumps(good()) + "," + BAD["NaN"][0] + "]"

    assert [bad["path"] for bad in post(client, body).json()["rejected"]] == ["$.data.share"]


@pytest.mark.parametrize("body", ["", "{", "[1,", b"\xff\xfe", "[" * 200_000])
def test_it_answers_400_only_when_the_body_itself_cannot_be_read(client: APIClient, body: str | bytes) -> None:
    answer = post(client, body)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].endswith(".")


def test_it_answers_413_over_ten_thousand_or_sixteen_mebibytes(client: APIClient) -> None:
    assert post(client, "[" + ",".join(["1"] * 10_001) + "]").status_code == 413
    assert post(client, "\n".join(["1"] * 10_001), "application/x-ndjson").status_code == 413
    assert post(client, " " * (16 * 1024 * 1024 + 1)).status_code == 413
    assert post(client, "[" + ",".join(["1"] * 10_000) + "]").status_code == 200


def test_it_takes_nothing_without_a_key_or_the_permission(client: APIClient, ada: Any, system: Any) -> None:
    _, key = people.issue_key(ada, by=system, now=NOON, title="ada")

    assert post(APIClient(), good()).status_code == 401
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert post(client, good()).status_code == 403
    assert not Signal.objects.exists()
