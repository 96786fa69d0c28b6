"""Does the description of the API tell the truth?

It is valid, and what the server answers fits it, whatever is sent.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as described_checks

from tests.conftest import NOON

EXAMPLES = int(os.environ.get("REEVE_API_EXAMPLES", "8"))  # per operation; more for a long run
CHECKS = [
    checks.not_a_server_error,
    described_checks.status_code_conformance,
    described_checks.content_type_conformance,
    described_checks.response_schema_conformance,
]
# Each call of the contract that exists, and what it may answer when all is well.
CALLS = {
    ("get", "/accounts"): {"200"},
    ("get", "/accounts/{platform}/{id}"): {"200"},
    ("get", "/audit/checkpoint"): {"200"},
    ("get", "/audit/events"): {"200"},
    ("get", "/audit/proof"): {"200"},
    ("get", "/bulks"): {"200"},
    ("get", "/bulks/{id}"): {"200"},
    ("get", "/bulks/{id}/items"): {"200"},
    ("get", "/cases"): {"200"},
    ("get", "/cases/{id}"): {"200"},
    ("get", "/enforcements"): {"200"},
    ("get", "/exports/{id}"): {"200"},
    ("get", "/exports/{id}/file"): {"200"},
    ("get", "/policies"): {"200"},
    ("get", "/queues"): {"200"},
    ("post", "/bulks"): {"201"},
    ("post", "/bulks/preview"): {"200"},
    ("post", "/bulks/{id}/approval"): {"200"},
    ("post", "/bulks/{id}/go-on"): {"200"},
    ("post", "/bulks/{id}/stop"): {"200"},
    ("post", "/bulks/{id}/undo"): {"200"},
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


# --- Whatever is sent
# ---------------------------------------------------------------------------------------------------


@pytest.fixture
def lead(person) -> dict[str, str]:
    """Ben's key, which may also tell signals: the widest a program can have."""
    from portal.people import actions
    from portal.people.models import User
    from portal.people.permissions import Permission
    from portal.people.roles import ROLES

    ben = person("ben", "lead")
    scopes = (*ROLES["lead"].permissions, Permission.SIGNAL_WRITE)
    _, key = actions.issue_key(ben, by=User.objects.service("system"), now=NOON, title="script", scopes=scopes)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def things(person, noon) -> dict[str, list[str]]:
    """One of each thing that an address can name, so that not every call ends in a 404."""
    from moderation.bulk import actions as bulks
    from tests.make import make_case, make_decision, make_row_account

    ada = person("ada", "reviewer")
    group = [make_row_account().pk for _ in range(10)]
    decision = make_decision(at="proposed", by=ada)
    bulk = bulks.propose(
        group, by=person("lena", "lead"), now=NOON, risk_type="spam", outcome="warn", reason_code="bulk_messages",
        note="one text", although="no scores are made here", typed=10, request_key="a-group",
    )  # fmt: skip
    return {
        "bulks": [str(bulk.pk)],
        "cases": [str(make_case().pk), str(decision.case_id)],
        "decisions": [str(decision.pk), str(make_decision(at="released", by=ada).pk)],
        "queues": ["spam"],
        "accounts": [decision.account.external_id],
    }


@pytest.fixture
def application(db) -> Iterator[Any]:
    """The site as a server calls it, within this test's transaction: connections are not closed between requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_sent_the_answer_is_described_and_never_a_500(described, application, lead, things):
    """A few hundred calls drawn from the description itself, some as it says and some not; the draw is fixed."""
    schema = schemathesis.openapi.from_dict(described)
    schema.app = application
    calls: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try_out(operation, mode, lead, things, calls)

    assert sum(calls.values()) >= 22 * EXAMPLES
    assert calls[200] >= EXAMPLES, "some of it must get through"


def try_out(
    operation: Any, mode: GenerationMode, key: dict[str, str], things: dict[str, list[str]], calls: Any
) -> None:
    """Send what is drawn to one operation and hold each answer against the description."""
    room = operation.path.removeprefix("/api/v1/").split("/")[0]

    @hypothesis.seed(20)
    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode), known=st.sampled_from([None, *things.get(room, [])])
    )
    def run(case: Any, known: str | None) -> None:
        if known and case.path_parameters:
            name = next((name for name in ("id", "slug", "external_id") if name in case.path_parameters), "")
            case.path_parameters[name] = known
            case.path_parameters.update({"platform": "main"} if "platform" in case.path_parameters else {})
        with transaction.atomic():
            answer = case.call(headers=key)
            transaction.set_rollback(True)
        calls[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    # Nothing can be sent wrongly to a call that takes nothing.
    with contextlib.suppress(hypothesis.errors.Unsatisfiable):
        run()
