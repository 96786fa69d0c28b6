"""Why not? A sentence why somebody may not do something with a case, or None: buttons show it, actions raise it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from portal.people.permissions import Permission

if TYPE_CHECKING:
    from portal.people.models import User

    from .models import Case

LONGEST_WAIT = timedelta(days=90)
CLAIMABLE = ("waiting", "pending")
WHY_CLOSED = {
    "claimed": "Somebody else is working on this case.",
    "proposed": "This case waits for a second person's word; it can be claimed when that is given.",
    "decided": "This case is decided. To change it, a lead reverses the decision.",
    "withdrawn": "This case was withdrawn by the system; there is nothing left to decide.",
    "handed_off": "This case was handed off to child safety and is sealed.",
}


def claim(
    case: Case,
    *,
    by: User,
    now: datetime | None = None,
    held: Sequence[int] = (),
    at_once: int = 1,
    unread: str = "",
    limits: bool = True,
) -> str | None:
    """Why this person may not take this case. `held`: the cases they hold; `unread`: a changed policy not yet read."""
    if not by.may(Permission.CASE_CLAIM) or not case.queue.is_worked_by(by):
        return f"Cases of {case.queue.title} are worked by the role {case.queue.role}; your roles do not include it."
    if case.status == "claimed" and case.claimed_by_id == by.pk:
        return "You hold this case already."
    if case.status not in CLAIMABLE:
        return WHY_CLOSED[case.status]
    if not limits:
        return None
    if by.duty != by.Duty.ON_DUTY:
        return f"Your status is “{by.duty}”; cases are handed out only on duty. Change it in your profile."
    if unread:
        return f"Policy {unread} has changed. Read it once on your desk, then claim again."
    if len(held) >= at_once:
        return f"You hold case {held[0]}. Decide it, pass it on or release it, then claim the next."
    return None


def work(case: Case, *, by: User) -> str | None:
    """Why this person may not work on this case now: it must be their own claim."""
    if case.status != "claimed":
        return f"This case is {case.get_status_display().lower()}; claim it before you work on it."
    if case.claimed_by_id != by.pk:
        return "Somebody else is working on this case; your claim is over. What you typed is kept as a draft."
    return None


def extend(case: Case, *, by: User, now: datetime) -> str | None:
    """Why a claim cannot be held for longer."""
    if reason := work(case, by=by):
        return reason
    if case.claimed_at is not None and now >= case.claimed_at + timedelta(minutes=case.queue.max_hold_minutes):
        return (
            f"A case of this queue is held for at most {case.queue.max_hold_minutes} minutes. "
            "Decide it, or release it with your draft."
        )
    return None


def with_reason(case: Case, *, by: User, reason: str) -> str | None:
    """Why a case cannot be skipped or escalated: it must be theirs, and there must be a reason."""
    if refused := work(case, by=by):
        return refused
    return None if reason.strip() else "Say why in a few words; the next person reads it."


def wait(case: Case, *, by: User, now: datetime, waiting_for: str, until: datetime) -> str | None:
    """Why a case cannot wait for somebody outside."""
    if refused := work(case, by=by):
        return refused
    if not waiting_for.strip():
        return "Say whom or what this case waits for."
    if not now < until <= now + LONGEST_WAIT:
        return f"A case waits until a day in the next {LONGEST_WAIT.days} days."
    return None


def reassign(case: Case, *, to: User | None, by: User) -> str | None:
    """Why a lead cannot give this case to this person."""
    if not by.may(Permission.CASE_REASSIGN) or case.lane not in by.lanes:
        return "Giving a case to somebody else is for team leads."
    if case.status not in ("waiting", "claimed"):
        return WHY_CLOSED.get(case.status, f"This case is {case.get_status_display().lower()}.")
    if to is None:
        return None if case.status == "claimed" else "Nobody holds this case."
    if not case.queue.is_worked_by(to):
        return f"{to} does not work the queue {case.queue.title}."
    return f"{to} holds this case already." if case.claimed_by_id == to.pk else None


def annotate(case: Case, *, by: User, text: str) -> str | None:
    """Why a remark cannot be written on this case."""
    if case.lane not in by.lanes or not by.may(Permission.CASE_CLAIM):
        return "Remarks are written by people who work cases of this lane."
    if case.status == "handed_off":
        return WHY_CLOSED["handed_off"]
    return None if text.strip() else "There is no text to keep."
