"""How do actions read as rows? A page of them with their attempts, in two queries."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from portal import cursor
from portal.people.models import User

from .models import Attempt, Enforcement, EnforcementQuerySet

PAGE = 50
_COLUMNS = (
    "id", "decision_id", "decision__case_id", "account__platform", "account__external_id", "kind", "status", "seq",
    "until", "scope", "policy", "reason_code", "backend_id", "parent_id", "ordered_at", "next_attempt_at", "expires_at",
    "settled_at", "effect_id", "detail",
)  # fmt: skip


def chosen(
    user: User, *, state: str = "", account: tuple[str, str] | None = None, decision: UUID | None = None
) -> EnforcementQuerySet:
    """The actions this person may know of, narrowed as asked."""
    found = Enforcement.objects.visible_to(user)
    if state:
        found = found.filter(status=state)
    if account:
        found = found.filter(account__platform=account[0], account__external_id=account[1])
    if decision:
        found = found.filter(decision=decision)
    return found


def page(found: EnforcementQuerySet, *, after: str = "") -> dict[str, Any]:
    """A page, newest first, by an opaque cursor."""
    if after:
        at, pk = cursor.decode(after, datetime, UUID)
        found = found.filter(Q(ordered_at__lt=at) | Q(ordered_at=at, id__lt=pk))
    rows = list(found.order_by("-ordered_at", "-id").values(*_COLUMNS)[: PAGE + 1])
    more, rows = len(rows) > PAGE, rows[:PAGE]
    tries = attempts_of(row["id"] for row in rows)
    next_page = cursor.encode(rows[-1]["ordered_at"], rows[-1]["id"]) if more else None
    return {"results": [_told(row, tries[row["id"]]) for row in rows], "next": next_page}


def one(enforcement: Enforcement) -> dict[str, Any]:
    """A single action as a row of a page."""
    row = Enforcement.objects.filter(pk=enforcement.pk).values(*_COLUMNS).get()
    return _told(row, attempts_of([enforcement.pk])[enforcement.pk])


def attempts_of(ids: Any) -> dict[UUID, list[dict[str, Any]]]:
    """The attempts of these actions, oldest first, in one query."""
    tries: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    columns = ("number", "at", "ended_at", "outcome", "detail")
    found = Attempt.objects.filter(enforcement__in=list(ids)).order_by("enforcement", "number")
    for pk, *values in found.values_list("enforcement_id", *columns):
        tries[pk].append(dict(zip(columns, values, strict=True)))
    return tries


def _told(row: dict[str, Any], tries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "decision": str(row["decision_id"]),
        "case": str(row["decision__case_id"]),
        "account": {"platform": row["account__platform"], "id": row["account__external_id"]},
        "kind": row["kind"],
        "state": row["status"],
        "seq": row["seq"],
        "parent": str(row["parent_id"]) if row["parent_id"] else None,
        "backend": row["backend_id"],
        **{name: row[name] for name in _AS_THEY_ARE},
        "attempts": tries,
    }


_AS_THEY_ARE = (
    "until", "scope", "policy", "reason_code", "ordered_at", "next_attempt_at", "expires_at", "settled_at", "effect_id",
    "detail",
)  # fmt: skip
