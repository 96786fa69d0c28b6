"""May an action be taken back? Only one that was never sent."""

from __future__ import annotations

import pytest

from moderation.enforcement import actions
from moderation.enforcement.models import Enforcement
from portal.refusal import Refused
from tests.conftest import NOON


def test_what_was_never_sent_is_taken_back(ordered, platform, ben):
    action = ordered("suspend")

    actions.cancel(action, by=ben, now=NOON)

    assert actions.drain(action.account_id) == 0
    action.refresh_from_db()
    assert (action.status, platform.ledger.rows) == ("cancelled", [])


def test_what_was_sent_is_not(ordered, platform, ben):
    action = ordered("suspend")
    stale = Enforcement.objects.get(pk=action.pk)
    actions.drain(action.account_id)
    action.refresh_from_db()

    with pytest.raises(Refused, match="sent already"):
        actions.cancel(action, by=ben, now=NOON)
    with pytest.raises(Refused, match="Somebody else was first"):
        actions.cancel(stale, by=ben, now=NOON)
