"""What changes about a case? Claimed, extended, returned, given to somebody else, concluded, reopened.

Opening stands in `opening.py`, the exits beside a decision in `leaving.py`, what lay on the table in `freezing.py`, the
shipped settings in `catalogue.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused

from . import refusals
from .catalogue import ship
from .freezing import freeze
from .leaving import danger, escalate, hand_off, release, skip, wait
from .models import Case, CaseQuerySet, Draft, Note, Queue, Skip
from .moving import NOT_PENDING, UNCLAIMED, insist, keep_text, move, names
from .objections import unread_by
from .opening import open_case, take_new

__all__ = [
    "annotate",
    "claim",
    "claim_next",
    "conclude",
    "danger",
    "escalate",
    "extend",
    "freeze",
    "give_back",
    "hand_off",
    "open_case",
    "reassign",
    "release",
    "reopen",
    "return_expired",
    "save_draft",
    "ship",
    "skip",
    "take_new",
    "wait",
    "withdraw",
]


@transaction.atomic
def claim(case: Case, *, by: User, now: datetime, limits: bool = True) -> Case:
    """Take this case. Raises `Refused` where the person may not, or somebody else was first.

    `limits` says whether personal limits count.
    """
    held, at_once, unread = _limits(by, case.risk_type) if limits else ([], 1, "")
    insist(refusals.claim(case, by=by, held=held, at_once=at_once, unread=unread, limits=limits), case)
    return _claim(case, by=by, now=now)


@transaction.atomic
def claim_next(*, by: User, now: datetime, queue: Queue | None = None, limits: bool = True) -> Case | None:
    """Take the next-best case of a queue, or of all queues this person works; None where nothing waits for them.

    Rows somebody else is just taking are passed over (`SKIP LOCKED`), so nobody waits and nobody gets the same case.
    """
    queues = [queue] if queue else list(Queue.objects.worked_by(by))
    if queue and not queue.is_worked_by(by):
        raise Refused(f"Cases of {queue.title} are worked by the role {queue.role}; your roles do not include it.")
    held, at_once, _ = _limits(by, "") if limits else ([], 1, "")
    for candidate in _most_urgent_queue_first(queues, by=by, now=now, limits=limits):
        case = (
            _free_for(candidate, by=by, now=now, limits=limits)
            .select_related("account")
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if case is not None:
            case.queue = candidate
            unread = unread_by(by, case.risk_type) if limits else ""
            insist(refusals.claim(case, by=by, held=held, at_once=at_once, unread=unread, limits=limits), case)
            return _claim(case, by=by, now=now)
    return None


@transaction.atomic
def extend(case: Case, *, by: User, now: datetime) -> Case:
    """Hold the case for another lease, up to the queue's longest hold. The version stays: the case did not change."""
    insist(refusals.extend(case, by=by, now=now), case)
    until = _lease_end(case, since=case.claimed_at or now, now=now)
    if not Case.objects.filter(pk=case.pk, status=Case.Status.CLAIMED, claimed_by=by).update(claimed_until=until):
        raise Refused("Your claim on this case is over; what you typed is kept as a draft.")
    case.claimed_until = until
    audit.record(Event.CASE_EXTENDED, by=by, of=case, also=names(case), now=now, until=until.isoformat())
    return case


@transaction.atomic
def reassign(case: Case, *, to: User | None, by: User, now: datetime) -> Case:
    """A lead gives the case to somebody, or (None) back to the queue."""
    insist(refusals.reassign(case, to=to, by=by), case)
    held_by = case.claimed_by.audit_name if case.claimed_by else ""
    if to is None:
        move(case, Case.Status.WAITING, **UNCLAIMED)
    else:
        until = now + timedelta(minutes=case.queue.lease_minutes)
        move(case, Case.Status.CLAIMED, claimed_by=to, claimed_at=now, claimed_until=until)
    audit.record(
        Event.CASE_REASSIGNED, by=by, of=case, also=[*names(case), *([to] if to else [])], now=now,
        to=to.audit_name if to else "", held_by=held_by,
    )  # fmt: skip
    return case


