"""What did we conclude, and who agreed? Policies, reason codes, decisions and the second person's word."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from moderation.cases.models import Case, Evidence, Queue
from portal.guards import keeps, logged, moves_by_its_table, never_changes
from portal.people.models import User
from risk.intake.models import Account


class Outcome(models.TextChoices):
    """What a decision does; `effect` and `reversal` of each stand in `OUTCOMES`."""

    NO_ACTION = "no_action", "No action"
    WARN = "warn", "Warn"
    LABEL = "label", "Label"
    LIMIT_REACH = "limit_reach", "Limit reach"
    RESTRICT = "restrict", "Restrict"
    SUSPEND = "suspend", "Suspend"
    BAN = "ban", "Ban"
    DEMONETIZE = "demonetize", "Demonetize"
    HOLD_PAYOUT = "hold_payout", "Hold pay-out"
    SECURE = "secure", "Secure"
    VERIFY_AGE = "verify_age", "Ask for age"


@logged("policy", key="code")
class Policy(models.Model):
    """One version of a policy; one version of each is in force."""

    code = models.CharField(max_length=32)  # "SPM-1.2"
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=100)
    text = models.TextField()
    public = models.CharField(max_length=200)  # the wording for the account holder
    strikes = models.PositiveSmallIntegerField(default=0)
    dsa = models.CharField(max_length=100, blank=True)  # category/keyword of the public statement
    delay_minutes_max = models.PositiveSmallIntegerField(default=0)  # hides what triggered an action; 0: none
    in_force = models.BooleanField(default=True)
    since = models.DateTimeField(db_default=Now())

    DATA = {
        "public: moderation legal": "code version title public dsa since",
        "internal: moderation": "id text strikes delay_minutes_max in_force",
    }

    class Meta:
        ordering = ("code",)
        constraints = [
            models.UniqueConstraint(fields=["code", "version"], name="one_policy_version"),
            models.UniqueConstraint(fields=["code"], condition=Q(in_force=True), name="one_policy_in_force"),
            models.CheckConstraint(condition=Q(delay_minutes_max__lte=1440), name="policy_delays_a_day_at_most"),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"

    @property
    def audit_name(self) -> str:
        return f"policy:{self.code}"


class Acknowledgement(models.Model):
    """Somebody read a changed policy before claiming in its queues again."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="acknowledgements")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="acknowledgements")
    at = models.DateTimeField()

    DATA = {
        "confidential: moderation audit": "id policy user at",
    }

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "user"], name="one_acknowledgement")]

    def __str__(self) -> str:
        return f"{self.user_id} read {self.policy_id}"


@logged("reason", key="code")
class ReasonCode(models.Model):
    """Why, in one key press: the reason codes of a workflow (`any` for all)."""

    code = models.CharField(max_length=32, unique=True)
    workflow = models.CharField(max_length=32)  # a risk type, or "any"
    key = models.CharField(max_length=1)
    text = models.CharField(max_length=100)
    policy = models.CharField(max_length=32, blank=True)  # the policy it implies
    label = models.CharField(max_length=8)  # what the training label becomes: positive, negative, none
    note = models.BooleanField(default=False)  # whether a note is required
    position = models.PositiveSmallIntegerField(default=0)

    DATA = {
        "internal: moderation": "id code workflow key text policy label note position",
    }

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.code

    @property
    def audit_name(self) -> str:
        return f"reason:{self.code}"


class DecisionQuerySet(models.QuerySet["Decision"]):
    def move(self, decision: Decision, to: str, **fields: Any) -> bool:
        """Move the decision if it still stands where this move may start; say whether it moved."""
        return self.filter(pk=decision.pk, status__in=Decision.COMES_FROM[to]).update(status=to, **fields) == 1

    def proposed(self) -> DecisionQuerySet:
        return self.filter(status=Decision.Status.PROPOSED)

    def due(self, now: datetime) -> DecisionQuerySet:
        """Held decisions whose undo window is over."""
        return self.filter(status=Decision.Status.HELD, release_at__lte=now)

    def visible_to(self, user: User) -> DecisionQuerySet:
        return self.filter(case__in=Case.objects.visible_to(user))


