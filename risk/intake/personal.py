"""What of a signal is personal?

Pure: parts what may stand in a row from what goes to the vault, and derives what rules need.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

IDENTITY, CONTENT, THIRD_PARTY = "identity", "content", "third_party"  # the vault's classes
MAX_CODE = 128
# Kinds whose texts were written by somebody else about the account.
BY_OTHERS = frozenset(
    {"user_report", "age_report", "legal_notice", "trusted_notice", "authority_order", "block", "live_report"}
)
PEOPLE = frozenset({"reporter", "target"})  # whatever the kind
KEPT = frozenset({"int", "decimal", "bool", "time", "account"})
_NO_CODE = re.compile(r"[\x00-\x1f\x7f-\x9f@]|\s\s")
_LINK = re.compile(r"https?://|www\.|\b[a-z0-9-]{2,}\.(com|net|org|io|me|example)\b", re.IGNORECASE)
_UPPER, _LOWER, _DIGIT = re.compile("[A-Z]"), re.compile("[a-z]"), re.compile("[0-9]")

Digest = Callable[[str, str], bytes]  # kind, value → keyed hash


@dataclass(slots=True)
class Secret:
    """A value on its way to the vault: where its reference will stand, its name there, the class of the value."""

    place: dict[str, Any]
    key: str
    name: str
    value: str
    data_class: str
    more: dict[str, Any] = field(default_factory=dict)  # what stands beside the reference


@dataclass(slots=True)
class Parted:
    """What remains of some fields once personal values are taken out; the references are filled in later."""

    plain: dict[str, Any] = field(default_factory=dict)
    secrets: list[Secret] = field(default_factory=list)

    def hide(self, key: str, name: str, value: str, data_class: str, **more: Any) -> None:
        """Take a value out; its reference will stand in its place."""
        self.plain[key] = None
        self.secrets.append(Secret(self.plain, key, name, value, data_class, more))


def part_attributes(
    told: Mapping[str, Any],
    *,
    at: datetime,
    known: Mapping[str, str],
    pushed: Mapping[str, str],
    identity: frozenset[str],
) -> Parted:
    """The attributes of an account.

    Known ones plain, texts and identity hidden, unknown numbers with the time they were told.
    """
    parted = Parted()
    for key, value in {**derived(told, at=at), **told}.items():
        kind = known.get(key) or pushed.get(key)
        if kind == "text" or key == "birth_date":
            parted.hide(
                key, f"account.{key}", str(value), IDENTITY if key in identity or key == "birth_date" else CONTENT
            )
        elif isinstance(value, str) and (kind is None or (kind == "code" and not _is_code(value))):
            parted.hide(key, f"attribute.{key}"[:64], value, CONTENT)
        elif isinstance(value, dict | list):
            parted.hide(key, f"attribute.{key}"[:64], json.dumps(value, ensure_ascii=False), CONTENT)
        elif kind == "date":
            parted.plain[key] = date.fromisoformat(value[:10]).isoformat()
        else:
            parted.plain[key] = value if key in known else {"value": value, "at": at.isoformat()}
    return parted


def part_data(
    kind: str, data: Mapping[str, Any], fields: Mapping[str, str], *, digest: Digest, crawler: Callable[[str], bool]
) -> Parted:
    """The data of a signal: numbers and codes plain, people as keyed hashes, everything somebody wrote hidden."""
    parted = Parted()
    data_class = THIRD_PARTY if kind in BY_OTHERS else CONTENT
    for key, value in data.items():
        what = fields.get(key)
        if isinstance(value, str) and (what == "person" or (what is None and key in PEOPLE)):
            parted.plain[key] = {"person": digest("person", value).hex()}
        elif what == "agent" and isinstance(value, str):
            parted.hide(key, f"signal.{key}"[:64], value, CONTENT, crawler=crawler(value))
        elif (
            what in KEPT
            or isinstance(value, bool | int | float)
            or (what is not None and "|" in what)
            or (what == "code" and _is_code(value))
        ):
            parted.plain[key] = value
        elif (
            what == "codes"
            and isinstance(value, list)
            and all(isinstance(item, str) and _is_code(item) for item in value)
        ):
            parted.plain[key] = [item.lower() for item in value]
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            parted.hide(key, f"signal.{key}"[:64], text, data_class)
    return parted


def derived(told: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """What rules need of a text without the text: lengths, digits, entropy, shape, link, mail host, declared age."""
    out: dict[str, Any] = {}
    handle, name, bio = (_str(told, key) for key in ("handle", "display_name", "bio"))
    if handle is not None:
        out["handle_length"] = len(handle)
        out["handle_digits"] = len(_DIGIT.findall(handle))
        out["handle_entropy_bits"] = entropy(handle)
        out["handle_shape"] = _UPPER.sub("A", _LOWER.sub("a", _DIGIT.sub("9", handle)))[:64]
    if name is not None:
        out["display_name_length"] = len(name)
    if bio is not None:
        out["bio_length"] = len(bio)
        out["bio_has_link"] = bool(_LINK.search(bio[:4096]))
    if (mail := _str(told, "email")) is not None and "@" in mail:
        out["email_domain"] = mail.rpartition("@")[2].strip().lower().rstrip(".")[:253]
    if (born := _str(told, "birth_date")) is not None:
        out["declared_age"] = age(date.fromisoformat(born[:10]), at.date())
    return out


def age(born: date, on: date) -> int:
    """Whole years on a day."""
    return max(0, on.year - born.year - ((on.month, on.day) < (born.month, born.day)))


def entropy(text: str) -> float:
    """Shannon entropy in bits per character, to four places."""
    if not text:
        return 0.0
    return round(-sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()), 4) + 0.0


def _is_code(value: Any) -> bool:
    """A short reference, not somebody's text: no control characters, no mail address, at most 128 characters."""
    return isinstance(value, str) and len(value) <= MAX_CODE and not _NO_CODE.search(value)


def _str(told: Mapping[str, Any], key: str) -> str | None:
    value = told.get(key)
    return value if isinstance(value, str) and value else None
