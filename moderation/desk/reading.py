"""What was said about a case, and what waits for whose word? Decisions as ready words, with why-nots for buttons."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from moderation.cases.models import Case
from moderation.decisions import refusals
from moderation.decisions.effects import OUTCOMES
from moderation.decisions.models import Approval, Decision, Policy
from moderation.decisions.unread import changed_policies
from portal.people.models import User
from portal.privacy.actions import open_values
from portal.wording import day, number, plain, since

from . import notice

STATES = {
    "proposed": ("waits for a second person", "warn"),
    "held": ("not released yet", "warn"),
    "released": ("released", "ok"),
    "undone": ("undone", ""),
    "declined": ("declined", "danger"),
    "reversed": ("reversed", ""),
}
MOST = 50
PARTS = ("made_by", "approved_by", "policy", "reason_code", "reverses", "case__queue", "case__account", "account")


def unread_policies(user: User) -> list[Policy]:
    """Policies that changed and this person has not read yet."""
    return list(changed_policies(user))


def words_of(case: Case, *, by: User, now: datetime) -> list[dict[str, Any]]:
    """The decisions on a case, newest first, each with what this person may do about it."""
    rows = list(
        Decision.objects.filter(case=case)
        .select_related(*PARTS)
        .prefetch_related("approvals__by")
        .order_by("-made_at")[:10]
    )
    texts = (
        open_values([row.note for row in rows] + [word.reason for row in rows for word in row.approvals.all()])
        if rows
        else {}
    )
    told = notice.of_decisions(rows, now=now) if rows else {}
    return [_row(row, texts, by=by, now=now) | {"told": told.get(row.pk)} for row in rows]


def proposals(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What waits for a second person, oldest first; one's own are shown with the reason why not."""
    rows = list(
        Decision.objects.proposed()
        .visible_to(user)
        .select_related(*PARTS)
        .prefetch_related("approvals__by")
        .order_by("made_at", "id")[:MOST]
    )
    texts = open_values([row.note for row in rows]) if rows else {}
    told = notice.of_decisions(rows, now=now) if rows else {}
    return [_row(row, texts, by=user, now=now) | {"told": told.get(row.pk)} for row in rows]


def _row(row: Decision, texts: dict[Any, str], *, by: User, now: datetime) -> dict[str, Any]:
    state, tone = STATES[row.status]
    target = row.made_at + timedelta(minutes=settings.APPROVAL_TARGET_MINUTES)
    return {
        "id": row.pk,
        "case": row.case_id,
        "evidence": row.evidence_id,
        "number": number(row.case_id),
        "queue": row.case.queue.title,
        "shown": row.shown,
        "band": row.case.band,
        "account": row.account.handle_shown or row.account.external_id,
        "why": row.case.why,
        "says": sentence(row),
        "state": state,
        "tone": tone,
        "status": row.status,
        "by": row.made_by.username,
        "made": since(row.made_at, now),
        "made_at": row.made_at,
        "reason": row.reason_code.text,
        "policy": row.policy,
        "note": texts.get(row.note, "") if row.note else "",
        "approval_why": row.approval_why,
        "answers": row.answers,
        "late": row.status == "proposed" and target < now,
        "words": [_word(word, texts) for word in row.approvals.all()],
        "why_not_approve": refusals.approve(row, by=by) or "",
        "why_not_undo": refusals.undo(row, by=by, now=now) or "",
        "why_not_reverse": refusals.reverse(row, by=by) or "",
        "reverses": bool(row.reverses_id),
        "release_at": row.release_at,
    }


def _word(word: Approval, texts: dict[Any, str]) -> dict[str, Any]:
    return {
        "verdict": plain(word.verdict),
        "by": word.by.username,
        "at": word.at,
        "reason": texts.get(word.reason, "") if word.reason else "",
    }


def sentence(row: Decision) -> str:
    """The decision in words: Suspend until Friday 27 November."""
    if row.reverses_id:
        return "Reverse the decision before"
    says = OUTCOMES[row.outcome].says
    if row.scope:
        says += f" {plain(row.scope).lower()}"
    return f"{says} until {day(row.until)}" if row.until else says
