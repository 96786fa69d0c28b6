"""What changes about a group decision? Proposed, agreed to or declined, let go on, stopped, undone.

What is done to each account stands in `carrying.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from moderation.cases.models import Workflow
from moderation.decisions.effects import OUTCOMES
from moderation.decisions.models import Policy, ReasonCode
from moderation.decisions.refusals import beyond, fits, too_long
from moderation.decisions.word import Word
from moderation.enforcement.connector import able_on
from portal.audit.actions import Subject, record, record_many
from portal.audit.events import Event
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy.actions import keep, subject_of_user
from portal.refusal import Refused
from risk.intake.models import Account

from . import refusals, reporting
from .carrying import run_some, run_under_way
from .models import LEAST, MOST, Bulk, BulkItem
from .reading import UNKNOWN, Preview, general_queue, preview

__all__ = [
    "approve", "decline", "go_on", "look", "propose", "run_some", "run_under_way", "stop", "take_report", "undo",
]  # fmt: skip


@transaction.atomic
def look(
    accounts: Iterable[UUID], *, by: User, now: datetime, risk_type: str, chosen: dict[str, Any] | None = None
) -> Preview:
    """What a decision on these would do. The log tells of each look: who is left out can say what few may know."""
    asked = list(dict.fromkeys(accounts))
    seen = _insist_it_is_a_group(asked, by=by, now=now, risk_type=risk_type)
    facts: dict[str, Any] = {
        "accounts": len(seen.accounts),
        "left_out": len(seen.left_out),
        "digest": seen.digest.hex(),
    }
    record(Event.BULK_PREVIEWED, by=by, of=by, now=now, chosen=chosen or {}, risk_type=risk_type, **facts)
    return seen


def propose(
    accounts: Iterable[UUID], *, by: User, now: datetime, risk_type: str, outcome: str, reason_code: str, typed: int,
    request_key: str, note: str, policy: str = "", until: datetime | None = None, scope: str = "",
    although: str = "", chosen: dict[str, Any] | None = None, unknown: int = 0, digest: str = "",
) -> Bulk:  # fmt: skip
    """Propose one decision on many accounts; nothing happens until a second lead agrees.

    `typed` must be the number of accounts that `preview()` leaves. `although`: why, where most of them are below
    review. `chosen`: how the accounts were chosen, as it is kept; `unknown`: how many were named that nobody has.
    `digest`: that of the preview that was looked at, in hex; where it is given, it must be the same still.
    The same `request_key` answers the first proposal again. Raises `Refused` (400) where what was said does not fit,
    409 where the number is not what it would do.
    """
    if although.strip():
        note = f"{note.strip()}\n\nAlthough most are below review: {although.strip()}" if note.strip() else ""
    word = Word(outcome, reason_code, policy, note, until=until, scope=scope)
    asked = list(dict.fromkeys(accounts))
    if first := Bulk.objects.select_related("reason_code").filter(made_by=by, request_key=request_key).first():
        return _same(first, word, risk_type=risk_type, typed=typed)
    reason, broken = _insist_it_fits(word, asked, risk_type=risk_type, now=now)
    seen = _insist_it_is_a_group(asked, by=by, now=now, risk_type=risk_type)
    if why_not := refusals.propose(accounts=len(seen.accounts), typed=typed):
        raise Refused(why_not)
    if digest and digest != seen.digest.hex():
        raise Refused("Who would be decided on has changed since you looked. Nothing was sent; look again.")
    if seen.mostly_below and not although.strip():
        raise Refused(
            f"{seen.below:,} of these {len(seen.accounts):,} are below review. Say why they are decided on although.",
            status=400,
        )
    how = {"asked": len(asked) + unknown, "unknown": unknown + seen.reasons.get(UNKNOWN, 0), **(chosen or {})}
    try:
        with transaction.atomic():
            return _write(
                word, seen, by=by, now=now, risk_type=risk_type, reason=reason, policy=broken, request_key=request_key,
                chosen=how,
            )  # fmt: skip
    except IntegrityError:  # sent twice at once
        first = Bulk.objects.select_related("reason_code").get(made_by=by, request_key=request_key)
        return _same(first, word, risk_type=risk_type, typed=typed)


@transaction.atomic
def approve(bulk: Bulk, *, by: User, now: datetime) -> Bulk:
    """Agree to what another lead proposed: it begins, and pauses after the first 50."""
    _insist(refusals.approve(bulk, by=by, now=now), bulk)
    _move(bulk, Bulk.Status.RUNNING, approved_by=by, approved_at=now)
    facts: dict[str, Any] = {
        "made_by": f"user:{bulk.made_by_id}",
        "accounts": bulk.accounts,
        "digest": bytes(bulk.digest).hex(),
    }
    record(Event.BULK_APPROVED, by=by, of=bulk, now=now, **facts)
    return bulk


@transaction.atomic
def decline(bulk: Bulk, *, by: User, now: datetime, reason: str = "") -> Bulk:
    """Say no to what another proposed, with a reason; or take one's own proposal back."""
    _insist(refusals.decline(bulk, by=by), bulk)
    if bulk.made_by_id == by.pk:
        _move(bulk, Bulk.Status.WITHDRAWN, ended_at=now)
        record(Event.BULK_WITHDRAWN, by=by, of=bulk, now=now, accounts=bulk.accounts)
        return bulk
    if not reason.strip():
        raise Refused("Say why, for the person who proposed it.", status=400)
    kept = keep(subject_of_user(by), "bulk.declined", reason.strip(), data_class="staff")
    _move(bulk, Bulk.Status.DECLINED, ended_at=now)
    facts = {"note": str(kept.pk), "commitment": bytes(kept.commitment).hex()}
    record(Event.BULK_DECLINED, by=by, of=bulk, now=now, accounts=bulk.accounts, **facts)
    return bulk


