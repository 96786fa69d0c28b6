"""Who are our moderators? People, what they were granted, and the keys that programs use in their name."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from portal.guards import logged

from .permissions import Permission
from .roles import permissions_of

# "holds" is the lane of confidential legal holds: of their events only, no case stands in it.
LANE_PERMISSION = {
    "minors": Permission.LANE_MINORS,
    "safety": Permission.LANE_SAFETY,
    "holds": Permission.LANE_HOLDS,
}


class UserManager(BaseUserManager["User"]):
    """Finds people by user name, as Django's sign-in asks."""

    def service(self, name: str) -> User:
        """The named service user, such as `system`, that acts where no person does; made on first use."""
        from .actions import add_service

        return self.filter(username=name).first() or add_service(name)


@logged("user", but=["last_login"])  # Django's own stamp; coming in has its event, sign_in.succeeded
class User(AbstractBaseUser):
    """The one who looks: a person, or a service that acts in its own name. Never a flagged account."""

    class Kind(models.TextChoices):
        PERSON = "person"
        SERVICE = "service"

    class Duty(models.TextChoices):
        ON_DUTY = "on duty"
        BREAK = "break"
        TRAINING = "training"
        OFF = "off"

    username = models.CharField(max_length=64, unique=True)
    display_name = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    is_active = models.BooleanField(default=True)
    languages = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    duty = models.CharField(max_length=10, choices=Duty, default=Duty.ON_DUTY)
    keys_on = models.BooleanField(default=True)  # single-key shortcuts (WCAG 2.1.4: may be turned off)
    undo_seconds = models.PositiveSmallIntegerField(default=10)
    scheme = models.CharField(
        max_length=5, choices=[("auto", "auto"), ("light", "light"), ("dark", "dark")], default="auto"
    )
    created_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    DATA = {
        "internal: operation": "id kind is_active languages keys_on undo_seconds scheme created_at",
        "confidential: audit security": "username display_name last_login",
        "confidential: security": "password",
        "confidential: operation": "duty",
    }

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(undo_seconds__lte=60), name="undo_is_at_most_a_minute")]

    def __str__(self) -> str:
        return self.username

    @property
    def audit_name(self) -> str:
        return f"user:{self.pk}"

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is their password. Django's own would write a new hash in passing: `signed_in()` does, told."""
        return check_password(raw_password, self.password)

    @cached_property
    def role_names(self) -> set[str]:
        """The names of the roles in force, read once per request."""
        return set(self.grants.in_force().values_list("role", flat=True))

    @cached_property
    def permissions(self) -> frozenset[Permission]:
        """What this person may do: the union of the roles in force; a key may narrow it for one request."""
        return permissions_of(self.role_names)

    def may(self, permission: Permission) -> bool:
        """Whether an active person has the permission."""
        return self.is_active and permission in self.permissions

    @property
    def lanes(self) -> list[str]:
        """The lanes whose cases this person may know of: `general`, and those granted."""
        return ["general", *(lane for lane, permission in LANE_PERMISSION.items() if self.may(permission))]


class GrantQuerySet(models.QuerySet["Grant"]):
    def in_force(self) -> GrantQuerySet:
        """Grants that were not taken back."""
        return self.filter(revoked_at__isnull=True)


@logged("grant")
class Grant(models.Model):
    """A role given to a person, by whom and when; taking it back keeps the row."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    role = models.CharField(max_length=32)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField(db_default=Now())
    revoked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    objects = GrantQuerySet.as_manager()

    DATA = {
        "confidential: audit security": "id user role granted_by granted_at revoked_by revoked_at",
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"], condition=Q(revoked_at__isnull=True), name="one_grant_per_role"
            ),
            models.CheckConstraint(condition=~Q(user=F("granted_by")), name="nobody_grants_to_themselves"),
            models.CheckConstraint(
                condition=Q(revoked_by__isnull=True) | ~Q(user=F("revoked_by")), name="nobody_revokes_their_own"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
                name="grant_revocation_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.role}"

    @property
    def audit_name(self) -> str:
        return f"grant:{self.pk}"


@logged("key")
class ServiceKey(models.Model):
    """A key a program shows: stored as SHA-256 of 32 random bytes. It acts as its user; `scopes` narrow it when set."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="keys")
    title = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)  # the first characters, so that people can tell keys apart
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True)

    DATA = {
        "internal: security": "id title prefix scopes created_at retired_at",
        "confidential: audit security": "user created_by",
        "confidential: security": "digest",
    }

    def __str__(self) -> str:
        return f"{self.prefix}… {self.title}"

    @property
    def audit_name(self) -> str:
        return f"key:{self.pk}"
