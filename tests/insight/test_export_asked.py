"""May an export be asked for by a page and by a call, and is what does not fit refused with a sentence?"""

from __future__ import annotations

import hashlib
import json

import pytest
from django.urls import reverse
from django.utils import timezone

from moderation.insight import exports
from moderation.insight.models import Export
from portal.people import actions as people
from portal.people.models import User
from tests import make

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.mark.django_db
def test_it_is_asked_for_by_a_plain_form(signed_in, vera):
    client = signed_in(vera)

    answer = client.post(
        reverse("exports"), {"format": ["csv", "parquet"], "purpose": "check", "actor": "", "from": ""}, follow=True
    )

    assert "The export is being made." in answer.content.decode()
    assert Export.objects.get().formats == ["jsonl", "csv", "parquet"]


@pytest.fixture
def call(client, person):
    vera = person("vera", "auditor")
    _, key = people.issue_key(vera, by=User.objects.service("system"), now=make.NOON, title="test")

    def send(method, path, body=None):
        return client.generic(
            method, f"/api/v1/exports{path}", json.dumps(body) if body is not None else "",
            content_type="application/json", headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip

    return send


def test_it_is_asked_for_looked_at_and_fetched_by_call(provers, call):
    asked = call("POST", "", {"format": ["xlsx"], "purpose": "yearly check", "type": "user.created"})
    assert asked.status_code == 202
    assert asked.json() == {"id": asked.json()["id"], "state": "queued"}
    path = f"/{asked.json()['id']}"
    assert call("GET", path + "/file").status_code == 409

    assert exports.make(asked.json()["id"], clock=timezone.now, pause=provers.prove)

    looked = call("GET", path).json()
    assert (looked["state"], looked["done"]) == ("done", looked["total"])
    body = b"".join(call("GET", path + "/file").streaming_content)
    assert hashlib.sha256(body).hexdigest() == looked["sha256"]
    assert call("POST", path + "/cancel").status_code == 409
    assert call("POST", path + "/cancel").json()["state"] == "done"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"format": ["pdf"], "purpose": "x"}, "no form"),
        ({"format": {"csv": 1}, "purpose": "x"}, "give a list"),
        ({"format": [7], "purpose": "x"}, "give a list"),
        ({"format": ["csv"]}, "purpose"),
        ({"format": ["csv"], "purpose": "  "}, "purpose"),
        ({"format": ["csv"], "purpose": "x", "colour": "red"}, "colour"),
        ({"format": ["csv"], "purpose": "x", "from": "soon"}, "not a day"),
        ({"format": ["csv"], "purpose": "x", "from": "2026-11-20T09:00:00"}, "not a time"),
        ({"format": ["csv"], "purpose": "x", "account": "main:none"}, "account"),
        ({"format": ["csv"], "purpose": "x", "actor": "nobody"}, "actor"),
        ({"format": ["csv"], "purpose": "x", "type": 7}, "type"),
        ([], "JSON object"),
    ],
)
def test_it_refuses_a_malformed_call_with_a_sentence(body, says, call):
    answer = call("POST", "", body)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert not Export.objects.exists()
