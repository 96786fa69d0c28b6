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


def test_it_writes_by_one_statement_what_is_recorded_together(ada, noon, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(1), audit.together():
        made = [audit.record(Event.CASE_DECIDED, by=ada, of=f"case:{number}", now=noon) for number in range(3)]

    assert _decided() == [event.subjects for event in made]


def test_what_is_recorded_together_goes_with_the_error(ada, noon):
    with pytest.raises(NotCanonical):
        _record_together(ada, noon, 1, 0.5)
    audit.record(Event.CASE_DECIDED, by=ada, of="case:3", now=noon)

    assert _decided() == [["case:3"]]


def test_a_savepoint_that_is_taken_back_takes_its_events(ada, noon):
    with audit.together():
        audit.record(Event.CASE_DECIDED, by=ada, of="case:1", now=noon)
        with pytest.raises(NotCanonical):
            _record_in_a_savepoint(ada, noon, 2, 0.5)

    assert _decided() == [["case:1"]]


def _record_together(ada, noon, *weights):
    with audit.together():
        for weight in weights:
            audit.record(Event.CASE_DECIDED, by=ada, of=f"case:{weight}", now=noon, weight=weight)


def _record_in_a_savepoint(ada, noon, *weights):
    with transaction.atomic():
        for weight in weights:
            audit.record(Event.CASE_DECIDED, by=ada, of=f"case:{weight}", now=noon, weight=weight)


def _decided():
    written = AuditEvent.objects.filter(type=Event.CASE_DECIDED).order_by("occurred_at", "id")
    return list(written.values_list("subjects", flat=True))
