"""How does a personal value get in and out? Sealed under a key per account that is itself wrapped by the master key."""

from __future__ import annotations

import base64
import functools
import hmac
import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid5

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from portal.people.models import User
from portal.refusal import Refused

from .models import VaultKey, VaultValue

STAFF_SUBJECTS = UUID("6f0d3a52-5d0b-5c8e-9d7f-0b8a6d2f9c11")  # namespace of the subjects that stand for moderators
SALT_BYTES = 32
NONCE_BYTES = 12
INSERTED_AT_ONCE = 5000

Value = tuple[UUID, str, str, str]  # subject, name, value, data class


def subject_of_user(user: User) -> UUID:
    """The vault subject for texts somebody typed that are about no account."""
    return uuid5(STAFF_SUBJECTS, user.audit_name)


def keep(subject: UUID, name: str, value: str, *, data_class: str) -> VaultValue:
    """Seal one value of a subject; see `keep_many`."""
    return keep_many([(subject, name, value, data_class)])[0]


@transaction.atomic
def keep_many(values: Sequence[Value]) -> list[VaultValue]:
    """Seal values `(subject, name, value, data_class)`; returns their rows in order, each with its commitment.

    Three queries whatever the number. Lone surrogates survive the way in and out. Raises `Erased` if a subject was
    erased.
    """
    if not values:
        return []
    keys = _keys_for({subject for subject, _, _, _ in values})
    rows = []
    for subject, name, value, data_class in values:
        text, salt = value.encode(errors="surrogatepass"), secrets.token_bytes(SALT_BYTES)
        commitment = hmac.digest(salt, text, "sha256")
        # by position, in the order of the columns: by name a model takes four times as long to make
        columns: Any = (uuid7(), subject, name, data_class, secrets.token_bytes(NONCE_BYTES), b"", commitment)
        row = VaultValue(*columns)
        row.sealed = keys[subject].encrypt(row.nonce, salt + text, _bound_to(row))
        rows.append(row)
    for start in range(0, len(rows), INSERTED_AT_ONCE):
        _insert(rows[start : start + INSERTED_AT_ONCE])
    return rows


def open_values(ids: Iterable[UUID | str | None]) -> dict[UUID, str]:
    """The values with these ids, read and opened in one query; erased or unknown ones are missing."""
    wanted = {UUID(str(identity)) for identity in ids if identity}
    if not wanted:
        return {}
    found = {}
    wrapped: dict[UUID, AESGCM] = {}
    for row in VaultValue.objects.select_related("subject").filter(pk__in=wanted):
        if row.subject.wrapped is None:
            continue
        if row.subject_id not in wrapped:
            wrapped[row.subject_id] = AESGCM(_unwrap(row.subject_id, bytes(row.subject.wrapped)))
        plain = wrapped[row.subject_id].decrypt(bytes(row.nonce), bytes(row.sealed), _bound_to(row))
        found[row.pk] = plain[SALT_BYTES:].decode(errors="surrogatepass")
    return found


def open_value(identity: UUID | str | None) -> str | None:
    """One value, or None where it is erased or there is none."""
    return next(iter(open_values([identity]).values()), None)


class Erased(Refused):
    """The subject was erased: nothing personal can be kept about it again."""


def _keys_for(subjects: set[UUID]) -> dict[UUID, AESGCM]:
    known = _held(subjects)
    fresh = {subject: AESGCM.generate_key(256) for subject in sorted(subjects - known.keys())}
    if fresh:
        rows = [VaultKey(subject=subject, wrapped=_wrap(subject, key)) for subject, key in fresh.items()]
        VaultKey.objects.bulk_create(rows, ignore_conflicts=True)
        # Another door may have made a key for the same account first: what stands in the table counts.
        known |= _held(set(fresh))
    if None in known.values():
        raise Erased("This account was erased: nothing personal can be kept about it again.", state="erased")
    return {subject: AESGCM(_unwrap(subject, wrapped or b"")) for subject, wrapped in known.items()}


def _held(subjects: set[UUID]) -> dict[UUID, bytes | None]:
    """The wrapped keys of these subjects, None where destroyed; no erasure gets between the look and the keeping."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subject, wrapped FROM portal_vaultkey WHERE subject = ANY(%s::uuid[]) ORDER BY subject "
            "FOR KEY SHARE",
            [sorted(map(str, subjects))],
        )
        return {UUID(str(subject)): wrapped and bytes(wrapped) for subject, wrapped in cursor.fetchall()}


def _insert(rows: Sequence[VaultValue]) -> None:
    """One statement for all of them: a batch of signals brings thousands."""
    columns = ("id", "subject_id", "name", "data_class", "nonce", "sealed", "commitment")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_vaultvalue (id, subject, name, data_class, nonce, sealed, commitment) "
            "SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], "
            "%s::bytea[], %s::bytea[], %s::bytea[])",
            [[getattr(row, column) for row in rows] for column in columns],
        )
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def _bound_to(row: VaultValue) -> bytes:
    """A sealed value opens only in its own row, under its own name, for its own subject."""
    return b"reeve/vault/v1|%s|%s|%s" % (row.pk.bytes, row.subject_id.bytes, row.name.encode())


def _wrap(subject: UUID, key: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _master().encrypt(nonce, key, b"reeve/key/v1|" + subject.bytes)


def _unwrap(subject: UUID, wrapped: bytes) -> bytes:
    try:
        return _master().decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], b"reeve/key/v1|" + subject.bytes)
    except InvalidTag:
        raise ImproperlyConfigured(
            "VAULT_KEY is not the key this vault was made with; nothing was lost, set the right one."
        ) from None


@functools.cache
def _master() -> AESGCM:
    if not settings.VAULT_KEY:
        raise ImproperlyConfigured(
            "VAULT_KEY is not set: 32 random bytes, base64. Without it no personal value can be kept."
        )
    return AESGCM(base64.b64decode(settings.VAULT_KEY))
