"""What must a backend do, and did it? The outbox row, its attempts, the backend's switch, what was found against it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from portal.guards import keeps, logged, moves_by_its_table
from portal.people.models import User
from risk.intake.models import Account


# The breaker counts calls and closes by itself; the switch is a person's word.
@logged("backend", key="name", but=["open_until", "window_at", "window_calls", "window_failures"])
class Backend(models.Model):
    """The switch and the breaker of one backend; its description is a TOML file of the same name."""

    name = models.CharField(max_length=32, primary_key=True)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    paused_why = models.CharField(max_length=200, blank=True)
    open_until = models.DateTimeField(null=True)  # breaker: no calls before this, then one probe
    window_at = models.DateTimeField(null=True)
    window_calls = models.PositiveIntegerField(default=0)
    window_failures = models.PositiveIntegerField(default=0)

    DATA = {
        "internal: operation": "name paused_at paused_why open_until window_at window_calls window_failures",
        "confidential: operation audit": "paused_by",
    }

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at__isnull=True, paused_by__isnull=True)
                | Q(paused_at__isnull=False, paused_by__isnull=False),
                name="backend_pause_is_whole",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def audit_name(self) -> str:
        return f"backend:{self.name}"


class AccountSequence(models.Model):
    """An account's last sequence number, whose row lock makes them gapless; and how it stands on the platform."""

    class Found(models.TextChoices):
        """What the last look at the platform showed."""

        SAME = "same"
        LOST = "lost"  # an effect of ours is not there any more: ordered again
        FOREIGN = "foreign"  # somebody else changed it: a person looks
        UNTOLD = "untold"  # what was read does not say
        GONE = "gone"  # the account is

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    last = models.PositiveBigIntegerField(default=0)
    backend = models.ForeignKey(Backend, on_delete=models.PROTECT, null=True, db_index=False, related_name="+")
    look_at = models.DateTimeField(null=True)  # when it is compared next; while somebody does, until when it is theirs
    looked_at = models.DateTimeField(null=True)
    found = models.CharField(max_length=8, choices=Found, blank=True, db_default="")
    said = models.CharField(max_length=200, blank=True, db_default="")  # how it differs, in words

    DATA = {
        "internal: enforcement": "last backend look_at looked_at",
        "confidential: enforcement": "account found said",
    }

    class Meta:
        indexes = [
            # reader: reconciling, who is due
            models.Index(fields=["backend", "look_at"], condition=Q(look_at__isnull=False), name="reconcile_next"),
            # reader: the outbox page and the gauges, how many were looked at in a day
            models.Index(
                fields=["backend", "looked_at"], condition=Q(looked_at__isnull=False), name="reconcile_looked"
            ),
            # reader: the outbox page and the gauges, who differs
            models.Index(
                fields=["backend", "found"],
                condition=Q(found__in=["lost", "foreign", "untold"]),
                name="reconcile_differs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.last}"


# Every action passes here twice, so it is one statement that nobody has to build: the first action of an account that
# is in the way, under its row lock, its backend's switch, how many calls are under way there, the database's clock, and
# who acts.
_HEAD = """
SELECT e.*, a.platform, a.external_id, b.paused_at, b.open_until, d.case_id, statement_timestamp() AS clock,
    (SELECT count(*) FROM moderation_enforcement u
     WHERE u.backend_id = e.backend_id AND u.status = 'in_flight') AS under_way,
    (SELECT s.id FROM portal_user s WHERE s.username = 'system') AS system_id
FROM moderation_enforcement e
JOIN risk_account a ON a.id = e.account_id
JOIN moderation_backend b ON b.name = e.backend_id
JOIN moderation_decision d ON d.id = e.decision_id
WHERE e.account_id = %s AND e.status = ANY(%s) AND NOT (e.kind = 'notify' AND e.status IN ('stopped', 'unsure'))
ORDER BY e.seq LIMIT 1 FOR NO KEY UPDATE OF e
"""


class EnforcementQuerySet(models.QuerySet["Enforcement"]):
    def move(self, enforcement: Enforcement, to: str, **fields: Any) -> bool:
        """Move the action if it still stands where this may start, under the lease we know; say whether it moved."""
        mine = self.filter(pk=enforcement.pk, lease_token=enforcement.lease_token)
        return mine.filter(status__in=Enforcement.COMES_FROM[to]).update(status=to, **fields) == 1

    def open(self) -> EnforcementQuerySet:
        """Actions not yet in a final state."""
        return self.filter(status__in=Enforcement.OPEN)

    def standing(self) -> EnforcementQuerySet:
        """Actions that are not tried again by themselves: a lead sends them again or gives them up."""
        return self.filter(status__in=Enforcement.STANDS)

    def in_the_way(self) -> EnforcementQuerySet:
        """Open actions that later ones of their account wait for: all but a notice that stands still."""
        return self.open().exclude(kind="notify", status__in=Enforcement.STANDS)

    def visible_to(self, user: User) -> EnforcementQuerySet:
        """Actions this person may know of: those of cases in their lanes."""
        return self.filter(decision__case__lane__in=user.lanes)

    def head_of(self, account_id: UUID) -> Enforcement | None:
        """The account's first action in the way, locked, with what a caller must know; inside a transaction."""
        return next(iter(self.raw(_HEAD, [account_id, list(Enforcement.OPEN)])), None)

    def waits_for(self, account_id: UUID) -> bool:
        """Whether an account has an action to be sent, now or later."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM moderation_enforcement"
                " WHERE account_id = %s AND status IN ('queued', 'retrying'))",
                [account_id],
            )
            waits: bool = cursor.fetchone()[0]
        return waits

    def with_clock(self) -> EnforcementQuerySet:
        """Each with the database's clock and the case behind it."""
        return self.annotate(clock=Now(), case_id=F("decision__case_id"))

    def due_heads(self) -> EnforcementQuerySet:
        """What may be called now: each account's first in the way, where the backend neither is paused nor rests."""
        earlier = Enforcement.objects.in_the_way().filter(account=OuterRef("account"), seq__lt=OuterRef("seq"))
        return self.filter(
            Q(backend__open_until__isnull=True) | Q(backend__open_until__lte=Now()),
            ~Exists(earlier),
            status__in=(Enforcement.Status.QUEUED, Enforcement.Status.RETRYING),
            next_attempt_at__lte=Now(),
            backend__paused_at__isnull=True,
        ).order_by("next_attempt_at")

    def lost(self) -> EnforcementQuerySet:
        """Actions whose lease ran out by the database's clock."""
        return self.filter(status=Enforcement.Status.IN_FLIGHT, lease_until__lt=Now()).order_by("lease_until")

    def expired(self, now: datetime | None = None) -> EnforcementQuerySet:
        """Measures in force whose time is up, by a told time or the database's clock."""
        return (
            self.filter(status=Enforcement.Status.APPLIED, expires_at__lte=now or Now())
            .select_related("account")
            .order_by("expires_at")
        )


@logged("enforcement")
@moves_by_its_table
@keeps("account", "decision", "seq", "kind", "until", "scope")
class Enforcement(models.Model):
    """One thing a backend must do to an account: intent and outbox row in one. Its id is the idempotency key."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        IN_FLIGHT = "in_flight"
        RETRYING = "retrying"
        APPLIED = "applied"
        STOPPED = "stopped"  # never by itself again; a lead retries or skips
        UNSURE = "unsure"  # cannot tell whether it happened
        SKIPPED = "skipped"
        SUPERSEDED = "superseded"  # never sent: a later opposite one overtook it
        CANCELLED = "cancelled"
        MOOT = "moot"  # the account is gone

    STANDS = (Status.STOPPED, Status.UNSURE)  # until a lead retries or skips it
    OPEN = (Status.QUEUED, Status.IN_FLIGHT, Status.RETRYING, *STANDS)
    COMES_FROM: dict[str, set[str]] = {
        Status.QUEUED: set(STANDS),
        Status.IN_FLIGHT: {Status.QUEUED, Status.RETRYING},
        Status.RETRYING: {Status.IN_FLIGHT},
        Status.APPLIED: {Status.IN_FLIGHT},
        Status.STOPPED: {Status.IN_FLIGHT},
        Status.UNSURE: {Status.IN_FLIGHT},
        Status.SKIPPED: set(STANDS),
        Status.SUPERSEDED: {Status.QUEUED},
        Status.CANCELLED: {Status.QUEUED},
        Status.MOOT: {Status.IN_FLIGHT},
    }

    id = models.UUIDField(primary_key=True, editable=False)  # uuid5 of decision, kind and account
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False, related_name="enforcements")
    decision = models.ForeignKey("moderation.Decision", on_delete=models.PROTECT, related_name="enforcements")
    backend = models.ForeignKey(Backend, on_delete=models.PROTECT, related_name="enforcements")
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=32)
    until = models.DateTimeField(null=True)
    scope = models.CharField(max_length=16, blank=True)
    policy = models.CharField(max_length=32, blank=True)
    reason_code = models.CharField(max_length=32, blank=True)
    # what it undoes or ends
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    ordered_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)  # when a timed measure ends by itself
    attempts = models.PositiveIntegerField(default=0)
    lost_leases = models.PositiveSmallIntegerField(default=0)
    first_sent_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField()
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    detail = models.CharField(max_length=500, blank=True)  # the last answer, in words
    effect_id = models.CharField(max_length=128, blank=True)
    settled_at = models.DateTimeField(null=True)

    objects = EnforcementQuerySet.as_manager()

    DATA = {
        "internal: enforcement statistics": (
            "id backend seq status ordered_at due_at attempts lost_leases first_sent_at next_attempt_at "
            "lease_token lease_until settled_at"
        ),
        "confidential: enforcement legal": (
            "account decision kind until scope policy reason_code parent expires_at detail effect_id"
        ),
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "seq"], name="one_action_per_sequence_number"),
            models.UniqueConstraint(
                fields=["account"], condition=Q(status="in_flight"), name="one_action_in_flight_per_account"
            ),
            models.CheckConstraint(
                condition=Q(status="in_flight", lease_token__isnull=False, lease_until__isnull=False)
                | ~Q(status="in_flight"),
                name="action_in_flight_has_a_lease",
            ),
        ]
        indexes = [
            # reader: the dispatcher, heads that are due
            models.Index(fields=["next_attempt_at"], condition=Q(status__in=["queued", "retrying"]), name="action_due"),
            # reader: the sweep
            models.Index(fields=["lease_until"], condition=Q(status="in_flight"), name="action_lease"),
            # reader: the dispatcher, timed measures whose end has come
            models.Index(
                fields=["expires_at"], condition=Q(status="applied", expires_at__isnull=False), name="action_expiry"
            ),
            models.Index(fields=["account", "-seq"], name="action_of_account"),  # reader: case and account pages
            models.Index(fields=["status", "-ordered_at", "-id"], name="action_by_state"),  # reader: the outbox page
            # reader: rollups, effects and time to effect by hour
            models.Index(fields=["settled_at"], condition=Q(settled_at__isnull=False), name="action_settled"),
            models.Index(fields=["-ordered_at", "-id"], name="action_newest"),  # reader: the outbox page, all states
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"

    @property
    def audit_name(self) -> str:
        return f"enforcement:{self.pk}"

    @property
    def delayed(self) -> bool:
        """Whether it waits, or waited, by the delay of its policy: never sent, and due later than it was ordered."""
        return self.status == self.Status.QUEUED and not self.attempts and self.due_at > self.ordered_at


@logged("decision", key="decision_id")
@keeps("decision", "effect", "corrects", "template", "version", "language", "text", "appeal_url")
class Notice(models.Model):
    """What the account holder is told of a decision: written with it, ordered once what it tells of is in force."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    decision = models.OneToOneField("moderation.Decision", on_delete=models.PROTECT, related_name="notice")
    # the action it follows; without one it follows the notice it corrects
    effect = models.OneToOneField(Enforcement, on_delete=models.PROTECT, null=True, related_name="told_by")
    corrects = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="corrected_by")
    order = models.OneToOneField(Enforcement, on_delete=models.PROTECT, null=True, related_name="notice")  # its sending
    template = models.CharField(max_length=32)
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=16)
    text = models.UUIDField()  # vault value: the words as sent
    appeal_url = models.CharField(max_length=500, blank=True)
    written_at = models.DateTimeField()
    dropped_at = models.DateTimeField(null=True)
    dropped_why = models.CharField(max_length=100, blank=True)
    delivered_at = models.DateTimeField(null=True)  # as the backend says, or when it took it

    DATA = {
        "internal: enforcement statistics": "id template version language written_at dropped_at delivered_at",
        "confidential: enforcement legal": "decision effect corrects order appeal_url dropped_why",
        "restricted_pii: enforcement legal": "text",
    }

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(dropped_at__isnull=True) | Q(order__isnull=True), name="what_was_dropped_is_not_sent"
            ),
            models.CheckConstraint(
                condition=Q(delivered_at__isnull=True) | Q(order__isnull=False), name="what_was_delivered_was_sent"
            ),
            models.CheckConstraint(
                condition=Q(effect__isnull=False) | Q(corrects__isnull=False), name="notice_follows_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.version} for {self.decision_id}"


class Attempt(models.Model):
    """One try of an action: written before the call, completed after it."""

    enforcement = models.ForeignKey(Enforcement, on_delete=models.PROTECT, related_name="tries")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, default="sent")  # sent, applied, later, never, unsure, lost, gone
    detail = models.CharField(max_length=500, blank=True)

    DATA = {
        "internal: enforcement": "id number at ended_at outcome",
        "confidential: enforcement": "enforcement detail",
    }

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["enforcement", "number"], name="one_attempt_per_number")]

    def __str__(self) -> str:
        return f"try {self.number} of {self.enforcement_id}"


@logged("finding")
class Finding(models.Model):
    """Something enforcement saw that a person above should take: a stopped head, a foreign change on the platform."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="findings")
    enforcement = models.ForeignKey(Enforcement, on_delete=models.PROTECT, null=True, related_name="findings")
    kind = models.CharField(max_length=16)  # stopped, unsure, drift
    detail = models.CharField(max_length=500, blank=True)
    raised_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True)

    DATA = {
        "confidential: enforcement": "id account enforcement kind detail raised_at taken_at",
    }

    class Meta:
        indexes = [
            # reader: the taking of findings into cases
            models.Index(fields=["raised_at"], condition=Q(taken_at__isnull=True), name="finding_untaken")
        ]

    def __str__(self) -> str:
        return f"{self.kind} on {self.account_id}"

    @property
    def audit_name(self) -> str:
        return f"finding:{self.pk}"
