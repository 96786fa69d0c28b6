"""Whose key is this? Bearer keys for programs, stored hashed; the signed-in session for the pages' own calls."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from .models import ServiceKey, User
from .permissions import Permission
from .roles import permissions_of

PREFIX = "rv_"


def new_key() -> str:
    """A fresh key: a prefix that secret scanners can look for, and 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """How a key is stored. The key has 256 random bits, so one SHA-256 is enough (no salt, no stretching)."""
    return hashlib.sha256(key.encode()).digest()


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY`.

    The key acts as its user, with its scopes in place of the roles where it has some.
    """

    def authenticate(self, request: Request) -> tuple[User, ServiceKey] | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = (
            ServiceKey.objects.select_related("user")
            .filter(digest=digest_of(value.strip()), retired_at__isnull=True, user__is_active=True)
            .first()
        )
        if key is None:
            raise exceptions.AuthenticationFailed("This key is unknown or retired.")
        user = key.user
        # One query less than asking the grants: both names feed the same cached properties.
        user.__dict__["permissions"] = (
            frozenset(Permission(scope) for scope in key.scopes) if key.scopes else permissions_of(user.role_names)
        )
        return user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="reeve"'


class PageSession(SessionAuthentication):
    """The pages' own calls: the session cookie with the CSRF token; only for somebody still active."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        return found if found and found[0].is_active else None
