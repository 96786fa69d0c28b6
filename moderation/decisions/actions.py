"""What changes about a decision? Made, agreed to, declined, undone, reversed.

How it is written down stands in `making.py`, how it takes effect in `releasing.py`, what time does to it in
`deadlines.py`, how many one person may make in an hour in `caps.py`, policies and reason codes in `catalogue.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from moderation.cases import actions as cases
from moderation.cases.models import Case, Workflow
from moderation.cases.moving import insist, keep_text
from moderation.cases.retrying import again_after_deadlock
from moderation.enforcement.models import Enforcement
from portal import metrics
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused
from portal.sql import tell

from . import refusals
from .caps import insist_on_the_cap, open_cap
from .catalogue import acknowledge, publish_policy, ship
from .deadlines import expire_pending, expire_proposals
from .findings import close_settled, take_findings
from .making import Settled, as_draft, settle, types_of, write
from .models import Approval, Decision, ReasonCode
from .releasing import move, names, release, release_due
from .word import Word

__all__ = [
    "acknowledge",
    "approve",
    "close_settled",
    "decide",
    "decline",
    "expire_pending",
    "expire_proposals",
    "open_cap",
    "publish_policy",
    "release",
    "release_due",
    "reverse",
    "ship",
    "take_findings",
    "undo",
]

LIFTING_NEEDS_TWO = ("minors", "safety")  # elsewhere giving back is one person's act


@again_after_deadlock
def decide(
    case: Case, *, by: User, now: datetime, outcome: str, reason_code: str, version: int, request_key: str,
    policy: str = "", note: str = "", answers: dict[str, str] | None = None, evidence: Iterable[str] = (),
    until: datetime | None = None, scope: str = "", undo_seconds: int | None = None, limits: bool = True,
    second_person: str = "", notify: bool = True,
) -> Decision:  # fmt: skip
    """Conclude a case one holds: proposed where somebody must agree, else held for the undo window, then released.

    `second_person` says why somebody must agree whatever the workflow says (a decision on many accounts at once).
    The same `request_key` with the same content answers the first decision again; other content is refused (422).
    Raises `Refused`: 400 where what was said does not fit, 409 where the case is not theirs or not as they saw it.
    """
    word = Word(outcome, reason_code, policy, note, answers or {}, tuple(evidence), until, scope, notify)
    undo_for = by.undo_seconds if undo_seconds is None else undo_seconds
    stamp = word.fingerprint(case=case.pk, version=version)
    try:
        with transaction.atomic():
            return _decide(
                case, word, by=by, now=now, version=version, request_key=request_key, undo_for=undo_for, limits=limits,
                second_person=second_person,
            )  # fmt: skip
    except (IntegrityError, Refused) as error:
        # Sent again, later or at once: a case that was decided refuses, and the first result is found here.
        if first := _first_result(by, request_key, stamp):
            return first
        # What happened in between says more than what did not fit (a strike just given asks for a note).
        current = Case.objects.select_related("queue").get(pk=case.pk)
        insist(refusals.decide(current, by=by, version=version), current)
        if isinstance(error, IntegrityError):
            raise Refused(
                "Somebody else was first: this case has a decision that is not in force yet.", state=case.status
            ) from None
        raise


@again_after_deadlock
@transaction.atomic
def approve(decision: Decision, *, by: User, now: datetime, reason: str = "") -> Decision:
    """Agree to what another proposed: it takes effect at once, for two people have looked."""
    _insist(refusals.agree(decision, by=by, now=now), decision)
    move(decision, Decision.Status.HELD, approved_by=by, approved_at=now, release_at=now)
    _give_word(decision, Approval.Verdict.APPROVE, by=by, now=now, reason=reason)
    if decision.reverses_id is None:
        word = Word(decision.outcome, decision.reason_code.code, until=decision.until)
        _conclude(_fresh_case(decision), settled=_settled_again(decision), word=word, by=by, now=now)
    release(decision, by=by, now=now)
    return decision


@again_after_deadlock
@transaction.atomic
def decline(decision: Decision, *, by: User, now: datetime, reason: str) -> Decision:
    """Say no to what another proposed: the case waits again, and the author finds the proposal as a draft."""
    _insist(refusals.approve(decision, by=by), decision)
    if not reason.strip():
        raise Refused("Say why, for the person who proposed it.", status=400)
    fields: dict[str, Any] = (
        {} if decision.reverses_id is None else {"reverses": None}
    )  # so that it can be asked for again
    reverses = f"decision:{decision.reverses_id}" if decision.reverses_id else ""
    move(decision, Decision.Status.DECLINED, ended_at=now, **fields)
    _give_word(decision, Approval.Verdict.DECLINE, by=by, now=now, reason=reason, reverses=reverses)
    if not reverses:
        case = _fresh_case(decision)
        cases.reopen(case, by=by, now=now)
        cases.save_draft(case, by=decision.made_by, now=now, body=as_draft(decision), note=decision.note)
    return decision


@again_after_deadlock
@transaction.atomic
def undo(decision: Decision, *, by: User, now: datetime) -> Decision:
    """Take one's own decision back within its window, or one's own proposal: the case is theirs again, as a draft."""
    _insist(refusals.undo(decision, by=by, now=now), decision)
    move(decision, Decision.Status.UNDONE, ended_at=now)
    audit.record(Event.DECISION_UNDONE, by=by, of=decision, also=names(decision), now=now, outcome=decision.outcome)
    case = _fresh_case(decision)
    cases.reopen(case, by=by, now=now, claimer=by)
    cases.save_draft(case, by=by, now=now, body=as_draft(decision), note=decision.note)
    return decision


@again_after_deadlock
@transaction.atomic
def reverse(decision: Decision, *, by: User, now: datetime, reason_code: str, note: str = "") -> Decision:
    """A lead takes a decision in force back: what undoes it is ordered, its strikes go.

    The reversal is a decision of its own, linked to the first. In the minors and safety lanes a second person agrees
    before anything is lifted.
    """
    _insist(refusals.reverse(decision, by=by), decision)
    reason = ReasonCode.objects.filter(code=reason_code).first()
    if reason is None:
        raise Refused(f"There is no reason code “{reason_code}”.", status=400)
    if reason.workflow not in {"any", decision.risk_type, *types_of(decision.case)}:
        raise Refused(f"The reason “{reason.text}” belongs to another workflow than this decision.", status=400)
    needs_two = decision.case.lane in LIFTING_NEEDS_TWO
    kept, commitment = keep_text(decision.case, "decision.note", note.strip()) if note.strip() else (None, "")
    reversal = _reversal(decision, reason, by=by, now=now, needs_two=needs_two, note=note, kept=kept)
    try:
        with transaction.atomic():
            reversal.save(force_insert=True)
    except IntegrityError:
        raise Refused(
            "Somebody else was first: this decision is being reversed already.", state=decision.status
        ) from None
    event = Event.DECISION_PROPOSED if needs_two else Event.DECISION_HELD
    facts = {
        "outcome": "no_action",
        "reason_code": reason_code,
        "reverses": decision.audit_name,
        "commitment": commitment,
    }
    audit.record(event, by=by, of=reversal, also=[*names(decision), decision], now=now, **facts)
    if not needs_two:
        release(reversal, by=by, now=now)
        decision.refresh_from_db(fields=["status", "ended_at"])
    return reversal


def _decide(
    case: Case, word: Word, *, by: User, now: datetime, version: int, request_key: str, undo_for: int, limits: bool,
    second_person: str,
) -> Decision:  # fmt: skip
    if sentence := word.malformed(now=now):
        raise Refused(sentence, status=400)
    insist(refusals.decide(case, by=by, version=version), case)
    settled = settle(case, word, now=now)
    if second_person:
        settled = replace(settled, needs_approval=True, approval_why=second_person)
    if limits:
        insist_on_the_cap(by, word.outcome, now=now)
    undo_for = max(0, min(60, undo_for))
    with audit.together():
        _conclude(case, settled=settled, word=word, by=by, now=now, proposed=settled.needs_approval)
        decision = write(
            case, word, settled, by=by, now=now, version=version, request_key=request_key, undo_seconds=undo_for
        )
    tell("DELETE FROM moderation_draft WHERE case_id = %s AND user_id = %s", [case.pk, by.pk])
    if decision.status == Decision.Status.HELD and undo_for == 0:
        release(decision, by=by, now=now)
    transaction.on_commit(metrics.DECISIONS.labels(outcome=word.outcome).inc)
    return decision


def _reversal(
    decision: Decision, reason: ReasonCode, *, by: User, now: datetime, needs_two: bool, note: str, kept: UUID | None
) -> Decision:
    return Decision(
        case=decision.case,
        account=decision.account,
        queue=decision.queue,
        risk_type=decision.risk_type,
        outcome="no_action",
        status=Decision.Status.PROPOSED if needs_two else Decision.Status.HELD,
        reason_code=reason,
        note=kept,
        label=reason.label,
        shown=decision.shown,
        made_by=by,
        made_at=now,
        request_key=f"reversal:{decision.pk}:{now.timestamp():.0f}",
        fingerprint=Word("no_action", reason.code, note=note).fingerprint(case=decision.case_id, version=0),
        reverses=decision,
        needs_approval=needs_two,
        approval_why="Lifting a measure of this lane needs a second person." if needs_two else "",
        release_at=None if needs_two else now,
    )


def _conclude(case: Case, *, settled: Settled, word: Word, by: User, now: datetime, proposed: bool = False) -> None:
    if proposed:
        cases.conclude(case, to=Case.Status.PROPOSED, by=by, now=now)
    elif waits := settled.pending(word, now=now):
        cases.conclude(case, to=Case.Status.PENDING, by=by, now=now, **waits)
    else:
        cases.conclude(case, to=Case.Status.DECIDED, by=by, now=now)


def _first_result(by: User, request_key: str, stamp: bytes) -> Decision | None:
    first = Decision.objects.select_related("case", "account").filter(made_by=by, request_key=request_key).first()
    if first is not None and bytes(first.fingerprint) != stamp:
        raise Refused(
            "This key was used for another decision. Send a new key with a new decision.",
            state=first.status,
            status=422,
        )
    return first


def _insist(reason: str | None, decision: Decision) -> None:
    if reason:
        raise Refused(reason, state=decision.status)


def _give_word(decision: Decision, verdict: str, *, by: User, now: datetime, reason: str, reverses: str = "") -> None:
    kept, commitment = keep_text(decision.case, "approval.reason", reason.strip()) if reason.strip() else (None, "")
    Approval.objects.create(decision=decision, verdict=verdict, by=by, at=now, reason=kept)
    event = Event.APPROVAL_GIVEN if verdict == Approval.Verdict.APPROVE else Event.APPROVAL_DECLINED
    facts = {
        "outcome": decision.outcome,
        "made_by": f"user:{decision.made_by_id}",
        "commitment": commitment,
        "reverses": reverses,
    }
    audit.record(event, by=by, of=decision, also=names(decision), now=now, **facts)


def _fresh_case(decision: Decision) -> Case:
    decision.case = Case.objects.select_related("queue", "account").get(pk=decision.case_id)
    return decision.case


def _settled_again(decision: Decision) -> Settled:
    workflow = Workflow.objects.filter(risk_type=decision.risk_type).first()
    return Settled(workflow, decision.reason_code, decision.policy, True, decision.approval_why)


def ordered_by(decision: Decision) -> list[Enforcement]:
    """What a decision has ordered so far; what was ordered just now need not be asked for."""
    if (ordered := decision.__dict__.get("ordered")) is not None:
        return list(ordered)
    return list(Enforcement.objects.filter(decision=decision).order_by("seq"))
