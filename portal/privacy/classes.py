"""Which data is this, and what is it kept for? Pure: data classes, purposes, and how a model declares both.

A model says it in its body, one line per class and its purposes, naming the fields:

    DATA = {
        "internal: moderation": "first_seen_at last_seen_at",
        "restricted_pii: moderation security": "handle_lookup",
    }

It is text, so that a room below this one can declare its tables too. A house test refuses a field that no line names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class DataClass(StrEnum):
    """How much harm a value can do in the wrong hands, rising. The row of a minors lane is `restricted_minor` at least
    as soon as it is about an account, whatever its columns say.
    """

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED_PII = "restricted_pii"
    RESTRICTED_MINOR = "restricted_minor"
    LEGAL_HOLD = "legal_hold"


class Purpose(StrEnum):
    """What a value is kept for; alphabetical."""

    AUDIT = "audit"  # to prove what happened
    ENFORCEMENT = "enforcement"  # to have the platform act
    LEGAL = "legal"  # duties towards people and authorities
    MODERATION = "moderation"  # to decide a case
    OPERATION = "operation"  # to run this product
    SECURITY = "security"  # to keep it from misuse
    STATISTICS = "statistics"  # to count work and its quality


@dataclass(frozen=True)
class Sight:
    """Who sees a class of data masked, and who sees it open."""

    masked: str
    open: str


SIGHT: dict[DataClass, Sight] = {
    DataClass.PUBLIC: Sight("nobody needs to", "whoever is signed in; strangers where a bundle carries it"),
    DataClass.INTERNAL: Sight("nobody needs to", "roles whose permission opens the page"),
    DataClass.CONFIDENTIAL: Sight("nobody needs to", "roles whose permission opens the page, in their lanes"),
    DataClass.RESTRICTED_PII: Sight(
        "roles with account.read", "after a reveal: reviewer and specialist on their own case; lead, auditor, privacy"
    ),
    DataClass.RESTRICTED_MINOR: Sight("roles with account.read and lane.minors", "after a reveal, with lane.minors"),
    DataClass.LEGAL_HOLD: Sight("nobody", "the privacy officer; the lead who agreed to the hold"),
}


@dataclass(frozen=True)
class Declared:
    """What one field is, and what for."""

    data_class: DataClass
    purposes: tuple[Purpose, ...]


# Django's own tables and those of libraries, in the same notation, by model label.
THEIRS: dict[str, dict[str, str]] = {
    "auth.Permission": {"internal: operation": "id name content_type codename"},  # unused: permissions are code
    "auth.Group": {"internal: operation": "id name"},
    "auth.Group_permissions": {"internal: operation": "id group permission"},
    "contenttypes.ContentType": {"internal: operation": "id app_label model"},
    "sessions.Session": {"confidential: security": "session_key session_data expire_date"},
    "axes.AccessAttempt": {
        "internal: security": "id attempt_time failures_since_start",
        "confidential: security": "user_agent ip_address username http_accept path_info get_data post_data",
    },
    "axes.AccessAttemptExpiration": {"internal: security": "access_attempt expires_at"},
    "axes.AccessFailureLog": {
        "internal: security": "id attempt_time locked_out",
        "confidential: security": "user_agent ip_address username http_accept path_info",
    },
    "axes.AccessLog": {
        "internal: security": "id attempt_time logout_time",
        "confidential: security": "user_agent ip_address username http_accept path_info session_hash",
    },
}


def read(lines: Mapping[str, str]) -> dict[str, Declared]:
    """The declaration of each field. Raises `ValueError` with every mistake: unknown class or purpose, field twice."""
    found: dict[str, Declared] = {}
    wrong: list[str] = []
    for line, fields in lines.items():
        name, _, purposes = line.partition(":")
        try:
            declared = Declared(DataClass(name.strip()), tuple(Purpose(word) for word in purposes.split()))
        except ValueError as error:
            wrong.append(f"{line!r}: {error}")
            continue
        if not declared.purposes:
            wrong.append(f"{line!r} names no purpose")
        wrong += [f"{field} is declared twice" for field in fields.split() if field in found]
        found |= dict.fromkeys(fields.split(), declared)
    if wrong:
        raise ValueError("; ".join(wrong))
    return found


def complaints(lines: Mapping[str, str] | None, fields: Iterable[str]) -> list[str]:
    """What is wrong with the declaration of a model that has these fields; nothing when it is whole."""
    if lines is None:
        return ["declares no DATA"]
    try:
        found = read(lines)
    except ValueError as error:
        return [str(error)]
    there = set(fields)
    return [f"{name} has no class" for name in sorted(there - found.keys())] + [
        f"{name} is no field" for name in sorted(found.keys() - there)
    ]
