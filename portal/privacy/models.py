"""Where do personal values stand?

In the vault, encrypted under a key per account; destroying the key is the erasure.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


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
