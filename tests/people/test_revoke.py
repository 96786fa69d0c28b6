"""How is a role taken back? At once, by another, keeping the row that says who had it and since when."""

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


def test_it_ends_at_once_and_keeps_the_row(sam, ada, noon):
    actions.revoke(ada, "reviewer", by=sam, now=noon)

    assert not User.objects.get(pk=ada.pk).may(Permission.CASE_CLAIM)
    kept = Grant.objects.get(user=ada, role="reviewer")
    assert (kept.revoked_by, kept.revoked_at) == (sam, noon)
    assert AuditEvent.objects.filter(type="role.revoked", by=sam.audit_name).count() == 1


def test_nobody_revokes_their_own(sam, noon):
    with pytest.raises(Refused, match="their own roles"):
        actions.revoke(sam, "admin", by=sam, now=noon)


def test_the_database_refuses_to_revoke_ones_own(sam, noon):
    with pytest.raises(IntegrityError, match="nobody_revokes_their_own"), transaction.atomic():
        Grant.objects.filter(user=sam).update(revoked_by=sam, revoked_at=noon)


def test_the_database_wants_who_and_when_together(sam, ada, noon):
    with pytest.raises(IntegrityError, match="grant_revocation_is_whole"), transaction.atomic():
        Grant.objects.filter(user=ada).update(revoked_at=noon)


def test_it_refuses_a_role_not_held(sam, ada, noon):
    with pytest.raises(Refused, match="does not have the role"):
        actions.revoke(ada, "lead", by=sam, now=noon)


def test_a_role_taken_back_can_be_given_again(sam, ada, noon):
    actions.revoke(ada, "reviewer", by=sam, now=noon)
    actions.grant(ada, "reviewer", by=sam, now=noon)

    assert Grant.objects.filter(user=ada, role="reviewer").count() == 2
    assert User.objects.get(pk=ada.pk).role_names == {"reviewer"}
