"""Where do personal values stand?

In the vault, encrypted under a key per account; destroying the key is the erasure.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from portal.guards import keeps, logged, moves_by_its_table
from portal.people.models import User
from portal.people.permissions import Permission


# A key is made when the first value of an account is kept, thousands in one delivery; its end is an erasure.
@logged("account", key="subject", made=False)
class VaultKey(models.Model):
    """The key of one account's values, itself wrapped by the master key. Erasing an account empties `wrapped`."""

    subject = models.UUIDField(
        primary_key=True
    )  # the account's id; no foreign key, so that privacy knows no room above
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)

    DATA = {
        "internal: legal": "created_at destroyed_at",
        "confidential: moderation legal": "subject",
        "restricted_pii: moderation legal": "wrapped",
    }

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(wrapped__isnull=False, destroyed_at__isnull=True)
                | models.Q(wrapped__isnull=True, destroyed_at__isnull=False),
                name="vault_key_is_whole_or_gone",
            )
        ]

    def __str__(self) -> str:
        return str(self.subject)


class VaultValue(models.Model):
    """One personal value or typed text: AES-256-GCM under the subject's key, bound to its row and name.

    The commitment is HMAC-SHA256 under a random salt that is encrypted beside the value: it can stand in events and
    evidence, and says nothing once key and salt are gone.
    """

    class DataClass(models.TextChoices):
        IDENTITY = "identity"  # handle, e-mail, phone, birth date: masked unless the role may see it
        CONTENT = "content"  # what an account wrote or said: shown to who works the case
        THIRD_PARTY = "third_party"  # reporters and targets: never shown to the reported person
        STAFF = "staff"  # notes and reasons typed by moderators

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.ForeignKey(VaultKey, on_delete=models.PROTECT, db_column="subject", related_name="values")
    name = models.CharField(max_length=64)  # "account.handle", "signal.text", "decision.note"
    data_class = models.CharField(max_length=12, choices=DataClass)
    nonce = models.BinaryField(max_length=12)
    sealed = models.BinaryField()  # AES-GCM of salt (32 bytes) and value (UTF-8)
    commitment = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    DATA = {
        "internal: moderation": "id name data_class created_at",
        "confidential: moderation audit": "subject nonce commitment",
        "restricted_pii: moderation enforcement legal": "sealed",
    }

    class Meta:
        indexes = [
            # reader: the account's newest values
            models.Index(fields=["subject", "name", "-created_at"], name="vault_by_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


# The mark that the value was handed over follows the event that it would be.
@logged("reveal", but=["handed_at"], ends="reveals_and_reads")
@keeps("value", "subject", "name", "data_class", "purpose", "note", "case", "by", "at")
class Reveal(models.Model):
    """Somebody asked to see one personal value: why, on which case, whether it was handed over, and who looked at it
    afterwards. Written before the value is read; it never holds the value.
    """

    class Verdict(models.TextChoices):
        IN_ORDER = "in_order", "In order"
        NOT_IN_ORDER = "not_in_order", "Not in order"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    value = models.UUIDField()  # the vault's value; no foreign key: what was asked outlives what was kept
    subject = models.UUIDField()  # the account's id
    name = models.CharField(max_length=64)  # "account.email"
    data_class = models.CharField(max_length=12)
    purpose = models.CharField(max_length=16)  # a code of `purposes.REASONS`
    note = models.UUIDField(null=True)  # vault value: typed text
    case = models.BigIntegerField(null=True)  # the case's number; no foreign key, so that privacy knows no room above
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reveals")
    at = models.DateTimeField()
    handed_at = models.DateTimeField(null=True)  # the value is handed over once
    verdict = models.CharField(max_length=12, choices=Verdict, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)
    review_note = models.UUIDField(null=True)  # vault value: typed text

    DATA = {
        "confidential: audit security": (
            "id value subject name data_class purpose note case by at handed_at verdict reviewed_by reviewed_at "
            "review_note"
        ),
    }

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict="", reviewed_by__isnull=True, reviewed_at__isnull=True)
                | ~Q(verdict="") & Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
                name="reveal_review_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True) | ~Q(reviewed_by=F("by")), name="nobody_reviews_their_own_reveal"
            ),
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="reveal_newest"),  # reader: the weekly review
            models.Index(fields=["by", "-at"], name="reveal_of_person"),  # reader: the limit of an hour
            models.Index(fields=["subject", "-at"], name="reveal_of_account"),  # reader: the account's timeline
        ]

    def __str__(self) -> str:
        return f"reveal of {self.name}"

    @property
    def audit_name(self) -> str:
        return f"reveal:{self.pk}"


