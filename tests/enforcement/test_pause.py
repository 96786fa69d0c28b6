"""Does a paused backend hear nothing, and lose nothing?"""

from __future__ import annotations

import pytest

from moderation.enforcement import actions
from moderation.enforcement.models import Backend, Enforcement
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.conftest import NOON


def test_it_hears_nothing_until_it_is_resumed(ordered, platform, ben):
    action = ordered("suspend")
    actions.pause(Backend.objects.get(), by=ben, now=NOON, why="Their release")

    assert actions.drain(action.account_id) == 0
    assert not Enforcement.objects.due_heads().exists()
    action.refresh_from_db()
    assert (action.status, action.attempts) == ("queued", 0)

    actions.resume(Backend.objects.get(), by=ben, now=NOON)
    assert Enforcement.objects.due_heads().exists()
    assert actions.drain(action.account_id) == 1
    kinds = AuditEvent.objects.filter(subjects__0="backend:platform").order_by("id").values_list("type", flat=True)
    assert list(kinds) == ["backend.added", "backend.paused", "backend.resumed"]


def test_it_wants_a_reason_and_once_is_enough(ordered, ben):
    ordered("suspend")

    with pytest.raises(Refused, match="Say why"):
        actions.pause(Backend.objects.get(), by=ben, now=NOON, why=" ")
    with pytest.raises(Refused, match="not paused"):
        actions.resume(Backend.objects.get(), by=ben, now=NOON)
    actions.pause(Backend.objects.get(), by=ben, now=NOON, why="Their release")
    with pytest.raises(Refused, match="paused already"):
        actions.pause(Backend.objects.get(), by=ben, now=NOON, why="Again")


def test_every_described_backend_has_its_switch(system):
    actions.ship(system, NOON)
    actions.ship(system, NOON)

    assert [backend.name for backend in Backend.objects.all()] == ["platform", "synapse"]