@transaction.atomic
def go_on(bulk: Bulk, *, by: User, now: datetime) -> Bulk:
    """Let a paused or stopped one go on. What failed and who complained before this counts against it no more."""
    _insist(refusals.go_on(bulk, by=by), bulk)
    _move(bulk, Bulk.Status.RUNNING, looked_at=now, looked_to=_reached(bulk), why="")
    record(Event.BULK_CONTINUED, by=by, of=bulk, now=now, accounts=bulk.accounts)
    return bulk


@transaction.atomic
def stop(bulk: Bulk, *, by: User, now: datetime) -> Bulk:
    """Touch no further account. Once this returns, none is: who runs it holds its row for each account."""
    _insist(refusals.stop(bulk, by=by), bulk)
    _move(bulk, Bulk.Status.STOPPED, why="Stopped by a person.")
    record(Event.BULK_STOPPED, by=by, of=bulk, now=now, accounts=bulk.accounts)
    return bulk


@transaction.atomic
def undo(bulk: Bulk, *, by: User, now: datetime, reason_code: str) -> Bulk:
    """Take the whole back, account by account: measures lifted, strikes gone; whoever was decided on since is skipped.

    Accounts whose turn had not come are dropped. Raises `Refused` while it runs: stop it first.
    """
    _insist(refusals.undo(bulk, by=by), bulk)
    reason = ReasonCode.objects.filter(code=reason_code, workflow__in=("any", bulk.risk_type)).first()
    if reason is None:
        raise Refused(f"There is no reason code “{reason_code}” for this.", status=400)
    _move(bulk, Bulk.Status.UNDOING, undone_by=by, undone_why=reason, why="", ended_at=None)
    record(Event.BULK_UNDOING, by=by, of=bulk, now=now, accounts=bulk.accounts, reason_code=reason_code)
    return bulk


@transaction.atomic
def take_report(bulk: Bulk, *, by: User, now: datetime) -> list[reporting.Row]:
    """Every account of it, to be kept outside; the log tells who took it."""
    if not by.may(Permission.DECISION_BULK):
        raise Refused(refusals.LEADS)
    record(Event.BULK_REPORTED, by=by, of=bulk, now=now, accounts=bulk.accounts)
    return reporting.rows(bulk.items.order_by("position"), bulk)


def _same(first: Bulk, word: Word, *, risk_type: str, typed: int) -> Bulk:
    said = (word.outcome, word.reason_code, word.until, word.scope, risk_type, typed)
    if said != (first.outcome, first.reason_code.code, first.until, first.scope, first.risk_type, first.accounts):
        raise Refused(
            "This key was used for another group decision. Send a new key with a new one.", state=first.status,
            status=422,
        )  # fmt: skip
    return first


def _reached(bulk: Bulk) -> int:
    first = bulk.items.waiting().order_by("position").values_list("position", flat=True).first()
    return (first or bulk.items.count() + 1) - 1


