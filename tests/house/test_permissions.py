"""Does every door say who may open it, and does it hold?

Every URL × every role, generated from the list of URLs itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from portal.people.permissions import Permission, requirements
from portal.people.roles import ROLES

# The doors that need nobody signed in, each because it must be there before anybody is.
OPEN = {"livez", "readyz", "metrics", "sign-in", "schema", "api-docs"}
NOWHERE = UUID("00000000-0000-4000-8000-000000000000")
# What stands in an address when nothing of that name exists.
ABSENT: dict[str, Any] = {
    "int": 987654321, "uuid": NOWHERE, "slug": "no-such-thing", "str": "no-such-thing", "path": "no-such-thing",
}  # fmt: skip
# A body with something for every call and form, so that none stops at what is missing.
FILLED_IN = {
    "outcome": "warn", "reason_code": "ask_age", "version": 1, "reason": "a reason", "verdict": "approve",
    "note": "a note", "request_key": "a-key-of-some-length", "until": "2099-01-01", "waiting_for": "the owner",
    "text": "a remark",
}  # fmt: skip
NAMES = ("nobody", "no role", *(name for name in ROLES if ":" not in name))


@dataclass(frozen=True)
class Door:
    """One URL pattern: its name, an address of something that does not exist, and its view."""

    name: str
    address: str
    view: Callable[..., Any]

    @property
    def requires(self) -> tuple[Permission, ...] | None:
        return requirements(self.view)

    @property
    def is_api(self) -> bool:
        return self.address.startswith("/api/v1/")

    def opens_for(self, role: str) -> bool:
        """Whether the door's permissions are among the role's.

        A door that names none opens for whoever is signed in.
        """
        if self.requires is None:
            return True
        if role == "nobody":
            return False
        has = ROLES[role].permissions if role in ROLES else frozenset()
        return not self.requires or any(permission in has for permission in self.requires)

    def __str__(self) -> str:
        return self.name


def doors(resolver: URLResolver | None = None, before: str = "/") -> Iterator[Door]:
    """Every door of the site, with an address made from the pattern."""
    for entry in (resolver or get_resolver()).url_patterns:
        here = before + re.sub(r"<(?:(\w+):)?\w+>", lambda found: str(ABSENT[found[1] or "str"]), str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from doors(entry, here)
        elif isinstance(entry, URLPattern):
            yield Door(entry.name or here, here, entry.callback)


EVERY = list(doors())


def says(door: Door) -> bool:
    """Whether the view of a door states its permission at all."""
    try:
        requirements(door.view)
    except AttributeError:
        return False
    return True


def test_every_door_says_who_may_open_it():
    silent = [door.name for door in EVERY if not says(door)]

    assert silent == []


def test_only_the_named_few_are_open_to_nobody():
    assert {door.name for door in EVERY if door.requires is None} == OPEN


def test_every_door_has_a_name_of_its_own():
    names = [door.name for door in EVERY]

    assert sorted(names) == sorted(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)] == []


@pytest.fixture
def visitor(person: Callable[..., Any], request: pytest.FixtureRequest) -> tuple[Client, dict[str, str]]:
    """Somebody of the role asked for, signed in for pages and with a key for the API."""
    from portal.people import actions
    from portal.people.models import User

    role = request.param
    client = Client(raise_request_exception=False)
    if role == "nobody":
        return client, {}
    user = person("visitor", *([role] if role in ROLES else []))
    client.force_login(user)
    _, key = actions.issue_key(user, by=User.objects.service("system"), now=user.created_at, title="matrix")
    return client, {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(("role", "visitor"), [(role, role) for role in NAMES], indirect=["visitor"], ids=NAMES)
def test_each_door_answers_each_role_as_it_says(role, visitor):
    """Shut: to the sign-in page or 401 for nobody, 403 for the wrong role. Open.

    Anything but those, and never a 500.
    """
    client, key = visitor
    wrong = []
    for door in EVERY:
        if door.name == "sign-out":
            continue
        for method in ("get", "post"):
            ask = getattr(Client(raise_request_exception=False) if door.is_api else client, method)
            body = {"data": "{}", "content_type": "application/json"} if door.is_api and method == "post" else {}
            answer = ask(door.address, headers={**(key if door.is_api else {}), "Idempotency-Key": "matrix"}, **body)
            if not fits(door, role, answer):
                wrong.append(f"{method.upper()} {door.address} ({door.name}) for {role}: {answer.status_code}")

    assert wrong == []


def fits(door: Door, role: str, answer: Any) -> bool:
    """Whether an answer is what the door's permissions promise this role."""
    status = answer.status_code
    if status >= 500 and door.name != "readyz":
        return False
    if door.opens_for(role):
        shut = status == 401 and door.name != "sign-in"
        return not shut and not (status == 403 and door.requires is not None) and not _sent_to_sign_in(answer)
    if status == 405:  # the method is wrong for everybody
        return True
    if role == "nobody":
        return status == 401 if door.is_api else _sent_to_sign_in(answer) or status == 401
    return status == 403