class HoldQuerySet(models.QuerySet["Hold"]):
    def move(self, hold: Hold, to: str, **fields: Any) -> bool:
        """Move the hold if it still stands where this move may start; say whether it moved."""
        return self.filter(pk=hold.pk, status__in=Hold.COMES_FROM[to]).update(status=to, **fields) == 1

    def in_force(self) -> HoldQuerySet:
        """Holds that keep something: a release that only one person asked for changes nothing yet."""
        return self.filter(status__in=Hold.IN_FORCE)

    def visible_to(self, user: User) -> HoldQuerySet:
        """Holds this person may know of: a confidential one is known to privacy officers and to who is asked."""
        if user.may(Permission.HOLD_ASK):
            return self
        if not user.may(Permission.HOLD_AGREE):
            return self.none()
        return self.filter(Q(confidential=False) | Q(asked_of=user) | Q(agreed_by=user) | Q(released_by=user))


@logged("hold")
@moves_by_its_table
@keeps("reference", "account", "case", "confidential", "reason", "asked_by", "asked_at")
class Hold(models.Model):
    """A legal hold: what is told of an account is kept, whoever wants it gone, until two persons release it."""

    class Status(models.TextChoices):
        ASKED = "asked"  # waits for the second person; keeps nothing yet
        ACTIVE = "active"
        ENDING = "ending"  # a release is asked for; still keeps
        RELEASED = "released"
        DECLINED = "declined"

    IN_FORCE = (Status.ACTIVE, Status.ENDING)
    COMES_FROM: dict[str, set[str]] = {
        Status.ACTIVE: {Status.ASKED, Status.ENDING, Status.ACTIVE},
        Status.ENDING: {Status.ACTIVE},
        Status.RELEASED: {Status.ENDING},
        Status.DECLINED: {Status.ASKED},
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    reference = models.CharField(max_length=64, unique=True)  # "LR-031"
    account = models.UUIDField()  # the account's id; no foreign key, as for keys
    case = models.BigIntegerField(null=True)  # the case it is about, where it is about one
    confidential = models.BooleanField(default=False)
    reason = models.UUIDField()  # vault value: typed text
    status = models.CharField(max_length=8, choices=Status, default=Status.ASKED)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")  # a privacy officer
    asked_at = models.DateTimeField()
    asked_of = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")  # the lead who is to agree
    agreed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    agreed_at = models.DateTimeField(null=True)
    review_at = models.DateTimeField(null=True)  # somebody looks again whether it is still needed
    release_asked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    released_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects = HoldQuerySet.as_manager()

    DATA = {
        "legal_hold: legal": (
            "id reference account case confidential reason status asked_by asked_at asked_of agreed_by agreed_at "
            "review_at release_asked_by released_by ended_at"
        )
    }

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(asked_by=F("asked_of")), name="nobody_is_asked_by_themselves"),
            models.CheckConstraint(
                condition=Q(agreed_by__isnull=True) | ~Q(agreed_by=F("asked_by")), name="a_hold_needs_two_persons"
            ),
            models.CheckConstraint(
                condition=Q(released_by__isnull=True) | ~Q(released_by=F("release_asked_by")),
                name="a_release_needs_two_persons",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["asked", "declined"], agreed_by__isnull=True, agreed_at__isnull=True)
                | Q(
                    status__in=["active", "ending", "released"],
                    agreed_by__isnull=False, agreed_at__isnull=False, review_at__isnull=False,
                ),
                name="hold_in_force_was_agreed_to",
            ),
            models.CheckConstraint(
                condition=Q(status="released", released_by__isnull=False, release_asked_by__isnull=False)
                | Q(status="ending", released_by__isnull=True, release_asked_by__isnull=False)
                | Q(status__in=["asked", "active", "declined"], released_by__isnull=True),
                name="hold_release_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["released", "declined"], ended_at__isnull=False)
                | Q(status__in=["asked", "active", "ending"], ended_at__isnull=True),
                name="hold_end_is_whole",
            ),
        ]  # fmt: skip
        indexes = [
            # reader: erasure, retention: is this account held
            models.Index(fields=["account"], condition=Q(status__in=["active", "ending"]), name="hold_in_force")
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def audit_name(self) -> str:
        return f"hold:{self.pk}"


class RetentionRun(models.Model):
    """One look at what is old enough to go, dry or applied, with the figures of each rule."""

    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    applied = models.BooleanField()
    lines = models.JSONField()  # [{"rule", "days", "cut_off", "rows", "oldest", "held", "deleted"}]

    DATA = {"internal: legal": "id by at applied lines"}

    class Meta:
        indexes = [models.Index(fields=["-at"], name="retention_newest")]  # reader: the retention page, the daily run

    def __str__(self) -> str:
        return f"retention {self.at:%Y-%m-%d %H:%M}"
