"""Does the description of the API tell the truth?

It is valid, and what the server answers fits it, whatever is sent.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

EXAMPLES = int(os.environ.get("REEVE_API_EXAMPLES", "12"))  # per operation; more for a long run
# Each call of the contract that exists, and what it may answer when all is well.
CALLS = {
    ("get", "/accounts"): {"200"},
    ("get", "/accounts/{platform}/{id}"): {"200"},
    ("get", "/cases"): {"200"},
    ("get", "/cases/{id}"): {"200"},
    ("get", "/enforcements"): {"200"},
    ("get", "/exports/{id}"): {"200"},
    ("get", "/exports/{id}/file"): {"200"},
    ("get", "/policies"): {"200"},
    ("get", "/queues"): {"200"},
    ("post", "/cases/{id}/claim"): {"200"},
    ("post", "/cases/{id}/decisions"): {"201"},
    ("post", "/cases/{id}/escalate"): {"200"},
    ("post", "/cases/{id}/release"): {"200"},
    ("post", "/cases/{id}/skip"): {"200"},
    ("post", "/decisions/{id}/approval"): {"200"},
    ("post", "/decisions/{id}/reversal"): {"201"},
    ("post", "/decisions/{id}/undo"): {"200"},
    ("post", "/enforcements/{id}/retry"): {"200"},
    ("post", "/exports"): {"202"},
    ("post", "/exports/{id}/cancel"): {"200"},
    ("post", "/queues/{slug}/claim"): {"200", "204"},
    ("post", "/signals"): {"200"},
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(described: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The operations by method and path, with the names of path parameters as the contract has them."""
    return {
        (method, path.removeprefix("/api/v1").replace("{pk}", "{id}").replace("{external_id}", "{id}")): operation
        for path, by_method in described["paths"].items()
        for method, operation in by_method.items()
    }


def test_it_is_a_valid_description(described):
    validate_schema(described)


def test_it_is_made_without_a_guess(capsys, tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))


def test_it_names_the_calls_of_the_contract_and_no_other(described):
    assert set(operations(described)) == set(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]}")
def test_a_call_answers_what_the_contract_says(described, call):
    operation = operations(described)[call]
    well = {status for status in operation["responses"] if status < "400"}

    assert well == CALLS[call]
    assert operation.get("summary")
    assert {"401", "403", "429"} <= set(operation["responses"])


@pytest.mark.django_db
def test_the_description_and_its_page_are_served():
    assert Client().get("/api/schema/").status_code == 200
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert "unsafe-inline" not in page["Content-Security-Policy"].split("script-src")[1].split(";")[0]
