"""What were we told? Accounts, signals about them, links between them, and what was decided about them."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from portal.guards import logged


class Account(models.Model):
    """The flagged account: the one we look at.

    Personal values stand in the vault; here are facts without a person in them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    platform = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128)
    handle_shown = models.CharField(max_length=64, blank=True)  # masked, such as "lu•••_deals"; emptied by erasure
    handle_lookup = models.BinaryField(max_length=32, null=True)  # keyed hash for exact search; emptied by erasure
    attributes = models.JSONField(default=dict)  # newest known, without personal values: {"followers_count": 12, …}
    country = models.CharField(max_length=16, blank=True)  # region of the account, never nationality
    lang = models.CharField(max_length=8, blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    attributes_at = models.DateTimeField(null=True)  # occurred_at of the newest signal that gave attributes
    stale_at = models.DateTimeField(null=True)  # set when something new was told; scoring empties it
    snoozed_until = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    DATA = {
        "internal: moderation": "id platform first_seen_at last_seen_at attributes_at stale_at snoozed_until",
        "confidential: moderation enforcement audit": "external_id",
        "confidential: moderation": "handle_shown attributes country lang",
        "restricted_pii: moderation security": "handle_lookup",
        "internal: legal": "erased_at",
    }

    class Meta:
        constraints = [models.UniqueConstraint(fields=["platform", "external_id"], name="one_row_per_account")]
        indexes = [
            models.Index(fields=["handle_lookup"], name="account_by_handle"),  # reader: search
            # reader: scoring
            models.Index(fields=["stale_at", "id"], condition=Q(stale_at__isnull=False), name="account_stale"),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.external_id}"

    @property
    def audit_name(self) -> str:
        return f"account:{self.pk}"


class SignalKind(models.Model):
    """A kind of signal: data, not code. `fields` maps a data field to {"type", "class"?, "optional"?, "values"?}."""

    name = models.CharField(max_length=64, primary_key=True)
    fields = models.JSONField(default=dict)
    opens = models.BooleanField(default=False)  # opens a case whatever the score
    lane = models.CharField(max_length=16, default="general")  # who may read such signals

    DATA = {
        "internal: operation": "name fields opens lane",
    }

    def __str__(self) -> str:
        return self.name


class Batch(models.Model):
    """One delivery of signals through one door: what the log's `signals.accepted` event stands for."""

    door = models.CharField(max_length=16)  # "api", "file", "stream", "seed"
    received_at = models.DateTimeField(db_default=Now())
    accepted = models.PositiveIntegerField()
    duplicates = models.PositiveIntegerField()
    rejected = models.PositiveIntegerField()
    digest = models.BinaryField(max_length=32)

    DATA = {
        "internal: audit statistics": "id door received_at accepted duplicates rejected digest",
    }

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def audit_name(self) -> str:
        return f"batch:{self.pk}"


class Feed(models.Model):
    """How far a system was read that we ask for what people reported there; its description is a TOML file."""

    name = models.CharField(max_length=32, primary_key=True)
    cursor = models.PositiveBigIntegerField(default=0)  # the highest id up to which everything was read
    pulled_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True)  # why the last reading ended early

    DATA = {
        "internal: operation": "name cursor pulled_at problem",
    }

    def __str__(self) -> str:
        return self.name


class Signal(models.Model):
    """What came: one thing somebody told us about one account. Texts and people in `data` are vault references."""

    source = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128)
    kind = models.CharField(max_length=64)
    lane = models.CharField(max_length=16, default="general")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="signals")
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, null=True, related_name="signals")
    # numbers, codes and keyed hashes as told; a text or a person is {"vault": VaultValue id, "commitment": hex,
    # "length": n}
    data = models.JSONField(default=dict)
    attributes = models.JSONField(default=dict)  # the attributes this signal carried, without personal values
    scores = models.JSONField(default=list)  # verdicts made elsewhere, as told
    opens = models.BooleanField(default=False)  # must open (or join) a case, and no case took it yet
    taken_at = models.DateTimeField(null=True)

    DATA = {
        "internal: moderation statistics": "id kind lane occurred_at received_at batch opens taken_at",
        "confidential: moderation": "source external_id account attributes scores",
        "restricted_pii: moderation": "data",
    }

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="one_signal_per_source_and_id")]
        indexes = [
            # reader: features of an account, the case page's evidence
            models.Index(fields=["account", "occurred_at", "id"], name="signal_of_account"),
            # reader: cases take what must open a case
            models.Index(fields=["id"], condition=Q(opens=True, taken_at__isnull=True), name="signal_untaken"),
            # reader: retention; rows arrive in order, so that a few pages name the old ones
            BrinIndex(fields=["received_at"], name="signal_by_age"),
            # reader: features of whoever referred others
            models.Index(KeyTextTransform("referrer", "data"), condition=Q(kind="claim"), name="claim_by_referrer"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source}:{self.external_id}"

    @property
    def audit_name(self) -> str:
        return f"signal:{self.pk}"


class Link(models.Model):
    """An account used a device, payment, pay-out, phone, e-mail or network: a keyed hash, never the value."""

    class Kind(models.TextChoices):
        DEVICE = "device"
        PHONE = "phone"
        EMAIL = "email"
        PAYMENT = "payment"
        PAYOUT = "payout"
        IP = "ip"
        IP24 = "ip24"  # the network around an ip, derived at intake

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="links")
    kind = models.CharField(max_length=8, choices=Kind)
    digest = models.BinaryField(max_length=32)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)
    cut_at = models.DateTimeField(null=True)  # a reviewer cut a wrong link: it stays cut

    DATA = {
        "internal: moderation": "id kind first_at last_at times cut_at",
        "confidential: moderation": "account",
        "restricted_pii: moderation security": "digest",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "digest"], name="one_link_per_account_and_value")
        ]
        indexes = [
            # reader: accounts behind one value
            models.Index(fields=["kind", "digest", "last_at"], name="link_by_value")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.account_id}"


@logged("standing")
class Standing(models.Model):
    """A decision in force on an account, written down by decisions so that features can read it.

    Strikes, links to removed accounts.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="standings")
    decision = models.UUIDField(unique=True)  # the decision's id; no foreign key, so that risk knows no moderation
    risk_type = models.CharField(max_length=32, blank=True)
    policy = models.CharField(max_length=32, blank=True)
    outcome = models.CharField(max_length=16)
    strikes = models.PositiveSmallIntegerField(default=0)
    at = models.DateTimeField()
    strikes_until = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    imported = models.BooleanField(default=False)

    DATA = {
        "confidential: moderation enforcement legal": (
            "id account decision risk_type policy outcome strikes at strikes_until until lifted_at imported"
        ),
    }

    class Meta:
        indexes = [
            # reader: features, strikes on the case page
            models.Index(fields=["account", "-at"], name="standing_of_account")
        ]

    def __str__(self) -> str:
        return f"{self.outcome} on {self.account_id}"

    @property
    def audit_name(self) -> str:
        return f"standing:{self.pk}"
