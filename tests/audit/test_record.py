"""Does the log keep what it is told, exactly, and nothing else?"""

from __future__ import annotations

import json

import pytest
from django.db import DatabaseError, connection, transaction

from portal.audit import actions as audit
from portal.audit.canonical import NotCanonical, canonical, payload_hash
from portal.audit.events import Event
from portal.audit.models import AuditEvent


def test_it_keeps_the_canonical_bytes(ada, noon):
    row = audit.record(
        Event.CASE_CLAIMED, by=ada, of="case:12", also=["account:x"], now=noon, until="2026-11-20T12:08:00+00:00"
    )

    stored = AuditEvent.objects.get(pk=row.pk)
    told = json.loads(bytes(stored.payload))
    assert bytes(stored.payload) == canonical(told)
    assert bytes(stored.payload_hash) == payload_hash(bytes(stored.payload))
    assert told["by"] == ada.audit_name
    assert told["of"] == ["case:12", "account:x"]
    assert told["facts"] == {"until": "2026-11-20T12:08:00+00:00"}


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, "\ud800", {1: "x"}, object()])
def test_it_refuses_what_has_no_exact_bytes(ada, noon, value):
    with pytest.raises(NotCanonical):
        audit.record(Event.CASE_CLAIMED, by=ada, of="case:12", now=noon, fact=value)


@pytest.mark.parametrize(
    "sql", ["UPDATE portal_auditevent SET type = 'x'", "DELETE FROM portal_auditevent", "TRUNCATE portal_auditevent"]
)
def test_nobody_changes_a_row_afterwards(ada, noon, sql):
    audit.record(Event.CASE_CLAIMED, by=ada, of="case:12", now=noon)

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert AuditEvent.objects.filter(type="case.claimed").count() == 1


def test_it_refuses_outside_a_transaction(real_commits):
    with pytest.raises(RuntimeError, match="inside the transaction"):
        audit.record(Event.CASE_CLAIMED, by="user:1", of="case:12")

    assert not AuditEvent.objects.exists()
