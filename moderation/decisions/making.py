"""How is a decision written down? One row, its evidence and its event, for a person or for the system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moderation.cases import actions as cases
from moderation.cases.models import Case, Workflow
from moderation.cases.moving import keep_text
from moderation.enforcement.connector import able_on
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused
from portal.sql import ask, columns, insert, load
from risk.scoring.models import Score
from risk.strategy import reading as features
from risk.strategy.models import Strategy

from . import approval, refusals
from .ladder import ON_LADDER, Rung, proposed
from .models import Decision, Policy, ReasonCode
from .releasing import names
from .word import Word

_STRIKES = "SELECT strikes FROM risk_standing WHERE account_id = %s AND lifted_at IS NULL AND strikes_until > %s"

# Three rows in one round: every decision asks for them.
_NAMED = f"""
SELECT {columns(ReasonCode, "r")}, {columns(Workflow, "w")}, {columns(Policy, "p")}
  FROM (SELECT %s AS reason, %s AS risk_type, %s AS policy) AS word
  LEFT JOIN moderation_reasoncode r ON r.code = word.reason
  LEFT JOIN moderation_workflow w ON w.risk_type = COALESCE(NULLIF(r.workflow, 'any'), word.risk_type)
  LEFT JOIN moderation_policy p ON p.in_force AND p.code = COALESCE(NULLIF(word.policy, ''), r.policy)
"""


@dataclass(frozen=True)
class Settled:
    """What the settings make of a word: the rows it names, and whether somebody must agree."""

    workflow: Workflow | None
    reason: ReasonCode
    policy: Policy | None
    needs_approval: bool
    approval_why: str
    claimed_at: datetime | None = None  # read before the case moves: handling time runs from here

    @property
    def risk_type(self) -> str:
        """The risk type it was decided as."""
        return self.workflow.risk_type if self.workflow else ""

    def pending(self, word: Word, *, now: datetime) -> dict[str, Any] | None:
        """How the case waits after this outcome, or None where it is then decided."""
        told = (self.workflow.pending if self.workflow else {}).get(word.outcome)
        if not told:
            return None
        return {
            "pending_until": word.until or now + timedelta(days=told["days"]),
            "pending_default": told["on_timeout"].split(",")[0],
            "pending_for": f"Answer to {word.outcome.replace('_', ' ')}",
        }


def settle(case: Case, word: Word, *, now: datetime) -> Settled:
    """Look up what a word names and check that it fits. Raises `Refused` (400) with the sentence where it does not."""
    reason, workflow, policy = _named(word, risk_type=case.risk_type)
    risk_type = reason.workflow if reason and reason.workflow != "any" else case.risk_type
    open_types = {case.risk_type} if risk_type == case.risk_type else types_of(case)
    if sentence := refusals.fits(word, workflow=workflow, reason=reason, policy=policy, open_types=open_types):
        raise Refused(sentence, status=400)
    platform = case.account.platform
    if sentence := refusals.beyond(word, platform=platform, able=able_on(platform)):
        raise Refused(sentence, status=400)
    assert reason is not None
    if sentence := refusals.too_long(word, workflow=workflow, now=now):
        raise Refused(sentence, status=400)
    rung = None
    if word.outcome in ON_LADDER and not word.note.strip() and workflow and policy:
        rung = rung_for(case, policy=policy, workflow=workflow, now=now)
    if sentence := refusals.silence_unexplained(word) or refusals.note_missing(
        word, reason=reason, shown=case.shown, rung=rung, now=now
    ):
        raise Refused(sentence, status=400)
    needs, why = _second_person(case, word, workflow, now=now)
    return Settled(workflow, reason, policy, needs, why, case.claimed_at)


def _named(word: Word, *, risk_type: str) -> tuple[ReasonCode | None, Workflow | None, Policy | None]:
    """The settings a word names, each decision anew: who changes them changes the next decision."""
    [found] = ask(_NAMED, [word.reason_code, risk_type, word.policy])
    ends = [len(ReasonCode._meta.concrete_fields), -len(Policy._meta.concrete_fields)]
    reason, workflow, policy = found[: ends[0]], found[ends[0] : ends[1]], found[ends[1] :]
    return load(ReasonCode, reason), load(Workflow, workflow), load(Policy, policy)


def types_of(case: Case) -> set[str]:
    """The risk types a case is about: its own, and those of the account's other open scores in its lane. Empty: any."""
    if not case.risk_type:
        return set()
    scores = Score.objects.filter(account=case.account_id, latest=True, opens=True)
    in_lane = Strategy.objects.filter(lane=case.lane, risk_type__in=scores.values("risk_type"))
    return {case.risk_type, *in_lane.values_list("risk_type", flat=True)}


