"""Why not? One sentence why a decision cannot be made, agreed to, taken back or reversed by this person, or None."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from moderation.cases.refusals import work
from portal.people.permissions import Permission

from . import approval
from .effects import OUTCOMES
from .ladder import Rung, overrides

if TYPE_CHECKING:
    from moderation.cases.models import Case, Workflow
    from portal.people.models import User

    from .models import Decision, Policy, ReasonCode
    from .word import Word

SURE = 80  # closing without action at this score or more needs a note
STANDS = {
    "proposed": "It still waits for a second person.",
    "held": "It is not released yet; undo it instead.",
    "released": "It is in force; a lead can reverse it.",
    "undone": "It was undone.",
    "declined": "It was declined.",
    "reversed": "It was reversed.",
}


def decide(case: Case, *, by: User, version: int | None = None) -> str | None:
    """Why this person may not decide this case now: it must be their claim, as they last saw it."""
    if not by.may(Permission.DECISION_MAKE):
        return "Your roles do not decide cases."
    if reason := work(case, by=by):
        return reason
    if version is not None and version != case.version:
        return (
            f"This case has changed since you opened it (it is at version {case.version}, you saw {version}). "
            "What you typed is kept; look again and send it once more."
        )
    return None


def fits(
    word: Word,
    *,
    workflow: Workflow | None,
    reason: ReasonCode | None,
    policy: Policy | None,
    open_types: Collection[str],
) -> str | None:
    """Why what was said does not fit the case's workflow. `open_types`: the risk types this case is about."""
    if reason is None:
        return f"There is no reason code “{word.reason_code}”."
    if reason.workflow != "any" and open_types and reason.workflow not in open_types:
        kind = reason.workflow.replace("_", " ")
        return f"The reason “{reason.text}” belongs to {kind}, and this case is not about that."
    if workflow is None:
        return (
            None
            if word.outcome == "no_action"
            else "This case has no risk type: choose a reason of the workflow it should follow."
        )
    if word.outcome not in workflow.outcomes:
        kind, outcomes = workflow.risk_type.replace("_", " "), ", ".join(workflow.outcomes)
        return f"“{OUTCOMES[word.outcome].says}” is no outcome of {kind}; there are: {outcomes}."
    if word.policy and policy is None:
        return f"There is no policy {word.policy} in force."
    if word.policy and reason.policy and word.policy != reason.policy and word.outcome != "no_action":
        return f"The reason “{reason.text}” stands for {reason.policy}; choose that policy or another reason."
    if policy is None and word.outcome != "no_action":
        return f"The reason “{reason.text}” implies no policy: name the one that was broken."
    return None


def beyond(word: Word, *, platform: str, able: Collection[str] | None) -> str | None:
    """Why this cannot be done where the account is. `able`: the kinds its backend knows, None where there is none."""
    kind = OUTCOMES[word.outcome].sends
    if not kind or (able is not None and kind in able):
        return None
    if able is None:
        return f"No backend serves the platform {platform}, so nothing can be done there."
    possible = ", ".join(effect.says for effect in OUTCOMES.values() if effect.sends in able) or "nothing"
    return f"“{OUTCOMES[word.outcome].says}” cannot be done on {platform}. Possible there: {possible}."


def too_long(word: Word, *, workflow: Workflow | None, now: datetime) -> str | None:
    """Why a provisional measure cannot last that long: it ends when its answer is due."""
    waits = (workflow.pending if workflow else {}).get(word.outcome)
    if waits and word.until is not None and word.until > now + timedelta(days=waits["days"], hours=1):
        return f"“{OUTCOMES[word.outcome].says}” is provisional here and lasts at most {waits['days']} days."
    return None


def silence_unexplained(word: Word) -> str | None:
    """Why it must be written down why the account holder is not told, where it is not."""
    if word.notify or word.note.strip():
        return None
    return "That the account holder is not told needs a note: name the order or the law that allows it."


def note_missing(word: Word, *, reason: ReasonCode, shown: int, rung: Rung | None, now: datetime) -> str | None:
    """Why a note is needed here, where one is and none was written."""
    if word.note.strip():
        return None
    if reason.note:
        return f"The reason “{reason.text}” needs a note: say what you saw."
    if word.outcome == "no_action" and shown >= SURE:
        return f"Closing a case with a score of {shown} needs a note: say why nothing is wrong."
    if OUTCOMES[word.outcome].severe:
        says = OUTCOMES[word.outcome].says
        return f"“{says}” needs a note: say what you saw, for the person who agrees and for an appeal."
    if overrides(rung, outcome=word.outcome, until=word.until, now=now) and rung is not None:
        return f"The ladder proposes “{rung.says}”; another outcome needs a note that says why."
    return None


def agree(decision: Decision, *, by: User, now: datetime) -> str | None:
    """Why this person may not agree: as for any second word, and what is asked for must still lie ahead."""
    if reason := approve(decision, by=by):
        return reason
    if decision.until is not None and decision.until <= now:
        return "The end that was proposed has passed by now. Decline it, so that the case is looked at again."
    return None


def approve(decision: Decision, *, by: User) -> str | None:
    """Why this person may not give the second word: nobody on their own, and only who may in this lane."""
    if decision.made_by_id == by.pk:
        return "You cannot approve your own decision."
    if not by.may(Permission.DECISION_APPROVE) or decision.case.lane not in by.lanes:
        return "Your roles do not approve decisions of this lane."
    if not approval.may_give(lane=decision.case.lane, roles=by.role_names):
        return "In this lane a team lead gives the second word."
    if decision.status != decision.Status.PROPOSED:
        return f"There is nothing to agree to. {STANDS[decision.status]}"
    return None


def undo(decision: Decision, *, by: User, now: datetime) -> str | None:
    """Why this person cannot take this decision back themselves."""
    if decision.made_by_id != by.pk:
        return "Only the person who decided can undo it; a lead can reverse it once it is in force."
    if decision.reverses_id is not None:
        return "A reversal is not undone; decide the case anew."
    if decision.status == decision.Status.PROPOSED:
        return None
    if decision.status != decision.Status.HELD:
        return f"This can no longer be undone. {STANDS[decision.status]}"
    if decision.release_at is not None and decision.release_at <= now:
        return "The time to undo is over; a lead can reverse this decision."
    return None


def reverse(decision: Decision, *, by: User) -> str | None:
    """Why this person cannot reverse this decision."""
    if not by.may(Permission.DECISION_REVERSE) or decision.case.lane not in by.lanes:
        return "Reversing a decision is for team leads."
    if decision.reverses_id is not None:
        return "A reversal is not reversed; decide the case anew."
    if decision.status != decision.Status.RELEASED:
        return f"Only a decision in force can be reversed. {STANDS[decision.status]}"
    return None
