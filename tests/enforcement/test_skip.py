"""Does giving up one action let the next go on, with its reason kept and out of the log?"""

from __future__ import annotations

import pytest

from moderation.enforcement import actions
from portal.audit.models import AuditEvent
from portal.privacy.actions import open_value
from portal.refusal import Refused
from tests.conftest import NOON


def test_what_follows_goes_on(ordered, platform, ben):
    action = ordered("restrict", scope="wings")
    behind = ordered("label", account=action.account)
    actions.drain(action.account_id)
    action.refresh_from_db()

    actions.skip(action, by=ben, now=NOON, reason=" Wings are not a thing. ")

    actions.drain(action.account_id)
    action.refresh_from_db()
    behind.refresh_from_db()
    assert (action.status, behind.status) == ("skipped", "applied")
    event = AuditEvent.objects.get(type="enforcement.skipped")
    assert b"Wings" not in bytes(event.payload)
    note = bytes(event.payload).decode().split('"note":"')[1][:36]
    assert open_value(note) == "Wings are not a thing."


def test_it_wants_a_reason(ordered, platform, ben):
    action = ordered("restrict", scope="wings")
    actions.drain(action.account_id)
    action.refresh_from_db()

    with pytest.raises(Refused, match="Say why"):
        actions.skip(action, by=ben, now=NOON, reason="  ")


def test_what_goes_by_itself_is_not_skipped(ordered, ben):
    with pytest.raises(Refused, match="This action is queued"):
        actions.skip(ordered("suspend"), by=ben, now=NOON, reason="no")
