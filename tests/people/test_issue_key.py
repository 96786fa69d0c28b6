"""What is a key worth? It acts as its user, narrowed by its scopes, is kept as a hash, and ends when it is retired."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from portal.audit.models import AuditEvent
from portal.people import actions
from portal.people.models import ServiceKey, User
from portal.people.permissions import Permission
from portal.refusal import Refused


@pytest.fixture
def sam(person):
    """Sam looks after people."""
    return person("sam", "admin")


def ask(key, path="/api/v1/queues", **more):
    return Client().get(path, headers={"Authorization": f"Bearer {key}"}, **more)


def test_it_acts_as_its_user(sam, ada, noon):
    _, key = actions.issue_key(ada, by=sam, now=noon, title="desk script")

    assert ask(key).status_code == 200


def test_it_is_stored_only_as_a_hash(sam, ada, noon):
    row, key = actions.issue_key(ada, by=sam, now=noon, title="desk script")

    with connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM portal_servicekey k WHERE id = %s", [row.pk])
        stored = cursor.fetchone()[0]
    assert key not in stored
    assert key.encode().hex() not in stored
    assert key.startswith("rv_")
    assert len(key) > 40
    assert all(key.encode() not in bytes(event.payload) for event in AuditEvent.objects.all())


def test_two_keys_are_never_the_same(sam, ada, noon):
    keys = {actions.issue_key(ada, by=sam, now=noon, title="again")[1] for _ in range(3)}

    assert len(keys) == 3


def test_scopes_narrow_it(sam, ada, noon):
    _, key = actions.issue_key(ada, by=sam, now=noon, title="intake", scopes=(Permission.SIGNAL_WRITE,))

    assert ask(key).status_code == 403


@pytest.mark.parametrize(
    "header",
    ["Bearer rv_unknown", "Bearer ", "Bearer", "Basic YWRhOmFkYQ==", "", "bearer  x y", "Bearer \u00fc"],
)
def test_what_is_no_key_of_ours_gets_a_401_problem(db, header):
    answer = Client().get("/api/v1/queues", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_retired_key_opens_nothing(sam, ada, noon):
    row, key = actions.issue_key(ada, by=sam, now=noon, title="desk script")
    actions.retire_key(row, by=sam, now=noon)

    assert ask(key).status_code == 401
    assert ServiceKey.objects.get(pk=row.pk).retired_at == noon
    event = AuditEvent.objects.get(type="key.retired")
    assert event.subjects == [row.audit_name, ada.audit_name]


def test_a_key_is_retired_once(sam, ada, noon):
    row, _ = actions.issue_key(ada, by=sam, now=noon, title="desk script")
    actions.retire_key(row, by=sam, now=noon)

    with pytest.raises(Refused, match="already retired"):
        actions.retire_key(row, by=sam, now=noon)


def test_a_key_of_a_disabled_person_opens_nothing(sam, ada, noon):
    _, key = actions.issue_key(ada, by=sam, now=noon, title="desk script")
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert ask(key).status_code == 401


def test_a_role_taken_back_counts_at_the_next_call(sam, ada, noon):
    _, key = actions.issue_key(ada, by=sam, now=noon, title="desk script")
    actions.revoke(ada, "reviewer", by=sam, now=noon)

    assert ask(key).status_code == 403


def test_it_is_written_down_with_what_it_may_do(sam, ada, noon):
    row, _ = actions.issue_key(ada, by=sam, now=noon, title="intake", scopes=(Permission.SIGNAL_WRITE,))

    event = AuditEvent.objects.get(type="key.issued")
    assert event.subjects == [row.audit_name, ada.audit_name]
    assert b'"scopes":["signal.write"]' in bytes(event.payload)
