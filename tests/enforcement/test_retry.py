"""May a lead send a stopped action again, and does it go under the same key?"""

from __future__ import annotations

import pytest
from django.utils import timezone

from moderation.enforcement import actions
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.local import ledger
from portal.refusal import Refused


@pytest.fixture
def stopped(ordered, platform, monkeypatch):
    """Refused by the platform, which has learnt better since."""
    action = ordered("restrict", scope="wings")
    actions.drain(action.account_id)
    monkeypatch.setattr(ledger, "SCOPES", (*ledger.SCOPES, "wings"))
    action.refresh_from_db()
    return action


def test_a_lead_sends_it_again(stopped, platform, ben):
    actions.retry(stopped, by=ben, now=timezone.now())

    stopped.refresh_from_db()
    assert (stopped.status, stopped.attempts) == ("queued", 1)
    actions.drain(stopped.account_id)
    stopped.refresh_from_db()
    assert (stopped.status, stopped.attempts, platform.ledger.rows[0]["key"]) == ("applied", 2, str(stopped.pk))
    assert AuditEvent.objects.get(type="enforcement.retried").by == f"user:{ben.pk}"


def test_only_what_stands_still_is_sent_again(ordered, ben):
    action = ordered("suspend")

    with pytest.raises(Refused, match="This action is queued") as refused:
        actions.retry(action, by=ben, now=timezone.now())

    assert refused.value.state == "queued"


def test_two_leads_send_it_again_once(stopped, ben):
    stale = Enforcement.objects.get(pk=stopped.pk)
    actions.retry(stopped, by=ben, now=timezone.now())

    with pytest.raises(Refused, match="Somebody else was first") as refused:
        actions.retry(stale, by=ben, now=timezone.now())

    assert refused.value.state == "queued"
    assert AuditEvent.objects.filter(type="enforcement.retried").count() == 1
