"""Why not? One sentence why a group decision cannot be proposed, agreed to, let go on, stopped or undone, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.people.permissions import Permission

if TYPE_CHECKING:
    from datetime import datetime

    from portal.people.models import User

    from .models import Bulk

STANDS = {
    "proposed": "It still waits for a second person.",
    "running": "It is running.",
    "paused": "It is paused.",
    "stopped": "It is stopped.",
    "done": "It is done.",
    "undoing": "It is being undone.",
    "undone": "It was undone.",
    "declined": "It was declined.",
    "withdrawn": "It was withdrawn.",
}
LEADS = "Group decisions are for team leads."


def preview(*, by: User, asked: int, most: int) -> str | None:
    """Why this person cannot look at what a group decision would do."""
    if not by.may(Permission.DECISION_BULK):
        return LEADS
    if asked > most:
        return f"A group decision is of at most {most:,} accounts; these are {asked:,}."
    return None


def too_few(*, known: int, least: int) -> str | None:
    """Why so few are no group. Of one account, who is left out could tell of a hold or of a case about a minor."""
    if known < least:
        return f"A group is of {least:,} accounts or more; these are {known:,} that we know. Decide on them one by one."
    return None


def propose(*, accounts: int, typed: int) -> str | None:
    """Why it cannot be proposed. `accounts`: how many are left of those asked for; `typed`: what somebody typed."""
    if accounts == 0:
        return "Nobody is left to decide on: every account is left out."
    if typed != accounts:
        return f"This would decide on {accounts:,} accounts, and you typed {typed:,}. Look again and type the number."
    return None


def approve(bulk: Bulk, *, by: User, now: datetime) -> str | None:
    """Why this person may not give the second word."""
    if not by.may(Permission.DECISION_BULK):
        return LEADS
    if bulk.made_by_id == by.pk:
        return "You cannot approve your own group decision."
    if bulk.status != bulk.Status.PROPOSED:
        return f"There is nothing to agree to. {STANDS[bulk.status]}"
    if bulk.until is not None and bulk.until <= now:
        return "The end that was proposed has passed by now. Decline it, so that it can be proposed anew."
    return None


def decline(bulk: Bulk, *, by: User) -> str | None:
    """Why this person may not say no to it, or who proposed it take it back."""
    if not by.may(Permission.DECISION_BULK):
        return LEADS
    if bulk.status != bulk.Status.PROPOSED:
        return f"There is nothing to decline. {STANDS[bulk.status]}"
    return None


def go_on(bulk: Bulk, *, by: User) -> str | None:
    """Why this person cannot let it go on."""
    if not by.may(Permission.DECISION_BULK):
        return LEADS
    if bulk.status not in (bulk.Status.PAUSED, bulk.Status.STOPPED):
        return f"Only what is paused or stopped goes on. {STANDS[bulk.status]}"
    return None


def stop(bulk: Bulk, *, by: User) -> str | None:
    """Why this person cannot stop it. Stopping is safe, so every lead may."""
    if not by.may(Permission.DECISION_BULK):
        return LEADS
    if bulk.status not in (bulk.Status.RUNNING, bulk.Status.PAUSED):
        return f"There is nothing to stop. {STANDS[bulk.status]}"
    return None


def undo(bulk: Bulk, *, by: User) -> str | None:
    """Why this person cannot undo the whole."""
    if not by.may(Permission.DECISION_BULK) or not by.may(Permission.DECISION_REVERSE):
        return LEADS
    if bulk.status == bulk.Status.RUNNING:
        return "It is running: stop it first."
    if bulk.status not in (bulk.Status.PAUSED, bulk.Status.STOPPED, bulk.Status.DONE):
        return f"There is nothing to undo. {STANDS[bulk.status]}"
    return None