def strikes_of(case: Case, *, now: datetime) -> int:
    """Strikes in force on the account of a case."""
    return sum(strikes for (strikes,) in ask(_STRIKES, [case.account_id, now]))


def rung_for(case: Case, *, policy: Policy, workflow: Workflow, now: datetime) -> Rung | None:
    """The rung of the ladder for a breach of this policy now."""
    return (
        proposed(strikes=strikes_of(case, now=now), weight=policy.strikes, allowed=workflow.outcomes)
        if policy.strikes
        else None
    )


def write(
    case: Case,
    word: Word,
    settled: Settled,
    *,
    by: User,
    now: datetime,
    version: int,
    request_key: str,
    undo_seconds: int,
) -> Decision:
    """Freeze the evidence and write the decision, proposed or held. The case has moved already: that is the lock."""
    frozen = cases.freeze(case, by=by, now=now, pointed=word.evidence)
    note, commitment = keep_text(case, "decision.note", word.note.strip()) if word.note.strip() else (None, "")
    proposed = settled.needs_approval
    decision = Decision(
        case=case, account=case.account, queue=case.queue, risk_type=settled.risk_type, outcome=word.outcome,
        status=Decision.Status.PROPOSED if proposed else Decision.Status.HELD, reason_code=settled.reason,
        policy=settled.policy, note=note, answers=word.answers, scope=word.scope, until=word.until,
        notify=word.notify, untold="", label=settled.reason.label,
        shown=case.shown, evidence=frozen, made_by=by, made_at=now,
        claimed_at=settled.claimed_at, request_key=request_key,
        fingerprint=word.fingerprint(case=case.pk, version=version), needs_approval=proposed,
        approval_why=settled.approval_why, release_at=None if proposed else now + timedelta(seconds=undo_seconds),
    )  # fmt: skip
    insert(decision)
    facts = {
        "outcome": word.outcome, "reason_code": settled.reason.code, "scope": word.scope, "shown": case.shown,
        "policy": settled.policy.code if settled.policy else "", "until": _iso(word.until), "commitment": commitment,
        "evidence": bytes(frozen.digest).hex(), "release_at": _iso(decision.release_at),
        "approval": settled.approval_why,
    }  # fmt: skip
    if not word.notify:
        facts["notify"] = "no"
    event = Event.DECISION_PROPOSED if proposed else Event.DECISION_HELD
    audit.record(event, by=by, of=decision, also=[*names(decision), frozen], now=now, **facts)
    return decision


def as_draft(decision: Decision) -> dict[str, object]:
    """What was decided, as the form's draft: for who takes it up again."""
    return {
        "outcome": decision.outcome,
        "reason_code": decision.reason_code.code,
        "policy": decision.policy.code if decision.policy else "",
        "scope": decision.scope,
        "notify": decision.notify,
        "until": _iso(decision.until),
        "answers": decision.answers,
    }


def _iso(time: datetime | None) -> str:
    return time.isoformat() if time else ""


def _second_person(case: Case, word: Word, workflow: Workflow | None, *, now: datetime) -> tuple[bool, str]:
    if workflow is None:
        return False, ""
    values: dict[str, object] = dict(case.score.snapshot) if case.score else {}
    if approval.asks(workflow.approval, word.outcome):
        values |= features.compute([case.account_id], as_of=now).get(case.account_id, {})
        values["until_days"] = round((word.until - now) / timedelta(days=1), 1) if word.until else None
    return approval.needs_second_person(workflow.approval, word.outcome, values)