def _write(
    word: Word, seen: Preview, *, by: User, now: datetime, risk_type: str, reason: ReasonCode, policy: Policy | None,
    request_key: str, chosen: dict[str, Any],
) -> Bulk:  # fmt: skip
    kept = keep(subject_of_user(by), "bulk.note", word.note.strip(), data_class="staff")
    bulk = Bulk.objects.create(
        risk_type=risk_type, outcome=word.outcome, reason_code=reason, policy=policy, until=word.until,
        scope=word.scope, note=kept.pk, accounts=len(seen.accounts), digest=seen.digest, request_key=request_key,
        made_by=by, made_at=now, chosen=chosen, sample=list(seen.sample),
    )  # fmt: skip
    known = set(Account.objects.filter(pk__in=seen.left_out).values_list("pk", flat=True))
    out = [(pk, why) for pk, why in seen.left_out.items() if pk in known]
    rows: list[tuple[UUID, str, str]] = [(pk, BulkItem.Status.WAITING, "") for pk in seen.accounts]
    rows += [(pk, BulkItem.Status.LEFT_OUT, why) for pk, why in out]
    items = BulkItem.objects.bulk_create(
        [
            BulkItem(bulk=bulk, account_id=pk, position=position, status=status, why=why)
            for position, (pk, status, why) in enumerate(rows, start=1)
        ],
        batch_size=1000,
    )
    facts: dict[str, Any] = {
        "outcome": word.outcome, "reason_code": reason.code, "accounts": bulk.accounts, "left_out": len(seen.left_out),
        "reasons": seen.reasons, "chosen": chosen, "until": word.until.isoformat() if word.until else "",
        "scope": word.scope, "digest": seen.digest.hex(), "commitment": bytes(kept.commitment).hex(),
    }  # fmt: skip
    record(Event.BULK_PROPOSED, by=by, of=bulk, also=[policy] if policy else [], now=now, **facts)
    record_many([_named(item, bulk) for item in items], by=by, now=now)
    return bulk


def _named(item: BulkItem, bulk: Bulk) -> tuple[Event, BulkItem, list[Subject | str], dict[str, Any]]:
    """One event per account, so that its own history tells of the proposal, or of why it was left out."""
    event = Event.BULK_ITEM_NAMED if item.status == BulkItem.Status.WAITING else Event.BULK_ITEM_LEFT_OUT
    return event, item, [bulk, f"account:{item.account_id}"], {"position": item.position, "why": item.why}


def _insist_it_is_a_group(asked: list[UUID], *, by: User, now: datetime, risk_type: str) -> Preview:
    if why_not := refusals.preview(by=by, asked=len(asked), most=MOST):
        raise Refused(why_not)
    seen = preview(asked, risk_type=risk_type, now=now)
    if why_not := refusals.too_few(known=seen.known, least=LEAST):
        raise Refused(why_not, status=400)
    return seen


def _insist_it_fits(
    word: Word, accounts: list[UUID], *, risk_type: str, now: datetime
) -> tuple[ReasonCode, Policy | None]:
    """The rows a word names; said before the number is, so that nobody types a number for what cannot be done."""
    if sentence := word.malformed(now=now):
        raise Refused(sentence, status=400)
    if not word.note.strip():
        raise Refused("A group decision needs a note: say what these accounts have in common.", status=400)
    reason = ReasonCode.objects.filter(code=word.reason_code).first()
    workflow = Workflow.objects.filter(risk_type=risk_type).first()
    code = word.policy or (reason.policy if reason else "")
    policy = Policy.objects.filter(code=code, in_force=True).first() if code else None
    if sentence := fits(word, workflow=workflow, reason=reason, policy=policy, open_types={risk_type}):
        raise Refused(sentence, status=400)
    if not OUTCOMES[word.outcome].sends or reason is None:
        raise Refused("A group decision is a measure; close cases without action one by one.", status=400)
    if sentence := too_long(word, workflow=workflow, now=now):
        raise Refused(sentence, status=400)
    if general_queue(risk_type) is None:
        raise Refused("Cases of this kind are decided one by one: their lane takes no group decisions.", status=400)
    for platform in Account.objects.filter(pk__in=accounts).values_list("platform", flat=True).distinct():
        if sentence := beyond(word, platform=platform, able=able_on(platform)):
            raise Refused(sentence, status=400)
    return reason, policy


def _move(bulk: Bulk, to: str, **fields: Any) -> None:
    if not Bulk.objects.move(bulk, to, **fields):
        current = Bulk.objects.filter(pk=bulk.pk).values_list("status", flat=True).get()
        raise Refused(f"Somebody else was first. {refusals.STANDS[current]}", state=current)
    bulk.status = to
    for name, value in fields.items():
        setattr(bulk, name, value)


def _insist(reason: str | None, bulk: Bulk) -> None:
    if reason:
        raise Refused(reason, state=bulk.status)