@logged("decision")
@moves_by_its_table
@keeps(
    "case",
    "account",
    "outcome",
    "reason_code",
    "policy",
    "made_by",
    "made_at",
    "request_key",
    "fingerprint",
    "evidence",
    "notify",
)
class Decision(models.Model):
    """What somebody concluded about a case. Only its status and the second person's word are ever added."""

    class Status(models.TextChoices):
        PROPOSED = "proposed"  # waits for a second person
        HELD = "held"  # in the undo window
        RELEASED = "released"
        UNDONE = "undone"
        DECLINED = "declined"
        REVERSED = "reversed"

    COMES_FROM: dict[str, set[str]] = {
        Status.HELD: {Status.PROPOSED},
        Status.RELEASED: {Status.HELD},
        Status.UNDONE: {Status.HELD, Status.PROPOSED},
        Status.DECLINED: {Status.PROPOSED},
        Status.REVERSED: {Status.RELEASED},
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False, related_name="decisions")
    queue = models.ForeignKey(Queue, on_delete=models.PROTECT, db_index=False, related_name="+")  # where it stood then
    risk_type = models.CharField(max_length=32, blank=True)
    status = models.CharField(max_length=10, choices=Status)
    outcome = models.CharField(max_length=16, choices=Outcome)
    reason_code = models.ForeignKey(ReasonCode, on_delete=models.PROTECT, db_index=False, related_name="+")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, null=True, db_index=False, related_name="decisions")
    note = models.UUIDField(null=True)  # vault value: typed text
    answers = models.JSONField(default=dict)
    scope = models.CharField(max_length=16, blank=True)
    until = models.DateTimeField(null=True)
    notify = models.BooleanField(default=True, db_default=True)  # whether the account holder may be told
    untold = models.CharField(max_length=8, blank=True, db_default="")  # why nobody is told, once released
    interim = models.CharField(max_length=32, blank=True)
    label = models.CharField(max_length=8)  # positive, negative, none
    shown = models.PositiveSmallIntegerField(default=0)  # the score the decider saw
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, null=True, related_name="+")
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="decisions")
    made_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)  # when the decider took the case: handling time runs from here
    request_key = models.CharField(max_length=128)
    fingerprint = models.BinaryField(max_length=32)
    needs_approval = models.BooleanField()
    approval_why = models.CharField(max_length=200, blank=True)
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, db_index=False, related_name="+")
    approved_at = models.DateTimeField(null=True)
    release_at = models.DateTimeField(null=True)  # end of the undo window
    released_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # undone, declined or reversed
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reversal")

    objects = DecisionQuerySet.as_manager()

    DATA = {
        "internal: moderation statistics": (
            "id queue risk_type status made_at claimed_at release_at released_at ended_at"
        ),
        "confidential: moderation enforcement audit legal": (
            "case account outcome reason_code policy scope until interim evidence made_by approved_by approved_at "
            "reverses notify untold"
        ),
        "confidential: moderation": "note answers label shown needs_approval approval_why request_key fingerprint",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["made_by", "request_key"], name="one_decision_per_request_key"),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("made_by")), name="nobody_approves_their_own"
            ),
            models.CheckConstraint(
                condition=Q(needs_approval=False)
                | Q(status__in=["proposed", "declined", "undone"])
                | Q(approved_by__isnull=False),
                name="what_needs_a_second_person_has_one",
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True, approved_at__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="decision_approval_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(outcome="no_action") | Q(policy__isnull=False) | Q(reverses__isnull=False),
                name="decision_has_a_policy",
            ),
            models.CheckConstraint(
                condition=~Q(status="proposed") | Q(needs_approval=True), name="only_what_needs_it_is_proposed"
            ),
            # one standing word on a case at a time: the last net under "two reviewers can never decide one case"
            models.UniqueConstraint(
                fields=["case"], condition=Q(status__in=["proposed", "held"]), name="one_undecided_word_per_case"
            ),
        ]
        # The foreign keys have none of their own but case and evidence: account and maker are the first column of one
        # below, and nobody looks for the decisions of a queue, a policy or a reason but within a time.
        indexes = [
            models.Index(fields=["release_at"], condition=Q(status="held"), name="decision_due"),  # reader: release_due
            models.Index(
                fields=["made_at", "id"], condition=Q(status="proposed"), name="decision_to_approve"
            ),  # reader: approvals page
            models.Index(fields=["made_by", "-made_at"], name="decision_by_person"),  # reader: your day, undo stack
            models.Index(fields=["account", "-made_at"], name="decision_of_account"),  # reader: timeline
            models.Index(fields=["-made_at", "-id"], name="decision_newest"),  # reader: dashboards
        ]

    def __str__(self) -> str:
        return f"{self.outcome} on case {self.case_id}"

    @property
    def audit_name(self) -> str:
        return f"decision:{self.pk}"


@logged("decision", key="decision_id")
@never_changes
class Approval(models.Model):
    """What the second person said, and why; one row per word given."""

    class Verdict(models.TextChoices):
        APPROVE = "approve"
        DECLINE = "decline"

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="approvals")
    verdict = models.CharField(max_length=8, choices=Verdict)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="approvals")
    at = models.DateTimeField()
    reason = models.UUIDField(null=True)  # vault value: typed text

    DATA = {
        "confidential: moderation audit": "id decision verdict by at reason",
    }

    def __str__(self) -> str:
        return f"{self.verdict} {self.decision_id}"


@logged("cap")
@never_changes
class CapOpening(models.Model):
    """A lead let somebody go beyond the limit of severe decisions in an hour: some more, for some hours."""

    MOST = 30  # decisions that one opening adds
    LONGEST = timedelta(hours=4)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=16, choices=Outcome)
    number = models.PositiveSmallIntegerField()
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    until = models.DateTimeField()
    reason = models.UUIDField()  # vault value: typed text

    DATA = {
        "confidential: moderation audit": "id person outcome number opened_by opened_at until reason",
    }

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(opened_by=F("person")), name="nobody_opens_their_own_cap"),
            models.CheckConstraint(condition=Q(number__range=(1, 30)), name="cap_opening_is_small"),
            models.CheckConstraint(
                condition=Q(until__gt=F("opened_at"), until__lte=F("opened_at") + timedelta(hours=4)),
                name="cap_opening_is_short",
            ),
            models.CheckConstraint(condition=Q(outcome__in=["ban", "suspend"]), name="cap_opening_is_of_a_capped_kind"),
        ]
        indexes = [models.Index(fields=["person", "-until"], name="cap_opening_of_person")]  # reader: decide, approvals

    def __str__(self) -> str:
        return f"{self.number} more {self.outcome} for {self.person_id}"

    @property
    def audit_name(self) -> str:
        return f"cap:{self.pk}"
