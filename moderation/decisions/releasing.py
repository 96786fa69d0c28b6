"""When does a decision take effect? After its undo window, or at once; then it orders what a backend must do."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from moderation.enforcement import actions as enforcement
from moderation.enforcement.models import Enforcement
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused
from risk.intake import actions as intake

from . import telling
from .effects import OUTCOMES
from .models import Decision
from .refusals import STANDS

log = logging.getLogger(__name__)
PROMPT_LANES = ("minors", "safety")  # where somebody may be in danger, no effect is delayed
PARTS = ("account", "case", "policy", "reason_code", "reverses")


def move(decision: Decision, to: str, **fields: Any) -> None:
    """Move the decision, or raise `Refused` with its current state: somebody else was first."""
    if not Decision.objects.move(decision, to, **fields):
        current = Decision.objects.filter(pk=decision.pk).values_list("status", flat=True).get()
        raise Refused(f"Somebody else was first: this decision is {current} now. {STANDS[current]}", state=current)
    decision.status = to
    for name, value in fields.items():
        setattr(decision, name, value)


def names(decision: Decision) -> list[str]:
    """What else an event about this decision is about: its case, its account, its policy."""
    policy = [decision.policy] if decision.policy else []
    return [f"case:{decision.case_id}", f"account:{decision.account_id}", *(one.audit_name for one in policy)]


@transaction.atomic(savepoint=False)
def release(decision: Decision, *, by: User, now: datetime) -> list[Enforcement]:
    """Put a held decision in force: its effect is ordered, its standing written down. Returns what was ordered."""
    untold = "" if decision.reverses else telling.why_untold(decision)
    move(decision, Decision.Status.RELEASED, released_at=now, untold="" if untold == telling.BY_NATURE else untold)
    facts = {"outcome": decision.outcome} | ({"untold": decision.untold} if decision.untold else {})
    audit.record(Event.DECISION_RELEASED, by=by, of=decision, also=names(decision), now=now, **facts)
    if decision.reverses:
        ordered = _lift(decision, by=by, now=now)
    else:
        ordered = _apply(decision, by=by, now=now, tell=not untold)
    decision.__dict__["ordered"] = ordered  # whoever answers with it need not ask again
    return ordered


def release_due(*, now: datetime, limit: int = 200) -> int:
    """Release what is held and whose undo window is over, each in its own transaction; returns how many."""
    due = list(Decision.objects.due(now).order_by("release_at").values_list("pk", flat=True)[:limit])
    if not due:
        return 0
    system = User.objects.service("system")
    released = 0
    for pk in due:
        try:
            with transaction.atomic():
                held = Decision.objects.due(now).filter(pk=pk).select_for_update(skip_locked=True, of=("self",))
                if decision := held.select_related(*PARTS).first():
                    release(decision, by=system, now=now)
                    released += 1
        except Exception:  # one decision that cannot be released must not keep the others back; it is tried again
            log.exception("decision %s could not be released", pk)
    return released


def _apply(decision: Decision, *, by: User, now: datetime, tell: bool) -> list[Enforcement]:
    effect = OUTCOMES[decision.outcome]
    if not effect.sends:
        return []
    policy = decision.policy.code if decision.policy else ""
    ordered = enforcement.order(
        decision_id=decision.pk, account=decision.account, kind=effect.sends, by=by, now=now, until=decision.until,
        scope=decision.scope, policy=policy, reason_code=decision.reason_code.code, also=names(decision),
        delay=_delay(decision, now=now),
    )  # fmt: skip
    if tell:
        telling.tell_of(decision, ordered, by=by, now=now)
    intake.record_standing(
        decision.account, decision_id=decision.pk, risk_type=decision.risk_type, policy=policy,
        outcome=decision.outcome, at=now, until=decision.until, by=by,
        strikes=decision.policy.strikes if decision.policy and effect.strikes else 0,
    )  # fmt: skip
    return [ordered]


def _delay(decision: Decision, *, now: datetime) -> timedelta:
    """How long the effect waits, so that its time does not tell what triggered it; drawn where nobody can guess it."""
    policy = decision.policy
    if policy is None or OUTCOMES[decision.outcome].urgent or decision.case.lane in PROMPT_LANES:
        return timedelta()
    most = timedelta(minutes=policy.delay_minutes_max)
    if decision.until is not None:
        most = min(most, (decision.until - now) / 10)
    return timedelta(seconds=secrets.randbelow(max(0, int(most.total_seconds())) + 1))


def _lift(decision: Decision, *, by: User, now: datetime) -> list[Enforcement]:
    """Undo what a decision did: its measure, unless that ended by itself, and its strikes."""
    assert decision.reverses_id is not None
    first = Decision.objects.select_related(*PARTS).get(pk=decision.reverses_id)
    effect = OUTCOMES[first.outcome]
    ordered = []
    parent = Enforcement.objects.filter(decision=first, kind=effect.sends).first() if effect.sends else None
    if effect.reversal and (first.until is None or first.until > now):
        ordered.append(
            enforcement.order(
                decision_id=decision.pk, account=first.account, kind=effect.reversal, by=by, now=now, scope=first.scope,
                policy=first.policy.code if first.policy else "", reason_code=decision.reason_code.code, parent=parent,
                also=names(decision),
            )
        )  # fmt: skip
    elif parent is not None:
        enforcement.call_back(parent, by=by, now=now)
    telling.correct(decision, first, ordered[0] if ordered else None, by=by, now=now)
    if effect.sends:
        intake.lift_standing(first.pk, by=by, now=now)
    move(first, Decision.Status.REVERSED, ended_at=now)
    audit.record(
        Event.DECISION_REVERSED,
        by=by,
        of=first,
        also=[*names(first), decision],
        now=now,
        reason_code=decision.reason_code.code,
    )
    return ordered
