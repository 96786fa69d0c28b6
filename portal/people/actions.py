"""What changes about people? Created, granted, revoked, disabled, given a key: each with its event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.refusal import Refused

from .keys import digest_of, new_key
from .models import Grant, ServiceKey, User
from .roles import NEEDS_SECOND_ADMIN, ROLES


@transaction.atomic
def create_user(
    username: str,
    *,
    by: User,
    now: datetime,
    password: str | None = None,
    display_name: str = "",
    languages: tuple[str, ...] = (),
) -> User:
    """Make a person without any role. Raises `Refused` if the user name is taken."""
    if User.objects.filter(username=username).exists():
        raise Refused(f"There is already somebody called {username}; choose another user name.")
    user = User(username=username, display_name=display_name or username.capitalize(), languages=list(languages))
    user.set_password(password)
    user.save()
    audit.record(Event.USER_CREATED, by=by, of=user, now=now, username=username)
    return user


def add_service(name: str) -> User:
    """Make the service user of that name, who acts where no person does: no password, no role. Once, whoever asks."""
    try:
        with transaction.atomic():
            user = User.objects.create(username=name, kind=User.Kind.SERVICE, display_name=name, password="!")
            audit.record(Event.USER_CREATED, by=user, of=user, username=name)
    except IntegrityError:
        return User.objects.get(username=name)
    return user


@transaction.atomic
def grant(user: User, role: str, *, by: User, now: datetime) -> Grant:
    """Give a role. Raises `Refused` for an unknown role, one's own roles, or a role already held."""
    if role not in ROLES:
        raise Refused(f"There is no role {role}.")
    if user.pk == by.pk:
        raise Refused("Nobody changes their own roles; ask another admin.")
    try:
        with transaction.atomic():
            given = Grant.objects.create(user=user, role=role, granted_by=by, granted_at=now)
    except IntegrityError:
        raise Refused(f"{user} already has the role {role}.") from None
    sensitive = role in NEEDS_SECOND_ADMIN
    audit.record(Event.ROLE_GRANTED, by=by, of=user, also=[given], now=now, role=role, sensitive=sensitive)
    _forget(user)
    return given


@transaction.atomic
def revoke(user: User, role: str, *, by: User, now: datetime) -> None:
    """Take a role back. Raises `Refused` for one's own roles or a role not held."""
    if user.pk == by.pk:
        raise Refused("Nobody changes their own roles; ask another admin.")
    given = Grant.objects.in_force().filter(user=user, role=role).select_for_update().first()
    if given is None:
        raise Refused(f"{user} does not have the role {role}.")
    Grant.objects.filter(pk=given.pk).update(revoked_by=by, revoked_at=now)
    audit.record(Event.ROLE_REVOKED, by=by, of=user, also=[given], now=now, role=role)
    _forget(user)


@transaction.atomic
def disable(user: User, *, by: User, now: datetime) -> None:
    """End somebody's access at once: no sign-in, sessions ended, keys retired. Raises `Refused` for oneself."""
    if user.pk == by.pk:
        raise Refused("Nobody disables themselves; ask another admin.")
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False, duty=User.Duty.OFF):
        raise Refused(f"{user} is already disabled.")
    keys = list(ServiceKey.objects.filter(user=user, retired_at__isnull=True).select_for_update())
    ServiceKey.objects.filter(pk__in=[key.pk for key in keys]).update(retired_at=now)
    ended = end_sessions(user)
    audit.record(Event.USER_DISABLED, by=by, of=user, also=keys, now=now, sessions=ended)


@transaction.atomic
def issue_key(
    user: User, *, by: User, now: datetime, title: str, scopes: tuple[str, ...] = ()
) -> tuple[ServiceKey, str]:
    """Make a key that acts as `user`; the key itself is returned once and never stored."""
    value = new_key()
    key = ServiceKey.objects.create(
        user=user,
        title=title,
        prefix=value[:8],
        digest=digest_of(value),
        scopes=list(scopes),
        created_by=by,
        created_at=now,
    )
    audit.record(Event.KEY_ISSUED, by=by, of=key, also=[user], now=now, scopes=list(scopes))
    return key, value


@transaction.atomic
def retire_key(key: ServiceKey, *, by: User, now: datetime) -> None:
    """End a key. Raises `Refused` if it was retired before."""
    if not ServiceKey.objects.filter(pk=key.pk, retired_at__isnull=True).update(retired_at=now):
        raise Refused("This key was already retired.")
    audit.record(Event.KEY_RETIRED, by=by, of=key, also=[key.user], now=now)


@transaction.atomic
def change_profile(user: User, *, by: User, now: datetime, **settings: Any) -> None:
    """Change how the desk looks and behaves for a person: duty, keys_on, undo_seconds, scheme, languages."""
    User.objects.filter(pk=user.pk).update(**settings)
    for name, value in settings.items():
        setattr(user, name, value)
    audit.record(Event.PROFILE_CHANGED, by=by, of=user, now=now, **settings)


@transaction.atomic
def change_password(user: User, *, by: User, now: datetime, password: str) -> None:
    """Give somebody a new password: whoever was signed in as them is signed out."""
    user.set_password(password)
    User.objects.filter(pk=user.pk).update(password=user.password)
    audit.record(Event.PROFILE_CHANGED, by=by, of=user, now=now, password=True, sessions=end_sessions(user))


@transaction.atomic
def signed_in(user: User, *, now: datetime, password: str | None = None) -> None:
    """Write down that somebody came in; a password they just showed is hashed anew where the way of hashing changed."""
    facts: dict[str, Any] = {}
    if password is not None and _is_hashed_the_old_way(user.password):
        user.set_password(password)
        User.objects.filter(pk=user.pk).update(password=user.password)
        facts = {"rehashed": True}
    audit.record(Event.SIGN_IN_SUCCEEDED, by=user, of=user, now=now, **facts)


@transaction.atomic
def sign_in_refused(username_known: User | None, *, by: User, now: datetime) -> None:
    """Write down a failed attempt.

    Of whom, where the name is known; a wrong name is never written (it may be a password).
    """
    audit.record(Event.SIGN_IN_FAILED, by=by, of=username_known or by, now=now, known=username_known is not None)


@transaction.atomic
def signed_out(user: User, *, now: datetime) -> None:
    """Write down that somebody left."""
    audit.record(Event.SIGN_OUT_SUCCEEDED, by=user, of=user, now=now)


def end_sessions(user: User) -> int:
    """Delete the sessions of a person; returns how many. Sessions are few (people on shift), so all are looked at."""
    mine = [
        session.pk for session in Session.objects.all() if session.get_decoded().get("_auth_user_id") == str(user.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()
    return len(mine)


def _is_hashed_the_old_way(encoded: str) -> bool:
    ours, theirs = get_hasher("default"), identify_hasher(encoded)
    return theirs.algorithm != ours.algorithm or ours.must_update(encoded)


def _forget(user: User) -> None:
    user.__dict__.pop("role_names", None)
    user.__dict__.pop("permissions", None)
