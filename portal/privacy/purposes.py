"""Why does somebody want to see a personal value, and why may they not? Pure: reasons by code, the limit, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .classes import Purpose

HANDED_WITHIN = timedelta(minutes=2)  # from asking to being handed the value


@dataclass(frozen=True)
class Reason:
    """One reason to look: its words on the form, what the value is then used for, whether it must be told in words."""

    words: str
    purpose: Purpose
    told: bool = False


REASONS: dict[str, Reason] = {
    "decide": Reason("To decide this case", Purpose.MODERATION),
    "tell_apart": Reason("To tell two people or accounts apart", Purpose.MODERATION),
    "check": Reason("To check a decision", Purpose.AUDIT),
    "person_asks": Reason("The person asks about their own data", Purpose.LEGAL, told=True),
    "authority": Reason("An authority asks, with a legal ground", Purpose.LEGAL, told=True),
    "misuse": Reason("To look into misuse of this product", Purpose.SECURITY, told=True),
    "other": Reason("Something else", Purpose.MODERATION, told=True),
}


@dataclass(frozen=True)
class No:
    """A refusal: its code for the log, its sentence for the person, its HTTP status."""

    code: str
    sentence: str
    status: int = 409


def form(purpose: str, note: str) -> str | None:
    """What is missing on the form, or None."""
    reason = REASONS.get(purpose)
    if reason is None:
        return "Choose what you need it for; nothing was shown."
    if reason.told and len(note.strip()) < 5:
        return f"“{reason.words}” needs a few words: a reference, or what happened. Nothing was shown."
    return None


def over_the_limit(recent: list[datetime], *, now: datetime, most: int) -> No | None:
    """Why not one more: `recent` are the times of the newest reveals of this person, newest first."""
    within = [at for at in recent if at > now - timedelta(hours=1)]
    if len(within) < most:
        return None
    minutes = max(1, -int((now - within[most - 1] - timedelta(hours=1)).total_seconds() // 60))
    return No(
        "limit",
        f"You have been shown {most} values within an hour, which is the most. Nothing was shown; "
        f"the next is possible in {minutes} minute{'s' if minutes != 1 else ''}. "
        "If the work needs more, ask your lead.",
        429,
    )


ERASED = No("erased", "This value was erased. Nobody can read it any more.")
