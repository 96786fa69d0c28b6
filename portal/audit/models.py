"""What happened? The rows of the log: insert only, no foreign keys, so that the log never interferes with live data."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Now
from uuid_utils.compat import uuid7

WHEN = Coalesce("told_at", "occurred_at")


class AuditEvent(models.Model):
    """One thing that happened.

    `payload` holds the exact canonical bytes; the other columns are an index over it, never the proof.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    xid = models.BigIntegerField(db_default=RawSQL("(pg_current_xact_id()::text::bigint)", ()))
    occurred_at = models.DateTimeField(db_default=Now())  # the database's clock at writing
    told_at = models.DateTimeField(null=True)  # the domain time, where an action was told one
    type = models.CharField(max_length=64)
    by = models.CharField(max_length=64)  # "user:ID"
    subjects = ArrayField(models.CharField(max_length=128))  # "case:ID", "account:UUID", "policy:SPM-1.2", …
    payload = models.BinaryField()
    payload_hash = models.BinaryField(max_length=32)

    class Meta:
        indexes = [
            # the log is read by when a thing happened: the told time where there is one, else the time of writing
            models.Index(WHEN.desc(), F("id").desc(), name="event_newest_first"),  # reader: the log page, exports
            models.Index(F("type"), WHEN.desc(), F("id").desc(), name="event_by_type"),  # reader: the log page by type
            models.Index(F("by"), WHEN.desc(), F("id").desc(), name="event_by_actor"),  # reader: the log by reviewer
            GinIndex(fields=["subjects"], name="event_by_subject"),  # reader: history of a case or account
        ]
        triggers = [
            pgtrigger.Protect(name="event_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="events_are_never_truncated",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'the log is append-only: it cannot be emptied';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
