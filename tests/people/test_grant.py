"""Who may be given what, and by whom? Nobody changes their own roles; the database refuses it too."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from portal.audit.models import AuditEvent
from portal.people import actions
from portal.people.models import Grant, User
from portal.people.permissions import Permission
from portal.refusal import Refused


@pytest.fixture
def sam(person):
    """Sam looks after people."""
    return person("sam", "admin")


def test_it_gives_a_role_at_once_and_writes_it_down(sam, cleo, noon):
    assert not cleo.may(Permission.CASE_CLAIM)

    actions.grant(cleo, "reviewer", by=sam, now=noon)

    assert cleo.may(Permission.CASE_CLAIM)
    event = AuditEvent.objects.get(type="role.granted", by=sam.audit_name)
    assert event.subjects[0] == cleo.audit_name
    assert b'"role":"reviewer"' in bytes(event.payload)


def test_nobody_grants_to_themselves(sam, noon):
    with pytest.raises(Refused, match="their own roles"):
        actions.grant(sam, "lead", by=sam, now=noon)

    assert sam.role_names == {"admin"}


def test_the_database_refuses_a_grant_to_oneself(sam):
    with pytest.raises(IntegrityError, match="nobody_grants_to_themselves"), transaction.atomic():
        Grant.objects.create(user=sam, role="lead", granted_by=sam)


def test_the_database_refuses_to_turn_a_grant_into_ones_own(sam, cleo, noon):
    given = actions.grant(cleo, "reviewer", by=sam, now=noon)

    with pytest.raises(IntegrityError, match="nobody_grants_to_themselves"), transaction.atomic():
        Grant.objects.filter(pk=given.pk).update(user=sam)


def test_it_refuses_a_role_held_already(sam, ada, noon):
    with pytest.raises(Refused, match="already has the role"):
        actions.grant(ada, "reviewer", by=sam, now=noon)

    assert Grant.objects.filter(user=ada, role="reviewer").count() == 1


def test_it_refuses_a_role_that_is_none(sam, ada, noon):
    with pytest.raises(Refused, match="no role emperor"):
        actions.grant(ada, "emperor", by=sam, now=noon)


def test_it_says_which_roles_are_weighty(sam, cleo, noon):
    actions.grant(cleo, "privacy", by=sam, now=noon)

    event = AuditEvent.objects.get(type="role.granted", by=sam.audit_name)
    assert b'"sensitive":true' in bytes(event.payload)


def test_nothing_is_granted_when_the_log_cannot_be_written(sam, cleo, noon, monkeypatch):
    def broken(*_args, **_facts):
        raise RuntimeError("the log is away")

    monkeypatch.setattr("portal.people.actions.audit.record", broken)
    with pytest.raises(RuntimeError), transaction.atomic():
        actions.grant(cleo, "reviewer", by=sam, now=noon)

    assert User.objects.get(pk=cleo.pk).role_names == set()
