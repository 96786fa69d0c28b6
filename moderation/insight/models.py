"""What does it add up to? Hourly rollups for the dashboards, and exports of the log with their progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from portal.guards import logged, moves_by_its_table
from portal.people.models import User


class HourlyRollup(models.Model):
    """One number for one hour: `measure` in a queue, of a policy, reviewer or rule (`of`), filled again at will."""

    hour = models.DateTimeField()
    measure = models.CharField(max_length=32)  # opened, decided, reversed, …
    lane = models.CharField(max_length=16, default="general")
    queue = models.CharField(max_length=50, default="")
    of = models.CharField(max_length=128, default="")
    n = models.BigIntegerField()

    DATA = {
        "internal: statistics": "id hour measure lane queue n",
        "confidential: statistics": "of",
    }

    class Meta:
        constraints = [
            # reader: dashboards, one range of hours per measure
            models.UniqueConstraint(fields=["measure", "hour", "lane", "queue", "of"], name="one_rollup_per_hour")
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.of} {self.hour:%Y-%m-%d %H}"


class ExportQuerySet(models.QuerySet["Export"]):
    def to_make(self, silent_since: datetime) -> ExportQuerySet:
        """Exports nobody makes: queued, or running under a worker that gave no sign of life since then."""
        return self.filter(Q(status=Export.Status.QUEUED) | Q(status=Export.Status.RUNNING, beat_at__lt=silent_since))

    def move(self, export: Export, to: str, **fields: Any) -> bool:
        """Move the export if it still stands where this move may start; say whether it moved."""
        return self.filter(pk=export.pk, status__in=Export.COMES_FROM[to]).update(status=to, **fields) == 1


# How far it is and that its worker lives, told many times while it is made.
@logged("export", but=["beat_at", "done", "total"])
@moves_by_its_table
class Export(models.Model):
    """A history asked for by somebody for a purpose: made by a worker, with its progress, downloaded by who asked."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    COMES_FROM: dict[str, set[str]] = {
        Status.RUNNING: {Status.QUEUED, Status.RUNNING},
        Status.DONE: {Status.RUNNING},
        Status.FAILED: {Status.RUNNING, Status.QUEUED},
        Status.CANCELLED: {Status.QUEUED, Status.RUNNING},
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="exports")
    asked_at = models.DateTimeField(db_default=Now())
    purpose = models.UUIDField()  # vault value: typed text
    formats = ArrayField(models.CharField(max_length=8))
    filter = models.JSONField(default=dict)  # from, to, account, case, actor, policy, type
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True)  # the worker's sign of life; the sweep takes over a silent one
    lease_token = models.UUIDField(null=True)
    path = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.BigIntegerField(null=True)
    detail = models.CharField(max_length=200, blank=True)

    objects = ExportQuerySet.as_manager()

    DATA = {
        "internal: audit": (
            "id asked_at formats status done total started_at ended_at beat_at lease_token path sha256 size detail"
        ),
        "confidential: audit legal": "asked_by purpose filter",
    }

    class Meta:
        indexes = [
            models.Index(fields=["asked_by", "-asked_at"], name="export_of_person"),  # reader: the exports page
            models.Index(
                fields=["asked_at"], condition=Q(status__in=["queued", "running"]), name="export_to_do"
            ),  # reader: worker and sweep
        ]

    def __str__(self) -> str:
        return f"export {self.id}"

    @property
    def audit_name(self) -> str:
        return f"export:{self.pk}"


class LogCheckQuerySet(models.QuerySet["LogCheck"]):
    def to_make(self, silent_since: datetime) -> LogCheckQuerySet:
        """Checks nobody makes: asked for, or begun by a worker that gave no sign of life since then."""
        return self.filter(ended_at__isnull=True).filter(Q(beat_at__isnull=True) | Q(beat_at__lt=silent_since))


class LogCheck(models.Model):
    """One walk over the whole log: by whom, how far, and what came out; the newest is what the verify page shows."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    beat_at = models.DateTimeField(null=True)  # the worker's sign of life; the sweep takes over a silent one
    lease_token = models.UUIDField(null=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    sound = models.BooleanField(null=True)  # unknown: not ended, or nothing could be checked, and `why` says why
    size = models.BigIntegerField(default=0)  # leaves looked at
    waiting = models.BigIntegerField(default=0)  # of them after the newest checkpoint
    checkpoint = models.TextField(blank=True)  # the newest one, as signed
    signed_at = models.DateTimeField(null=True)
    position = models.BigIntegerField(null=True)  # the first bad leaf
    why = models.CharField(max_length=300, blank=True)

    objects = LogCheckQuerySet.as_manager()

    DATA = {
        "internal: audit": (
            "id asked_at beat_at lease_token done total ended_at sound size waiting checkpoint signed_at position why"
        ),
        "confidential: audit": "asked_by",
    }

    class Meta:
        indexes = [models.Index(fields=["-asked_at"], name="newest_check")]  # reader: the verify page
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(ended_at__isnull=True), name="one_check_of_the_log_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"check of the log {self.asked_at:%Y-%m-%d %H:%M}"


@logged("export", key="export_id")
class ExportLink(models.Model):
    """A road to the file for some minutes, once, for who asked; kept when it is dead, so that it can say why."""

    digest = models.BinaryField(primary_key=True, max_length=32)  # SHA-256 of the token, which stands nowhere
    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="links")
    made_at = models.DateTimeField()
    until = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)

    DATA = {"internal: audit security": "digest export made_at until taken_at"}

    def __str__(self) -> str:
        return f"link to {self.export_id}"
