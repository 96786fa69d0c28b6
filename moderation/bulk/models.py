"""Which group decisions are there, and how does each account in them stand?"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from moderation.decisions.models import Decision, Outcome, Policy, ReasonCode
from portal.guards import keeps, logged, moves_by_its_table
from portal.people.models import User
from risk.intake.models import Account

MOST = 5_000
LEAST = 10  # of fewer, a preview would tell of one account what only some may know


class BulkQuerySet(models.QuerySet["Bulk"]):
    def move(self, bulk: Bulk, to: str, **fields: Any) -> bool:
        """Move the group decision if it still stands where this move may start; say whether it moved."""
        return self.filter(pk=bulk.pk, status__in=Bulk.COMES_FROM[to]).update(status=to, **fields) == 1

    def under_way(self) -> BulkQuerySet:
        """Those with something to do now."""
        return self.filter(status__in=(Bulk.Status.RUNNING, Bulk.Status.UNDOING))


@logged("bulk")
@moves_by_its_table
@keeps(
    "outcome", "reason_code", "policy", "until", "scope", "made_by", "made_at", "request_key", "digest", "accounts",
    "chosen", "sample",
)  # fmt: skip
class Bulk(models.Model):
    """One decision on many accounts: proposed by one lead, approved by another, carried out account by account."""

    class Status(models.TextChoices):
        PROPOSED = "proposed"  # waits for a second person
        RUNNING = "running"
        PAUSED = "paused"  # after the first stage: somebody looks, then it goes on
        STOPPED = "stopped"  # by a person, or by itself
        DONE = "done"
        UNDOING = "undoing"
        UNDONE = "undone"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"  # by who proposed it

    COMES_FROM: dict[str, set[str]] = {
        Status.RUNNING: {Status.PROPOSED, Status.PAUSED, Status.STOPPED},
        Status.PAUSED: {Status.RUNNING},
        Status.STOPPED: {Status.RUNNING, Status.PAUSED},
        Status.DONE: {Status.RUNNING},
        Status.UNDOING: {Status.PAUSED, Status.STOPPED, Status.DONE},
        Status.UNDONE: {Status.UNDOING},
        Status.DECLINED: {Status.PROPOSED},
        Status.WITHDRAWN: {Status.PROPOSED},
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.PROPOSED)
    risk_type = models.CharField(max_length=32)
    outcome = models.CharField(max_length=16, choices=Outcome)
    reason_code = models.ForeignKey(ReasonCode, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, null=True, related_name="+")
    until = models.DateTimeField(null=True)
    scope = models.CharField(max_length=16, blank=True)
    note = models.UUIDField(null=True)  # vault value: typed text
    accounts = models.PositiveIntegerField()  # how many were to be decided: what was typed
    digest = models.BinaryField(max_length=32)  # SHA-256 over their ids in order: what the second person agreed to
    chosen = models.JSONField(default=dict)  # how they were chosen: the filter, or "list"; {"asked", "unknown", …}
    sample = ArrayField(models.UUIDField(), default=list)  # accounts that were shown to who proposed it
    request_key = models.CharField(max_length=128)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)  # when somebody let it go on after the first stage
    looked_to = models.PositiveIntegerField(default=0)  # the last position that had had its turn by then
    why = models.CharField(max_length=200, blank=True)  # why it stands where it stands
    undone_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    undone_why = models.ForeignKey(ReasonCode, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects = BulkQuerySet.as_manager()

    DATA = {
        "internal: moderation statistics": (
            "id status risk_type accounts made_at approved_at looked_at looked_to ended_at"
        ),
        "confidential: moderation audit legal": (
            "outcome reason_code policy until scope digest chosen sample made_by approved_by undone_by undone_why"
        ),
        "confidential: moderation": "note request_key why",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["made_by", "request_key"], name="one_bulk_per_request_key"),
            models.CheckConstraint(condition=Q(accounts__gte=1, accounts__lte=MOST), name="bulk_is_of_a_size"),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("made_by")),
                name="nobody_approves_their_own_bulk",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["proposed", "declined", "withdrawn"], approved_by__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False)
                & ~Q(status__in=["proposed", "declined", "withdrawn"]),
                name="bulk_in_force_was_agreed_to",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["undoing", "undone"], undone_by__isnull=False, undone_why__isnull=False)
                | Q(undone_by__isnull=True, undone_why__isnull=True) & ~Q(status__in=["undoing", "undone"]),
                name="bulk_undoing_is_whole",
            ),
        ]
        indexes = [
            # reader: the bell, each few seconds
            models.Index(fields=["made_at"], condition=Q(status__in=["running", "undoing"]), name="bulk_under_way"),
            models.Index(fields=["-made_at", "-id"], name="bulk_newest"),  # reader: the list
        ]

    def __str__(self) -> str:
        return f"{self.outcome} on {self.accounts} accounts"

    @property
    def audit_name(self) -> str:
        return f"bulk:{self.pk}"


class BulkItemQuerySet(models.QuerySet["BulkItem"]):
    def move(self, item: BulkItem, to: str, **fields: Any) -> bool:
        """Move the item if it still stands where this move may start; say whether it moved."""
        return self.filter(pk=item.pk, status__in=BulkItem.COMES_FROM[to]).update(status=to, **fields) == 1

    def waiting(self) -> BulkItemQuerySet:
        return self.filter(status=BulkItem.Status.WAITING)

    def decided(self) -> BulkItemQuerySet:
        """Those whose decision came from here and was not taken back with the whole."""
        return self.filter(status=BulkItem.Status.DECIDED)

    def tried_after(self, position: int) -> BulkItemQuerySet:
        """Those decided or failed beyond a position: turns go in order, so these are what was tried since then."""
        return self.filter(status__in=(BulkItem.Status.DECIDED, BulkItem.Status.FAILED), position__gt=position)


@logged("bulkitem")
@moves_by_its_table
@keeps("bulk", "account", "position")
class BulkItem(models.Model):
    """One account of a group decision: what became of it, and why not."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        LEFT_OUT = "left_out"  # when it was proposed, or when its turn came
        DECIDED = "decided"
        FAILED = "failed"
        DROPPED = "dropped"  # its turn had not come when the whole was undone
        UNDONE = "undone"
        KEPT = "kept"  # could not be undone with the whole, see `why`

    BEGINS = (Status.WAITING, Status.LEFT_OUT)
    COMES_FROM: dict[str, set[str]] = {
        Status.LEFT_OUT: {Status.WAITING},
        Status.DECIDED: {Status.WAITING},
        Status.FAILED: {Status.WAITING},
        Status.DROPPED: {Status.WAITING},
        Status.UNDONE: {Status.DECIDED},
        Status.KEPT: {Status.DECIDED},
    }

    bulk = models.ForeignKey(Bulk, on_delete=models.PROTECT, related_name="items")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    why = models.CharField(max_length=200, blank=True)
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, null=True, related_name="+")
    reversal = models.OneToOneField(Decision, on_delete=models.PROTECT, null=True, related_name="+")
    settled_at = models.DateTimeField(null=True)

    objects = BulkItemQuerySet.as_manager()

    DATA = {
        "internal: moderation statistics": "id bulk position status settled_at",
        "confidential: moderation audit": "account why decision reversal",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bulk", "account"], name="one_item_per_account_and_bulk"),
            models.CheckConstraint(
                condition=Q(status__in=["decided", "undone", "kept"], decision__isnull=False)
                | Q(status__in=["waiting", "left_out", "failed", "dropped"], decision__isnull=True),
                name="item_decided_has_its_decision",
            ),
            models.CheckConstraint(
                condition=Q(status="undone", reversal__isnull=False) | Q(reversal__isnull=True) & ~Q(status="undone"),
                name="item_undone_has_its_reversal",
            ),
        ]
        indexes = [
            # reader: whose turn it is, and the report by state
            models.Index(fields=["bulk", "status", "position"], name="bulk_next"),
            models.Index(fields=["bulk", "position"], name="bulk_in_order"),  # reader: the report
        ]

    def __str__(self) -> str:
        return f"{self.position} of {self.bulk_id}"

    @property
    def audit_name(self) -> str:
        return f"bulkitem:{self.pk}"
