"""Who is at their limit of an hour, as a lead sees it? People who can decide no more for now, and what was opened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moderation.decisions import caps
from moderation.decisions.models import CapOpening
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy.actions import open_values

KINDS = {"ban": ("ban", "bans"), "suspend": ("suspension", "suspensions")}
USUAL = 10


def counted(number: int, outcome: str) -> str:
    """The word for so many decisions of a kind: ban, bans."""
    return KINDS[outcome][number != 1]


def to_open(user: User, *, now: datetime) -> list[caps.AtCap]:
    """People at their limit whom this person may let go on; none for who is no lead."""
    if not user.may(Permission.CAP_OPEN):
        return []
    return [one for one in caps.at_their_cap(now) if caps.why_not_open(one.person, by=user) is None]


def page(user: User, *, now: datetime) -> dict[str, Any]:
    """What the approvals page shows of limits: nothing to who may not open them."""
    if not user.may(Permission.CAP_OPEN):
        return {"at_cap": [], "openings": []}
    standing = caps.in_force(now)
    texts = open_values(opening.reason for opening, _ in standing)
    return {
        "at_cap": [
            {
                "person": one.person,
                "outcome": one.outcome,
                "kind": counted(one.made, one.outcome),
                "kinds": KINDS[one.outcome][1],
                "made": one.made,
                "free_at": one.free_at,
                "why_not": caps.why_not_open(one.person, by=user),
            }
            for one in caps.at_their_cap(now)
        ],
        "openings": [
            {
                "person": opening.person,
                "by": opening.opened_by,
                "kind": counted(opening.number, opening.outcome),
                "left": left,
                "number": opening.number,
                "until": opening.until,
                "reason": texts.get(opening.reason, ""),
            }
            for opening, left in standing
        ],
        "hours": caps.HOURS,
        "most": CapOpening.MOST,
        "usual": USUAL,
    }


def number_of(text: str) -> int:
    """A number typed into the form; 0, which no limit accepts, where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
