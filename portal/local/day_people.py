"""Who works on the told day, and how do they come in? With roles and keys, made once; passwords are shown once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from portal.people import actions
from portal.people.models import User

from .day_data import people

KEY_TITLE = "Made with the demo"


def ensure_people(known: Iterable[dict[str, Any]], *, by: User, now: datetime) -> list[dict[str, Any]]:
    """Everybody of the day with role and languages; returns how each signs in. Who is known keeps password and key."""
    told = {person["username"]: dict(person) for person in known}
    there = {user.username: user for user in User.objects.filter(kind=User.Kind.PERSON)}
    roster = []
    for person in people():
        name = person["username"]
        user = there.get(name)
        if user is not None and not user.is_active:
            continue
        if user is None or name not in told:
            told[name] = _welcome(person, user, by=by, now=now)
        roster.append(told[name])
    return roster


def ensure_service_key(known: str | None, *, by: User, now: datetime) -> str:
    """The key of the programs that tell us things: signals in, accounts out."""
    upstream = User.objects.service("upstream")
    if known and upstream.keys.filter(retired_at__isnull=True, prefix=known[:8]).exists():
        return known
    scopes = ("signal.write", "account.read")
    return actions.issue_key(upstream, by=by, now=now, title="Upstream", scopes=scopes)[1]


def _welcome(person: dict[str, Any], user: User | None, *, by: User, now: datetime) -> dict[str, Any]:
    password = secrets.token_urlsafe(9)
    if user is None:
        name, languages = person["username"], tuple(person["languages"])
        user = actions.create_user(name, by=by, now=now, password=password, languages=languages)
        for role in (person["role"], *(f"lane:{lane}" for lane in person.get("lanes", []))):
            actions.grant(user, role, by=by, now=now)
    else:
        actions.change_password(user, by=by, now=now, password=password)
    for key in user.keys.filter(retired_at__isnull=True, title=KEY_TITLE):
        actions.retire_key(key, by=by, now=now)
    _, key_value = actions.issue_key(user, by=by, now=now, title=KEY_TITLE)
    return {"username": user.username, "password": password, "role": person["role"], "api_key": key_value}
