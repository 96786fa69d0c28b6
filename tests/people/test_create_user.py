"""How does somebody begin? Without any role, under a name nobody has, with an event."""

from __future__ import annotations

import pytest

from portal.audit.models import AuditEvent
from portal.people import actions
from portal.people.models import User
from portal.refusal import Refused


def test_it_makes_somebody_who_may_nothing_yet(system, noon):
    made = actions.create_user("milo", by=system, now=noon, password="correct horse battery staple")

    assert made.permissions == frozenset()
    assert made.check_password("correct horse battery staple")
    assert "correct horse" not in User.objects.get(pk=made.pk).password
    assert AuditEvent.objects.filter(type="user.created", by=system.audit_name, subjects=[made.audit_name]).exists()


def test_it_refuses_a_name_that_is_taken(system, ada, noon):
    with pytest.raises(Refused, match="already somebody called ada"):
        actions.create_user("ada", by=system, now=noon)


def test_without_a_password_nobody_can_sign_in(system, noon):
    made = actions.create_user("milo", by=system, now=noon, password=None)

    assert not made.has_usable_password()


def test_a_service_user_is_made_once_and_cannot_sign_in(db):
    system = User.objects.service("system")

    assert User.objects.service("system").pk == system.pk
    assert system.kind == User.Kind.SERVICE
    assert not system.check_password("!")
