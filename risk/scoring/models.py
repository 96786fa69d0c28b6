"""How worried are we, and why? Scores with one row per contribution; a new row whenever the answer changed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from risk.intake.models import Account
from risk.strategy.models import Version


class Score(models.Model):
    """The points of one account for one risk type at one time, or (with `model`) a verdict made elsewhere.

    `raw` is the signed sum, kept below zero for ranking; `shown` is raw cut to 0–100. The newest row has `latest`.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="scores")
    risk_type = models.CharField(max_length=32)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, related_name="+")
    model = models.CharField(max_length=64, blank=True)  # "" = ours; else the name of the model that pushed it
    raw = models.SmallIntegerField()
    shown = models.PositiveSmallIntegerField()
    band = models.CharField(max_length=8)  # low, watch, review, high, critical
    urgency = models.PositiveSmallIntegerField()  # severity × shown, in tenths: 0–1000
    at = models.DateTimeField()
    snapshot = models.JSONField(default=dict)  # the features it was made from
    snapshot_digest = models.BinaryField(max_length=32)
    missing = models.JSONField(default=dict)  # rule key → the features it could not be evaluated without
    latest = models.BooleanField(default=True)
    opens = models.BooleanField(default=False)  # at or over the strategy's review points, or a pushed verdict of 80
    taken_at = models.DateTimeField(null=True)

    DATA = {
        "internal: moderation statistics": "id risk_type version model at latest opens taken_at",
        "confidential: moderation statistics": "account raw shown band urgency snapshot snapshot_digest missing",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "risk_type", "model"], condition=Q(latest=True), name="one_latest_score"
            ),
        ]
        indexes = [
            # reader: GET /accounts by score
            models.Index(fields=["risk_type", "-raw", "id"], condition=Q(latest=True, model=""), name="score_by_raw"),
            # reader: cases take new scores
            models.Index(fields=["id"], condition=Q(taken_at__isnull=True), name="score_untaken"),
            # reader: the timeline of an account
            models.Index(fields=["account", "-at"], name="score_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.risk_type} {self.raw}"

    @property
    def audit_name(self) -> str:
        return f"score:{self.pk}"


class Reason(models.Model):
    """One contribution to a score: `points` of all rows of a score add up exactly to its `raw`."""

    score = models.ForeignKey(Score, on_delete=models.CASCADE, related_name="reasons")
    position = models.PositiveSmallIntegerField()
    rule = models.CharField(max_length=64)
    group = models.CharField(max_length=16)
    title = models.CharField(max_length=200)  # the rule's sentence with its values
    points = models.SmallIntegerField()  # after decay and its share of the cap
    before_cap = models.SmallIntegerField()  # after decay, before the cap
    detail = models.JSONField(default=dict)  # {"features": {name: value}, "at": …, "floor": bool}

    DATA = {
        "confidential: moderation": "id score position rule group title points before_cap detail",
    }

    class Meta:
        ordering = ("position",)
        constraints = [models.UniqueConstraint(fields=["score", "rule"], name="one_reason_per_rule")]

    def __str__(self) -> str:
        return f"{self.rule} {self.points:+d}"
