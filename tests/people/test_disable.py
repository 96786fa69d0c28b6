"""How is somebody's access ended? All of it at once: sessions, keys and the door."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.audit.models import AuditEvent
from portal.people import actions
from portal.people.models import User
from portal.refusal import Refused


@pytest.fixture
def sam(person):
    """Sam looks after people."""
    return person("sam", "admin")


def test_it_ends_sessions_and_keys_at_once(sam, ada, noon):
    client = Client()
    client.force_login(ada)
    _, key = actions.issue_key(ada, by=sam, now=noon, title="desk script")
    assert client.get("/profile/").status_code == 200
    assert Client().get("/api/v1/queues", headers={"Authorization": f"Bearer {key}"}).status_code == 200

    actions.disable(ada, by=sam, now=noon)

    assert client.get("/profile/")["Location"].startswith("/sign-in/")
    assert Client().get("/api/v1/queues", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    event = AuditEvent.objects.get(type="user.disabled")
    assert (event.by, event.subjects[0]) == (sam.audit_name, ada.audit_name)
    assert b'"sessions":1' in bytes(event.payload)


def test_only_the_sessions_of_that_person_end(sam, ada, ben, noon):
    hers, his = Client(), Client()
    hers.force_login(ada)
    his.force_login(ben)

    actions.disable(ada, by=sam, now=noon)

    assert his.get("/profile/").status_code == 200


def test_a_disabled_person_may_nothing(sam, ada, noon):
    actions.disable(ada, by=sam, now=noon)
    again = User.objects.get(pk=ada.pk)

    assert not any(again.may(permission) for permission in again.permissions)
    assert again.lanes == ["general"]


def test_nobody_disables_themselves(sam, noon):
    with pytest.raises(Refused, match="Nobody disables themselves"):
        actions.disable(sam, by=sam, now=noon)


def test_it_refuses_the_second_time(sam, ada, noon):
    actions.disable(ada, by=sam, now=noon)

    with pytest.raises(Refused, match="already disabled"):
        actions.disable(ada, by=sam, now=noon)
