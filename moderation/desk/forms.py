"""Is what a reviewer filled in well formed? The decide panel, read without writing; the house says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from portal.refusal import Refused

LONGEST = 10_000
STALE = timedelta(hours=12)
UNTIL_DAYS = (3, 7, 30)


@dataclass(frozen=True)
class Said:
    """What stood in the decide panel when it was sent."""

    outcome: str
    reason_code: str
    policy: str
    note: str
    answers: dict[str, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    until: datetime | None = None
    scope: str = ""
    notify: bool = True
    version: int = 0
    request_key: str = ""


def read(data: Mapping[str, Any], *, now: datetime, evidence: list[str], takes_until: bool, takes_scope: bool) -> Said:
    """Read the panel; what an outcome does not take is left out, so that a preset for another one does no harm."""
    version, key = str(data.get("version", "")), str(data.get("request_key", ""))
    if not version.isdecimal() or not 8 <= len(key) <= 128:
        raise Refused("This form is not complete; load the case again and send it once more.", status=400)
    if not data.get("outcome") or not data.get("reason_code"):
        missing = "an outcome" if not data.get("outcome") else "a reason"
        raise Refused(f"Choose {missing}; nothing was sent.", status=400)
    return Said(
        outcome=str(data["outcome"]),
        reason_code=str(data["reason_code"]),
        policy=str(data.get("policy", "")),
        note=str(data.get("note", ""))[:LONGEST],
        answers=answers_in(data),
        evidence=tuple(evidence[:50]),
        until=until_in(data, now=now) if takes_until else None,
        scope=str(data.get("scope", "")) if takes_scope else "",
        notify=not data.get("silent"),
        version=int(version),
        request_key=key,
    )


def answers_in(data: Mapping[str, Any]) -> dict[str, str]:
    """The answers to the workflow's questions, by the question's id; unanswered ones are left out."""
    return {
        name.removeprefix("ask_")[:16]: str(value)[:200]
        for name, value in data.items()
        if name.startswith("ask_") and value
    }


def until_in(data: Mapping[str, Any], *, now: datetime) -> datetime | None:
    """The end of a measure: a day of one's own, else some days from when the page was made.

    From then and not from now, so that a second click says exactly the same.
    """
    own = parse_date(str(data.get("until_date", ""))) if data.get("until_date") else None
    if own is not None:
        return end_of(own)
    days = str(data.get("until_days", ""))
    if not days.isdecimal() or not 0 < int(days) <= 3650:
        return None
    try:
        began = parse_datetime(str(data.get("made_at", "")))
    except ValueError:
        began = None
    if began is None or timezone.is_naive(began) or not now - STALE <= began <= now:
        began = now
    return began + timedelta(days=int(days))


def end_of(day: date) -> datetime:
    """The last moment of a day, where we are."""
    return timezone.make_aware(datetime.combine(day, time(23, 59)))


def draft_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping of a panel not yet sent."""
    kept: dict[str, Any] = {
        name: str(data[name])[:200]
        for name in ("outcome", "reason_code", "policy", "until_days", "until_date", "scope", "silent")
        if data.get(name)
    }
    if answers := answers_in(data):
        kept["answers"] = answers
    return kept