@transaction.atomic
def annotate(case: Case, *, by: User, now: datetime, text: str) -> Note:
    """Leave a remark for colleagues; its words go to the vault."""
    insist(refusals.annotate(case, by=by, text=text), case)
    kept, commitment = keep_text(case, "case.note", text.strip())
    note = Note.objects.create(case=case, by=by, at=now, text=kept)
    audit.record(Event.CASE_ANNOTATED, by=by, of=case, also=names(case), now=now, commitment=commitment)
    return note


@transaction.atomic(savepoint=False)
def save_draft(case: Case, *, by: User, now: datetime, body: dict[str, Any], note: str | UUID | None = None) -> Draft:
    """Keep what somebody filled in but did not send, beyond lease and session. `note`: its words, or a vault id."""
    kept, commitment = (
        (note, "") if not isinstance(note, str) else keep_text(case, "draft.note", note) if note else (None, "")
    )
    draft, _ = Draft.objects.update_or_create(
        case=case, user=by, defaults={"body": body, "note": kept, "saved_at": now}
    )
    audit.record(
        Event.DRAFT_SAVED, by=by, of=case, also=names(case), now=now, fields=sorted(body), commitment=commitment
    )
    return draft


@transaction.atomic
def return_expired(*, now: datetime, limit: int = 200) -> int:
    """Give back claims whose lease ran out a while ago, or whose holder has left; drafts stay. Returns how many."""
    system = User.objects.service("system")
    over = Q(claimed_until__lt=now - timedelta(minutes=settings.IDLE_RELEASE_MINUTES)) | Q(claimed_by__is_active=False)
    expired = Case.objects.filter(over, status=Case.Status.CLAIMED).select_for_update(skip_locked=True, of=("self",))[
        :limit
    ]
    entries = []
    for case in expired:
        holder = f"user:{case.claimed_by_id}"
        move(case, Case.Status.WAITING, **UNCLAIMED)
        entries.append((Event.CASE_RETURNED, case, [*names(case), holder], {"held_by": holder, "why": "lease"}))
    audit.record_many(entries, by=system, now=now)
    return len(entries)


@transaction.atomic(savepoint=False)
def give_back(case: Case, *, by: User, now: datetime, why: str) -> None:
    """Put a case that waited for somebody, outside or inside, back into its queue: nobody came, or the author left."""
    move(case, Case.Status.WAITING, **UNCLAIMED, **NOT_PENDING)
    audit.record(Event.CASE_RETURNED, by=by, of=case, also=names(case), now=now, why=why)


@transaction.atomic(savepoint=False)
def withdraw(case: Case, *, by: User, now: datetime, why: str) -> None:
    """Take a case off the desk without a decision: what it was opened for is over."""
    move(case, Case.Status.WITHDRAWN, **UNCLAIMED, ended_at=now)
    audit.record(Event.CASE_WITHDRAWN, by=by, of=case, also=names(case), now=now, why=why)


@transaction.atomic(savepoint=False)
def conclude(
    case: Case,
    *,
    to: str,
    by: User,
    now: datetime,
    pending_until: datetime | None = None,
    pending_default: str = "",
    pending_for: str = "",
) -> None:
    """What a decision makes of its case: `proposed`, `pending` until a day with a default, or `decided`."""
    if to == Case.Status.PENDING:
        fields = {"pending_until": pending_until, "pending_default": pending_default, "pending_for": pending_for}
        move(case, to, **UNCLAIMED, **fields)
        facts = {
            "until": pending_until.isoformat() if pending_until else "",
            "default": pending_default,
            "waiting_for": pending_for,
        }
        audit.record(Event.CASE_PENDING, by=by, of=case, also=names(case), now=now, **facts)
    elif to == Case.Status.DECIDED:
        move(case, to, **UNCLAIMED, **NOT_PENDING, ended_at=now)
        audit.record(Event.CASE_DECIDED, by=by, of=case, also=names(case), now=now)
    else:
        move(case, to, **UNCLAIMED, **NOT_PENDING)  # the event is the decision's own: proposed


