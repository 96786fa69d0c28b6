"""What needs a person? Queues and their routing, cases, and what people wrote on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from portal.guards import logged, moves_by_its_table, never_changes
from portal.people.models import User
from portal.people.permissions import Permission
from portal.sql import change
from risk.intake.models import Account
from risk.scoring.models import Score

ROLE_OF_QUEUE = {
    "reviewer": {"reviewer", "specialist", "lead"},
    "specialist": {"specialist", "lead"},
    "lead": {"lead"},
}


class QueueQuerySet(models.QuerySet["Queue"]):
    def worked_by(self, user: User) -> QueueQuerySet:
        """Queues whose cases this person may claim: of a role they have, in a lane they have."""
        if not user.may(Permission.CASE_CLAIM):
            return self.none()
        roles = [role for role, who in ROLE_OF_QUEUE.items() if who & user.role_names]
        return self.filter(role__in=roles, lane__in=user.lanes)

    def visible_to(self, user: User) -> QueueQuerySet:
        """Queues a person may know of: those they work; with leave to read numbers or the log, all in their lanes."""
        if user.may(Permission.CASE_REASSIGN) or user.may(Permission.DASHBOARD_READ) or user.may(Permission.AUDIT_READ):
            return self.filter(lane__in=user.lanes)
        return self.worked_by(user)


@logged("queue", key="slug")
class Queue(models.Model):
    """A line of cases of one sort: who works it, how soon, for how long one may hold a case."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=64)
    lane = models.CharField(max_length=16, default="general")
    role = models.CharField(max_length=16, choices=[(role, role) for role in ROLE_OF_QUEUE])
    sla_minutes = models.PositiveIntegerField()  # from receipt to effect
    lease_minutes = models.PositiveIntegerField()
    max_hold_minutes = models.PositiveIntegerField()
    capacity = models.PositiveIntegerField()  # cases a day at today's staffing
    exposure = models.CharField(max_length=16)  # class of the care budget: low, mixed, sensitive, distressing
    position = models.PositiveSmallIntegerField(default=0)

    objects = QueueQuerySet.as_manager()

    DATA = {
        "internal: moderation operation": (
            "id slug title lane role sla_minutes lease_minutes max_hold_minutes capacity exposure position"
        ),
    }

    class Meta:
        ordering = ("position", "slug")
        constraints = [
            models.CheckConstraint(condition=Q(lane__in=["general", "minors", "safety"]), name="queue_lane_is_known"),
            models.CheckConstraint(
                condition=Q(max_hold_minutes__gte=F("lease_minutes")), name="hold_is_at_least_a_lease"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def audit_name(self) -> str:
        return f"queue:{self.slug}"

    def is_worked_by(self, user: User) -> bool:
        """Whether this person may claim here: a role of the queue, and its lane."""
        return (
            bool(ROLE_OF_QUEUE[self.role] & user.role_names)
            and self.lane in user.lanes
            and user.may(Permission.CASE_CLAIM)
        )


@logged("routing", key="position")
class RoutingRule(models.Model):
    """One line of the routing: the first whose condition holds says which queue."""

    position = models.PositiveSmallIntegerField(unique=True)
    when = models.TextField()
    to = models.ForeignKey(Queue, on_delete=models.PROTECT, related_name="routing")
    priority_floor = models.PositiveSmallIntegerField(default=0)
    must_review = models.BooleanField(default=False)

    DATA = {
        "internal: moderation": "id position when to priority_floor must_review",
    }

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return f"{self.position}: {self.when}"

    @property
    def audit_name(self) -> str:
        return f"routing:{self.position}"


@logged("workflow", key="risk_type")
class Workflow(models.Model):
    """How cases of one risk type are worked: outcomes, who must agree, what to look at, what to ask, how to wait."""

    risk_type = models.CharField(max_length=32, unique=True)
    outcomes = ArrayField(models.CharField(max_length=16))
    approval = models.JSONField(default=dict)  # outcome → "always", "never" or a condition in the rule language
    evidence = models.JSONField(default=list)
    ask = models.JSONField(default=list)
    pending = models.JSONField(default=dict)  # outcome → {"days", "on_timeout"}
    notice = models.TextField(blank=True)
    interim = models.CharField(max_length=100, blank=True)

    DATA = {
        "internal: moderation": "id risk_type outcomes approval evidence ask pending notice interim",
    }

    def __str__(self) -> str:
        return self.risk_type

    @property
    def audit_name(self) -> str:
        return f"workflow:{self.risk_type}"


class CaseQuerySet(models.QuerySet["Case"]):
    def move(self, case: Case, to: str, **fields: Any) -> bool:
        """Move the case if it still stands where this move may start and at its version; say whether it moved."""
        if self.query.where:
            raise RuntimeError("move() looks at the case itself: a narrowed set would not narrow it")
        told = [case.pk, case.version, [str(start) for start in Case.COMES_FROM[to]]]
        where = "id = %s AND version = %s AND status = ANY (%s)"
        return change(Case, {"status": to, **fields}, "version = version + 1", where, told) == 1

    def waiting(self) -> CaseQuerySet:
        """Cases nobody holds."""
        return self.filter(status=Case.Status.WAITING)

    def open(self) -> CaseQuerySet:
        """Cases not yet ended."""
        return self.filter(status__in=Case.OPEN)

    def for_queue(self, queue: Queue) -> CaseQuerySet:
        return self.filter(queue=queue)

    def visible_to(self, user: User) -> CaseQuerySet:
        """Cases this person may know of: the lane must be theirs, and the queue unless they read all cases."""
        if not user.may(Permission.CASE_READ):
            return self.none()
        return self.filter(queue__in=Queue.objects.visible_to(user), lane__in=user.lanes)

    def most_urgent_first(self) -> CaseQuerySet:
        """Severity × score, then due time, then age: the order of the index `case_next`."""
        return self.order_by("rank", "due_at", "opened_at", "id")

    def expired(self, before: datetime) -> CaseQuerySet:
        """Claims whose lease ran out before a time."""
        return self.filter(status=Case.Status.CLAIMED, claimed_until__lt=before)


@logged("case")
@moves_by_its_table
class Case(models.Model):
    """One account that needs a person, in one lane. One is open per account and lane; further signals join it."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        CLAIMED = "claimed"
        PROPOSED = "proposed"  # waits for a second person
        PENDING = "pending"  # provisionally decided, waits for somebody outside
        DECIDED = "decided"
        WITHDRAWN = "withdrawn"  # by the system, no label
        HANDED_OFF = "handed_off"  # sealed, to child safety

    OPEN = (Status.WAITING, Status.CLAIMED, Status.PROPOSED, Status.PENDING)
    COMES_FROM: dict[str, set[str]] = {
        Status.WAITING: {Status.CLAIMED, Status.PROPOSED, Status.PENDING, Status.DECIDED, Status.WAITING},
        Status.CLAIMED: {Status.WAITING, Status.DECIDED, Status.PENDING, Status.PROPOSED, Status.CLAIMED},
        Status.PROPOSED: {Status.CLAIMED, Status.PENDING},
        Status.PENDING: {Status.CLAIMED, Status.PROPOSED},
        Status.DECIDED: {Status.CLAIMED, Status.PROPOSED, Status.PENDING},
        Status.WITHDRAWN: {Status.WAITING, Status.CLAIMED},
        Status.HANDED_OFF: {Status.CLAIMED},
    }

    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False, related_name="cases")
    lane = models.CharField(max_length=16, default="general")
    queue = models.ForeignKey(Queue, on_delete=models.PROTECT, db_index=False, related_name="cases")
    status = models.CharField(max_length=12, choices=Status, default=Status.WAITING)
    version = models.PositiveIntegerField(default=1)
    risk_type = models.CharField(max_length=32, blank=True)  # blank: the reviewer chooses the workflow
    score = models.ForeignKey(Score, on_delete=models.PROTECT, null=True, related_name="+")
    shown = models.PositiveSmallIntegerField(default=0)  # the score as shown, 0–100
    band = models.CharField(max_length=8, default="low")
    why = models.CharField(max_length=200, blank=True)  # the strongest reason, or the signal that opened it
    opened_by = models.CharField(max_length=64, blank=True)  # "score", or the kind of the signal
    language = models.CharField(max_length=8, blank=True)
    priority = models.PositiveSmallIntegerField(default=0)  # severity × score, in tenths: 0–1000
    # 1000 − priority, so that one ascending index gives next-best order
    rank = models.PositiveSmallIntegerField(default=1000)
    must_review = models.BooleanField(default=False)
    escalated_from = models.ForeignKey(Queue, on_delete=models.PROTECT, null=True, db_index=False, related_name="+")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    claimed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, db_index=False, related_name="claims")
    claimed_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    pending_for = models.CharField(max_length=100, blank=True)  # whom or what it waits for
    pending_until = models.DateTimeField(null=True)
    pending_default = models.CharField(
        max_length=32, blank=True
    )  # what happens at the deadline: "return", "hold ends", "ban proposed"
    ended_at = models.DateTimeField(null=True)

    objects = CaseQuerySet.as_manager()

    DATA = {
        "internal: moderation statistics": (
            "id lane queue status version risk_type opened_by language priority rank must_review escalated_from "
            "opened_at due_at ended_at"
        ),
        "confidential: moderation audit": "account score shown band why pending_for pending_until pending_default",
        "confidential: moderation statistics": "claimed_by claimed_at claimed_until",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "lane"],
                condition=Q(status__in=["waiting", "claimed", "proposed", "pending"]),
                name="one_open_case_per_account_and_lane",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="claimed", claimed_by__isnull=False, claimed_at__isnull=False, claimed_until__isnull=False
                )
                | ~Q(status="claimed")
                & Q(claimed_by__isnull=True, claimed_at__isnull=True, claimed_until__isnull=True),
                name="case_claim_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", pending_until__isnull=False) & ~Q(pending_default="")
                | ~Q(status="pending") & Q(pending_until__isnull=True, pending_default=""),
                name="case_pending_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["decided", "withdrawn", "handed_off"], ended_at__isnull=False)
                | Q(status__in=["waiting", "claimed", "proposed", "pending"], ended_at__isnull=True),
                name="case_end_is_whole",
            ),
            models.CheckConstraint(condition=Q(rank=1000 - F("priority")), name="rank_follows_priority"),
            models.CheckConstraint(condition=Q(lane__in=["general", "minors", "safety"]), name="case_lane_is_known"),
        ]
        # The foreign keys have none of their own: account, queue and claimer are the first column of one below,
        # and each move of a case writes every index anew.
        indexes = [
            # reader: claim next, the queue page, the desk (one range per queue)
            models.Index(
                fields=["queue", "rank", "due_at", "opened_at", "id"], condition=Q(status="waiting"), name="case_next"
            ),
            # reader: the queue page by due time
            models.Index(fields=["queue", "due_at", "id"], condition=Q(status="waiting"), name="case_by_due"),
            # reader: GET /cases by state
            models.Index(fields=["queue", "status", "-opened_at", "-id"], name="case_by_state"),
            # reader: history of an account
            models.Index(fields=["account", "-opened_at"], name="case_of_account"),
            # reader: the sweep of expired claims
            models.Index(fields=["claimed_until"], condition=Q(status="claimed"), name="case_lease"),
            # reader: the desk's own claims
            models.Index(fields=["claimed_by"], condition=Q(status="claimed"), name="case_claims_of"),
            # reader: the sweep of deadlines
            models.Index(fields=["pending_until"], condition=Q(status="pending"), name="case_deadline"),
            # reader: dashboards, inflow by hour
            models.Index(fields=["opened_at", "queue"], name="case_inflow"),
            # reader: dashboards, outflow by hour
            models.Index(fields=["ended_at", "queue"], condition=Q(ended_at__isnull=False), name="case_outflow"),
        ]

    def __str__(self) -> str:
        return f"case {self.pk}"

    @property
    def audit_name(self) -> str:
        return f"case:{self.pk}"


@logged("case", key="case_id")
class Skip(models.Model):
    """Somebody passed a case on: it does not come back to them the same day."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="skips")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="skips")
    at = models.DateTimeField()
    reason = models.UUIDField()  # vault value: typed text

    DATA = {
        "confidential: moderation statistics": "id case user at reason",
    }

    class Meta:
        indexes = [models.Index(fields=["user", "at"], name="skips_of_person")]  # reader: claim next, skips per shift

    def __str__(self) -> str:
        return f"{self.user_id} skipped {self.case_id}"


class Draft(models.Model):
    """What somebody had filled in but not sent: it outlives the lease and the session, for 24 hours."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="drafts")
    body = models.JSONField(default=dict)  # outcome, reason_code, policy, until, scope, answers
    note = models.UUIDField(null=True)  # vault value: typed text
    saved_at = models.DateTimeField()

    DATA = {
        "confidential: moderation": "id case user body note saved_at",
    }

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "user"], name="one_draft_per_person_and_case")]

    def __str__(self) -> str:
        return f"draft of {self.user_id} on {self.case_id}"


@logged("case", key="case_id")
class Note(models.Model):
    """A remark for colleagues on a case; the text stands in the vault."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="notes")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.UUIDField()

    DATA = {
        "confidential: moderation": "id case by at text",
    }

    def __str__(self) -> str:
        return f"note {self.pk}"


@logged("evidence")
@never_changes
class Evidence(models.Model):
    """What lay on the table when a decision was made: canonical JSON with commitments, never values; immutable."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="evidence")
    collected_by = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="+")
    collected_at = models.DateTimeField()
    body = models.BinaryField()  # canonical bytes
    digest = models.BinaryField(max_length=32)  # SHA-256 of body

    DATA = {
        "confidential: moderation audit legal": "id case collected_by collected_at body digest",
    }

    def __str__(self) -> str:
        return f"evidence {self.pk}"

    @property
    def audit_name(self) -> str:
        return f"evidence:{self.pk}"
