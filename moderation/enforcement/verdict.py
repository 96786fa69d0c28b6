"""What becomes of an action after a call, or after a worker was lost over it?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.audit.events import Event

from . import schedule
from .call import Answer, Meaning


@dataclass(frozen=True)
class Verdict:
    """The next state, the attempt's outcome, the event that says so; when to try again; what a person must be told."""

    to: str
    outcome: str
    event: Event
    next_try: datetime | None = None
    finding: str = ""
    final: bool = False
    because: str = ""  # why it is given up, where the answer alone does not say so


_SETTLED = {
    Meaning.APPLIED: Verdict("applied", "applied", Event.ENFORCEMENT_APPLIED, final=True),
    Meaning.GONE: Verdict("moot", "gone", Event.ENFORCEMENT_MOOT, final=True),
    Meaning.NEVER: Verdict("stopped", "never", Event.ENFORCEMENT_STOPPED, finding="stopped"),
    Meaning.UNSURE: Verdict("unsure", "unsure", Event.ENFORCEMENT_UNSURE, finding="unsure"),
}


def after_answer(
    answer: Answer, *, attempt: int, since: datetime, now: datetime, draw: float, makes_way: bool = False
) -> Verdict:
    """What an answer makes of the action. `since`: from when the time to give up counts."""
    if settled := _SETTLED.get(answer.meaning):
        return settled
    if answer.meaning == Meaning.PAUSE:  # nobody else tries until it is resumed, then at once
        return Verdict("retrying", "later", Event.ENFORCEMENT_RETRYING, next_try=now)
    patience = schedule.MAKES_WAY if makes_way else schedule.GIVE_UP
    again = schedule.next_try(attempt, first_sent_at=since, now=now, draw=draw, wait=answer.wait, patience=patience)
    if again is None:
        because = "given up, since other actions wait behind it: " if makes_way else "given up after 23 hours: "
        return Verdict("stopped", "later", Event.ENFORCEMENT_STOPPED, finding="stopped", because=because)
    return Verdict("retrying", "later", Event.ENFORCEMENT_RETRYING, next_try=again)


def after_loss(lost: int, *, now: datetime) -> Verdict:
    """What a lease that ran out makes of the action; `lost` counts this one."""
    if lost >= schedule.LOST_LEASES:
        return Verdict("stopped", "lost", Event.ENFORCEMENT_STOPPED, finding="stopped")
    return Verdict("retrying", "lost", Event.ENFORCEMENT_RETRYING, next_try=now)