@transaction.atomic(savepoint=False)
def reopen(case: Case, *, by: User, now: datetime, claimer: User | None = None) -> None:
    """Take a conclusion back: to the person who made it, with a fresh lease, or to the queue.

    Where signals opened another case of the account in the meantime, that one is withdrawn into this one.
    """
    _withdraw_others(case, by=by, now=now)
    fields: dict[str, Any] = {**NOT_PENDING, "ended_at": None}
    if claimer is None:
        move(case, Case.Status.WAITING, **UNCLAIMED, **fields)
    else:
        until = now + timedelta(minutes=case.queue.lease_minutes)
        move(case, Case.Status.CLAIMED, claimed_by=claimer, claimed_at=now, claimed_until=until, **fields)
    also: list[User | str] = [*names(case), *([claimer] if claimer else [])]
    audit.record(Event.CASE_REOPENED, by=by, of=case, also=also, now=now, to=claimer.audit_name if claimer else "")


def _claim(case: Case, *, by: User, now: datetime) -> Case:
    until = _lease_end(case, since=now, now=now)
    move(case, Case.Status.CLAIMED, claimed_by=by, claimed_at=now, claimed_until=until, **NOT_PENDING)
    audit.record(
        Event.CASE_CLAIMED, by=by, of=case, also=names(case), now=now, until=until.isoformat(), queue=case.queue.slug
    )
    return case


def _lease_end(case: Case, *, since: datetime, now: datetime) -> datetime:
    longest = since + timedelta(minutes=case.queue.max_hold_minutes)
    return min(now + timedelta(minutes=case.queue.lease_minutes), longest)


def _limits(by: User, risk_type: str) -> tuple[list[int], int, str]:
    """What counts against another claim: cases held, how many may be, what is unread.

    The person's row is locked, so that two clicks count once.
    """
    User.objects.select_for_update().filter(pk=by.pk).values_list("pk", flat=True).get()
    held = list(
        Case.objects.filter(claimed_by=by, status=Case.Status.CLAIMED)
        .order_by("claimed_at")
        .values_list("pk", flat=True)[:10]
    )
    limits = settings.CLAIMS_AT_ONCE
    return (
        held,
        max(limits.get(role, limits["default"]) for role in by.role_names | {"default"}),
        unread_by(by, risk_type),
    )


def _free_for(queue: Queue, *, by: User, now: datetime, limits: bool) -> CaseQuerySet:
    """What waits in a queue for this person, best first: not what they passed on today, nor what they cannot read."""
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    skipped = Skip.objects.filter(case=OuterRef("pk"), user=by, at__gte=today)
    free = Case.objects.waiting().for_queue(queue).filter(~Exists(skipped))
    if limits and by.languages:
        free = free.filter(language__in=["", *by.languages])
    return free.most_urgent_first()


def _most_urgent_queue_first(queues: list[Queue], *, by: User, now: datetime, limits: bool) -> list[Queue]:
    """The queues that have something, by their best case: one index range each, in one query."""
    if len(queues) < 2:
        return queues
    order = ("rank", "due_at", "opened_at", "id", "queue_id")
    best = [_free_for(queue, by=by, now=now, limits=limits).values_list(*order)[:1] for queue in queues]
    by_pk = {queue.pk: queue for queue in queues}
    return [by_pk[row[-1]] for row in sorted(best[0].union(*best[1:], all=True))]


def _withdraw_others(case: Case, *, by: User, now: datetime) -> None:
    others = Case.objects.open().filter(account=case.account_id, lane=case.lane).exclude(pk=case.pk).select_for_update()
    for other in others:
        if other.status not in Case.COMES_FROM[Case.Status.WITHDRAWN]:
            raise Refused(
                "Another case of this account was opened since and is under way; finish it there.", state=case.status
            )
        move(other, Case.Status.WITHDRAWN, **UNCLAIMED, ended_at=now)
        audit.record(Event.CASE_WITHDRAWN, by=by, of=other, also=[*names(other), case], now=now, why="joined")
