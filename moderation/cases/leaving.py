"""How may a case leave one's hands without a decision? Released, skipped, escalated, waiting, handed off, in danger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User

from . import refusals
from .freezing import freeze
from .models import Case, Evidence, Note, Queue, Skip
from .moving import NOT_PENDING, UNCLAIMED, insist, keep_text, move, names
from .routing import TOP

ESCALATIONS = "escalations"
DANGER = "danger"


@transaction.atomic
def release(case: Case, *, by: User, now: datetime) -> None:
    """Give the case back to its queue; the draft stays."""
    insist(refusals.work(case, by=by), case)
    move(case, Case.Status.WAITING, **UNCLAIMED)
    audit.record(Event.CASE_RELEASED, by=by, of=case, also=names(case), now=now)


@transaction.atomic
def skip(case: Case, *, by: User, now: datetime, reason: str) -> int:
    """Pass the case on: it does not come back to this person today. Returns how many they passed on; leads see it."""
    insist(refusals.with_reason(case, by=by, reason=reason), case)
    kept, commitment = keep_text(case, "case.skip", reason.strip())
    move(case, Case.Status.WAITING, **UNCLAIMED)
    Skip.objects.create(case=case, user=by, at=now, reason=kept)
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    times = Skip.objects.filter(user=by, at__gte=today).count()
    facts = {"times": times, "over": times > settings.SKIPS_PER_SHIFT, "commitment": commitment}
    audit.record(Event.CASE_SKIPPED, by=by, of=case, also=names(case), now=now, **facts)
    return times


@transaction.atomic
def escalate(case: Case, *, by: User, now: datetime, reason: str) -> None:
    """Move the case to people who know more. In the minors and safety lanes it stays in its queue, for somebody else.

    The reason stands on the case as a remark. An escalation ends nothing, nor does it come back to them today.
    """
    insist(refusals.with_reason(case, by=by, reason=reason), case)
    kept, commitment = keep_text(case, "case.escalation", reason.strip())
    came_from = case.queue
    queue = Queue.objects.get(slug=ESCALATIONS) if case.lane == "general" else came_from
    due = min(case.due_at, now + timedelta(minutes=queue.sla_minutes))
    move(case, Case.Status.WAITING, **UNCLAIMED, queue=queue, escalated_from=came_from, due_at=due)
    Note.objects.create(case=case, by=by, at=now, text=kept)
    if queue == came_from:
        Skip.objects.create(case=case, user=by, at=now, reason=kept)
    audit.record(
        Event.CASE_ESCALATED,
        by=by,
        of=case,
        also=names(case),
        now=now,
        came_from=came_from.slug,
        to=queue.slug,
        commitment=commitment,
    )


@transaction.atomic
def wait(case: Case, *, by: User, now: datetime, waiting_for: str, until: datetime) -> None:
    """Let the case wait for somebody outside; at the deadline it returns to its queue."""
    insist(refusals.wait(case, by=by, now=now, waiting_for=waiting_for, until=until), case)
    move(
        case,
        Case.Status.PENDING,
        **UNCLAIMED,
        pending_for=waiting_for.strip()[:100],
        pending_until=until,
        pending_default="return",
    )
    facts = {"until": until.isoformat(), "default": "return"}
    audit.record(Event.CASE_PENDING, by=by, of=case, also=names(case), now=now, **facts)


@transaction.atomic
def hand_off(case: Case, *, by: User, now: datetime) -> Evidence:
    """Seal the case for child safety: evidence frozen, no copy, no sample, no export from here on."""
    insist(refusals.work(case, by=by), case)
    frozen = freeze(case, by=by, now=now)
    move(case, Case.Status.HANDED_OFF, **UNCLAIMED, ended_at=now)
    facts = {"evidence": frozen.audit_name, "digest": bytes(frozen.digest).hex()}
    audit.record(Event.CASE_HANDED_OFF, by=by, of=case, also=[*names(case), frozen], now=now, **facts)
    return frozen


@transaction.atomic
def danger(case: Case, *, by: User, now: datetime) -> None:
    """Send the case to the people who deal with danger to life, ahead of everything, due within the queue's minutes.

    Where they have a case of this account already, this one is withdrawn into it.
    """
    insist(refusals.work(case, by=by), case)
    queue = Queue.objects.get(slug=DANGER)
    due = now + timedelta(minutes=queue.sla_minutes)
    others = Case.objects.open().exclude(pk=case.pk)
    other = others.filter(account=case.account_id, lane=queue.lane).select_for_update().first()
    facts: dict[str, Any] = {"came_from": case.queue.slug, "to": queue.slug}
    if other is not None:
        move(case, Case.Status.WITHDRAWN, **UNCLAIMED, ended_at=now)
        Case.objects.filter(pk=other.pk).update(priority=TOP, rank=0, due_at=min(other.due_at, due), must_review=True)
        audit.record(Event.CASE_WITHDRAWN, by=by, of=case, also=[*names(case), other], now=now, why="joined", **facts)
        return
    urgent = {"priority": TOP, "rank": 0, "due_at": due, "must_review": True}
    move(
        case,
        Case.Status.WAITING,
        **UNCLAIMED,
        **NOT_PENDING,
        **urgent,
        lane=queue.lane,
        queue=queue,
        escalated_from=case.queue,
    )
    audit.record(Event.CASE_MOVED, by=by, of=case, also=names(case), now=now, danger=True, **facts)
