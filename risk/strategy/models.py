"""What do we look for? One strategy per risk type, in immutable versions of rules; named lists beside them."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from portal.guards import logged, never_changes


@logged("risk_type", key="risk_type")
class Strategy(models.Model):
    """A risk type and how bad it is. A new risk type is a row here, not code."""

    risk_type = models.CharField(max_length=32, unique=True)
    title = models.CharField(max_length=64)  # "Fake account"
    lane = models.CharField(max_length=16, default="general")

    DATA = {
        "internal: moderation": "id risk_type title lane",
    }

    def __str__(self) -> str:
        return self.risk_type

    @property
    def audit_name(self) -> str:
        return f"risk_type:{self.risk_type}"


class VersionQuerySet(models.QuerySet["Version"]):
    def move(self, version: Version, to: str, **fields: Any) -> bool:
        """Move the version if it still stands where this move may start; say whether it moved."""
        return self.filter(pk=version.pk, status__in=Version.COMES_FROM[to]).update(status=to, **fields) == 1


@logged("strategy")
class Version(models.Model):
    """One version of a strategy: immutable once live. At most one is live."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        RETIRED = "retired"

    BEGINS = (Status.DRAFT, Status.LIVE)  # a shipped one begins live
    COMES_FROM: dict[str, set[str]] = {
        Status.LIVE: {Status.DRAFT},
        Status.RETIRED: {Status.LIVE},
    }

    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    severity = models.DecimalField(max_digits=3, decimal_places=2)  # 0.00 to 1.00
    review = models.PositiveSmallIntegerField(default=50)  # points at which a case opens
    caps = models.JSONField(default=dict)  # group → cap, where it is not 30
    trust = models.BooleanField(default=True)  # whether trust points apply
    digest = models.CharField(max_length=64)  # SHA-256 of the canonical rules
    published_at = models.DateTimeField(null=True)

    objects = VersionQuerySet.as_manager()

    DATA = {
        "internal: moderation audit": "id strategy number status digest published_at",
        "confidential: moderation": "severity review caps trust",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["strategy", "number"], name="one_version_per_number"),
            models.UniqueConstraint(fields=["strategy"], condition=Q(status="live"), name="one_live_version"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy.risk_type} v{self.number}"

    @property
    def audit_name(self) -> str:
        return f"strategy:{self.pk}"


@logged("strategy", key="version_id")
@never_changes
class Rule(models.Model):
    """One rule of a version: an SQL condition over features, its points, and the sentence it says when it fires."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=64)
    group = models.CharField(max_length=16)
    points = models.SmallIntegerField()
    half_days = models.DecimalField(max_digits=6, decimal_places=2, null=True)  # half-life; null: does not decay
    floor = models.PositiveSmallIntegerField(null=True)  # raw is at least this while the rule holds
    when = models.TextField()
    says = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)  # SHA-256 of the canonical condition

    DATA = {
        "confidential: moderation": "id version position key group points half_days floor when says digest",
    }

    class Meta:
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="one_rule_per_key"),
            models.CheckConstraint(condition=Q(points__gte=-50, points__lte=50), name="points_within_fifty"),
        ]

    def __str__(self) -> str:
        return self.key


@logged("list", key="name")
class NamedList(models.Model):
    """A list that rules ask by name; each edit is a version, one of them in force."""

    name = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    entries = ArrayField(models.CharField(max_length=256), default=list)
    in_force = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    DATA = {
        "internal: moderation": "id name version in_force created_at",
        "confidential: moderation": "entries",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="one_list_version"),
            models.UniqueConstraint(fields=["name"], condition=Q(in_force=True), name="one_list_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def audit_name(self) -> str:
        return f"list:{self.name}"