def _sent_to_sign_in(answer: Any) -> bool:
    return answer.status_code in (302, 303) and answer["Location"].startswith("/sign-in/")


@pytest.mark.django_db
def test_a_refusal_at_the_api_is_a_problem_document():
    answer = Client().get("/api/v1/queues")

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["detail"]


# --- Objects of others
# ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hidden(person, db) -> dict[str, str]:
    """One of each thing that a reviewer or a lead without the minors lane may not know of, by where it stands in
    addresses.
    """
    from moderation.enforcement.models import Enforcement
    from moderation.insight import actions as insight
    from moderation.insight.exports import asked
    from portal.privacy import revealing
    from portal.privacy.actions import keep
    from tests.conftest import NOON
    from tests.make import make_case, make_decision

    ruth, vera = person("ruth", "specialist"), person("vera", "auditor")
    case = make_case(at="claimed", by=ruth, risk_type="underage")
    decision = make_decision(at="released", by=ruth, case=case)
    wanted = asked({"format": ["csv"], "purpose": "a complaint"}, wanted_by=vera)
    value = keep(case.account_id, "account.email", "a@mail.example", data_class="identity")
    shown = revealing.reveal(value, by=ruth, now=NOON, purpose="decide", case=case.pk)
    export = insight.request_export(wanted.chosen, formats=wanted.formats, purpose=wanted.purpose, by=vera, now=NOON)
    return {
        "cases": str(case.pk),
        "decisions": str(decision.pk),
        "enforcements": str(Enforcement.objects.get(decision=decision).pk),
        "exports": str(export.pk),
        "outbox": str(Enforcement.objects.get(decision=decision).pk),
        "queues": case.queue.slug,
        "people": str(ruth.pk),
        "policies": "MIN-1.1",
        "privacy": str(shown.pk),
        "reveals": str(shown.pk),
    }


def addressed(things: dict[str, str]) -> Iterator[tuple[Door, str]]:
    """Every door whose address names a thing, with one of these in its place."""
    for door in EVERY:
        thing = things.get(door.address.removeprefix("/api/v1").split("/")[1])
        if thing is not None and any(str(absent) in door.address for absent in ABSENT.values()):
            address = door.address
            for absent in ABSENT.values():
                address = address.replace(str(absent), thing)
            yield door, address


@pytest.mark.parametrize(("role", "visitor"), [(role, role) for role in ("reviewer", "lead")], indirect=["visitor"])
def test_what_is_of_another_lane_or_person_does_not_exist(role, visitor, hidden):
    """Every address that names a thing, with a thing that exists and is not for these eyes: 404, as if it did not."""
    client, key = visitor
    seen, tried = [], 0
    for door, address in addressed(hidden):
        if door.name in ("policy-read",) or door.address.startswith("/people/"):  # no secret, and nobody's lane
            continue
        for method in ("get", "post"):
            ask = getattr(Client(raise_request_exception=False) if door.is_api else client, method)
            body = (
                {"data": json.dumps(FILLED_IN), "content_type": "application/json"}
                if door.is_api
                else {"data": FILLED_IN}
            )
            body = body if method == "post" else {}
            headers = {**(key if door.is_api else {}), "Idempotency-Key": "matrix"}
            status = ask(address, headers=headers, **body).status_code
            tried += status != 405
            if status not in (404, 405) and not (status == 403 and not door.opens_for(role)):
                seen.append(f"{method.upper()} {address} ({door.name}) for {role}: {status}")

    assert seen == []
    assert tried > 20


@pytest.mark.parametrize(
    ("role", "visitor"),
    [(role, role) for role in ("specialist", "lead", "auditor", "privacy", "operator", "admin")],
    indirect=["visitor"],
)
def test_no_door_breaks_over_things_that_exist(role, visitor, hidden):
    """Every address with a thing that exists and a body that is filled in: what it may answer, and never a 500."""
    client, key = visitor
    wrong = []
    for door, address in addressed(hidden):
        for method in ("get", "post"):
            ask = getattr(Client(raise_request_exception=False) if door.is_api else client, method)
            body = (
                {"data": json.dumps(FILLED_IN), "content_type": "application/json"}
                if door.is_api
                else {"data": FILLED_IN}
            )
            answer = ask(
                address,
                headers={**(key if door.is_api else {}), "Idempotency-Key": "matrix"},
                **(body if method == "post" else {}),
            )
            if not fits(door, role, answer):
                wrong.append(f"{method.upper()} {address} ({door.name}) for {role}: {answer.status_code}")

    assert wrong == []
