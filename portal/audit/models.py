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

    DATA = {
        "internal: audit": "id xid occurred_at told_at type payload_hash",
        "confidential: audit": "by subjects payload",
    }

    class Meta:
        indexes = [
            # the log is read by when a thing happened: the told time where there is one, else the time of writing
            models.Index(WHEN.desc(), F("id").desc(), name="event_newest_first"),  # reader: the log page, exports
            models.Index(F("type"), WHEN.desc(), F("id").desc(), name="event_by_type"),  # reader: the log page by type
            models.Index(F("by"), WHEN.desc(), F("id").desc(), name="event_by_actor"),  # reader: the log by reviewer
            GinIndex(fields=["subjects"], name="event_by_subject"),  # reader: history of a case or account
            models.Index(fields=["xid"], name="event_by_transaction"),  # reader: the guard that nothing is unlogged
        ]
        triggers = [
            # What the guard relies on is not for the writer to say: which transaction it is, and when.
            pgtrigger.Trigger(
                name="events_are_stamped",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func=(
                    "NEW.xid := pg_current_xact_id()::pg_catalog.text::bigint; "
                    "NEW.occurred_at := statement_timestamp(); RETURN NEW;"
                ),
            ),
            pgtrigger.Protect(name="event_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="events_are_never_truncated",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'the log is append-only: it cannot be emptied';",
            ),
            # Whoever writes an event, by whatever road, puts it before the sequencer in the same transaction.
            pgtrigger.Trigger(
                name="events_wait_for_the_tree",
                operation=pgtrigger.Insert,
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                referencing=pgtrigger.Referencing(new="fresh"),  # type: ignore[no-untyped-call]
                # with the schema: a temporary table of the name would take them instead
                func="INSERT INTO public.portal_pending (event_id) SELECT id FROM fresh; RETURN NULL;",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Pending(models.Model):
    """An event that has no place in the tree yet: a queue of work, since ids commit out of order."""

    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+")

    DATA = {
        "internal: audit": "event",
    }

    def __str__(self) -> str:
        return str(self.event_id)


class Tree(models.Model):
    """The one row that says how far the tree is; who grows it holds its lock."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)  # leaves
    sealed_at = models.DateTimeField(null=True)  # when the last batch got its place

    DATA = {
        "internal: audit": "id size sealed_at",
    }

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="there_is_one_tree")]

    def __str__(self) -> str:
        return f"{self.size} leaves"


class Leaf(models.Model):
    """The numbered place of an event in the tree (RFC 6962); written by the sequencer alone."""

    index = models.BigIntegerField(primary_key=True)  # from 0, without a gap
    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, db_constraint=False, related_name="leaf")
    leaf = models.BinaryField()  # the exact bytes that were hashed

    DATA = {
        "internal: audit": "index event leaf",
    }

    class Meta:
        triggers = [pgtrigger.Protect(name="leaf_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"leaf {self.index}"


class Tile(models.Model):
    """Up to 256 hashes side by side (C2SP tlog-tiles): of leaves, or at level n of subtrees of 256**n leaves."""

    pk = models.CompositePrimaryKey("level", "idx")
    level = models.PositiveSmallIntegerField()
    idx = models.BigIntegerField()
    hashes = models.BinaryField()  # 32 bytes each

    DATA = {
        "public: audit": "level idx hashes",
    }

    def __str__(self) -> str:
        return f"tile {self.level}/{self.idx}"


class Head(models.Model):
    """How many leaves name a subject or an actor, and which was the last: so that the next one is numbered in order."""

    tag = models.BinaryField(primary_key=True, max_length=16)
    n = models.BigIntegerField()
    last = models.BigIntegerField()  # the index of that leaf

    DATA = {
        "confidential: audit": "tag n last",
    }

    def __str__(self) -> str:
        return bytes(self.tag).hex()


class Checkpoint(models.Model):
    """A signed size and root (C2SP tlog-checkpoint); written by the signer alone."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    DATA = {
        "public: audit": "size root note created_at",
    }

    class Meta:
        triggers = [pgtrigger.Protect(name="checkpoint_is_kept", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"


class Cosignature(models.Model):
    """The line of a witness under a checkpoint (C2SP tlog-cosignature); written by the signer alone."""

    pk = models.CompositePrimaryKey("size", "witness")
    size = models.BigIntegerField()
    witness = models.CharField(max_length=200)  # the name of its key
    line = models.TextField()  # as it stands under the note, with its line break
    created_at = models.DateTimeField(db_default=Now())

    DATA = {
        "public: audit": "size witness line",
        "internal: audit": "created_at",
    }

    class Meta:
        triggers = [pgtrigger.Protect(name="cosignature_is_kept", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.witness} at {self.size}"


class Alarm(models.Model):
    """Something that must not happen to a log and did; written by the sequencer and the signer, and kept."""

    class Kind(models.TextChoices):
        GONE = "gone", "an event was taken out of the log before it had its place"
        REFUSED = "refused", "the signer refused to sign"
        WITNESS = "witness", "a witness saw another log, or forgot what it saw"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    about = models.CharField(max_length=200)  # the id of the event, the origin, the name of the witness
    told = models.TextField()  # one sentence
    created_at = models.DateTimeField(db_default=Now())

    DATA = {
        "internal: audit": "id kind about told created_at",
    }

    class Meta:
        triggers = [pgtrigger.Protect(name="alarm_is_kept", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind}: {self.told}"
