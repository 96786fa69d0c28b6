"""What does a list of cases hold, and what is known of one? Rows ready to show, by keyset, in few queries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal import cursor as marks
from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.refusal import Refused
from risk.intake.models import Signal
from risk.scoring.models import Reason

from .models import Case, Evidence, Queue

PAGE = 50
MANY = 1000  # counts stop here: "1,000+"
KEYSETS: dict[str, tuple[tuple[str, ...], tuple[type, ...], bool]] = {
    # order → its fields, the kinds of its cursor, whether it runs downwards
    "urgency": (("rank", "due_at", "opened_at", "id"), (int, datetime, datetime, int), False),
    "due": (("due_at", "id"), (datetime, int), False),
    "newest": (("opened_at", "id"), (datetime, int), True),
}
_DEPTHS = """
SELECT q, (SELECT count(*) FROM (SELECT FROM moderation_case WHERE queue_id = q AND status = 'waiting' LIMIT %s) AS few)
FROM unnest(%s::bigint[]) q"""
_ENDED = ("decided", "withdrawn", "handed_off")
_ROW = (
    "id", "account__platform", "account__external_id", "account__handle_shown", "lane", "queue__slug", "status",
    "version", "risk_type", "shown", "band", "why", "priority", "must_review", "language", "opened_at", "due_at",
    "claimed_by__username", "claimed_until", "pending_for", "pending_until",
)  # fmt: skip


def page(
    user: User,
    *,
    queue: str = "",
    state: str = "",
    account: tuple[str, str] | None = None,
    order: str = "",
    cursor: str = "",
) -> dict[str, Any]:
    """A page of cases this person may know of: `{"results", "next"}`.

    Without a state: all open ones, or, for one account, all there ever were. Ended cases come newest first.
    """
    queues = list(Queue.objects.visible_to(user).only("pk", "slug"))
    if queue:
        queues = [one for one in queues if one.slug == queue]
        if not queues:
            raise Refused("There is no such queue for you.", status=404)
    states = _states(state, everything=account is not None)
    order = order or ("newest" if account or state in _ENDED else "urgency")
    if order not in KEYSETS:
        raise Refused(f"There is no order “{order}”; there are: {', '.join(KEYSETS)}.", status=400)
    if state in _ENDED and order != "newest":
        raise Refused("Ended cases are listed newest first; leave the order out.", status=400)
    fields, kinds, down = KEYSETS[order]
    after = marks.decode(cursor, str, *kinds) if cursor else ()
    if after and after[0] != order:
        raise Refused("This page mark belongs to another order; start again from the first page.", status=400)
    rows = _rows(queues, user.lanes, states, account, fields, after[1:], down)
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return {
        "results": [_shown(row) for row in rows[:PAGE]],
        "next": marks.encode(order, *(last[name] for name in fields)) if last else None,
    }


def seen(user: User, pk: int) -> Case:
    """The case with its account, queue, score and holder, if this person may know of it; 404 otherwise."""
    cases = Case.objects.visible_to(user).select_related("account", "queue", "score", "claimed_by")
    return get_object_or_404(cases, pk=pk)


def depths(queues: Iterable[Queue]) -> dict[int, int]:
    """How many wait in each queue, by its key, up to `MANY` + 1: an exact count of a million is the cost of a page."""
    with connection.cursor() as cursor:
        cursor.execute(_DEPTHS, [MANY + 1, [queue.pk for queue in queues]])
        return dict(cursor.fetchall())


def row(case: Case) -> dict[str, Any]:
    """One case as a list shows it; its queue and account are in hand."""
    told = {name: getattr(case, name) for name in _ROW if "__" not in name}
    told |= {
        "account__platform": case.account.platform,
        "account__external_id": case.account.external_id,
        "account__handle_shown": case.account.handle_shown,
        "queue__slug": case.queue.slug,
        "claimed_by__username": case.claimed_by.username if case.claimed_by else None,
    }
    return _shown(told)


def detail(case: Case) -> dict[str, Any]:
    """All that is known of one case, masked: why it is here, what was told, what was frozen, what happened to it."""
    reasons = (
        Reason.objects.filter(score=case.score_id).values("rule", "title", "group", "points") if case.score_id else []
    )
    frozen = Evidence.objects.filter(case=case).order_by("collected_at").values_list("pk", "collected_at", "digest")
    return row(case) | {
        "claimed_at": case.claimed_at,
        "pending_default": case.pending_default,
        "opened_by": case.opened_by,
        "reasons": list(reasons),
        "evidence": _signals(case),
        "frozen": [{"id": str(pk), "at": at, "sha256": bytes(digest).hex()} for pk, at, digest in frozen],
        "history": history(case),
    }


def history(case: Case) -> list[dict[str, Any]]:
    """What the log says about a case, oldest first; looks at it left out."""
    events = AuditEvent.objects.filter(subjects__contains=[case.audit_name]).exclude(type="case.viewed")
    rows = events.order_by("-occurred_at", "-id").values_list("id", "type", "by", "occurred_at", "told_at", "payload")[
        :200
    ]
    told = [
        {"id": str(pk), "event": kind, "by": by, "at": told_at or at, "facts": json.loads(bytes(payload))["facts"]}
        for pk, kind, by, at, told_at, payload in rows
    ]
    return told[::-1]


def _states(state: str, *, everything: bool) -> list[str]:
    if state and state not in Case.Status.values:
        raise Refused(f"There is no state “{state}”; there are: {', '.join(Case.Status.values)}.", status=400)
    return [state] if state else list(Case.Status.values if everything else Case.OPEN)


def _rows(
    queues: list[Queue], lanes: list[str], states: list[str], account: tuple[str, str] | None, fields: tuple[str, ...],
    after: tuple[Any, ...], down: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of a page and one more, in order."""
    signed = [f"-{name}" if down else name for name in fields]
    seen = Case.objects.filter(queue__in=queues, lane__in=lanes).order_by(*signed)
    if account is not None:
        of_account = seen.filter(account__platform=account[0], account__external_id=account[1], status__in=states)
        return list(_after(of_account, fields, after, down).values(*_ROW, "rank")[: PAGE + 1])
    keys = _keys(queues, states, fields, after, down)
    return list(seen.filter(pk__in=keys).values(*_ROW, "rank"))


def _keys(
    queues: list[Queue], states: list[str], fields: tuple[str, ...], after: tuple[Any, ...], down: bool
) -> list[int]:
    """Which cases stand on the page: one index range per queue and state, merged; one statement for any number of them.

    States stand in the statement as text, so the planner takes the index made for each, knowing how few some have.
    All text put in is our own; what comes from outside is a value.
    """
    way, sign = ("DESC", "<") if down else ("ASC", ">")
    order, columns = ", ".join(f"{name} {way}" for name in fields), ", ".join(fields)
    behind = f"AND ({columns}) {sign} ({', '.join(['%s'] * len(fields))})" if after else ""
    ranges = [
        f"SELECT c.* FROM unnest(%s::bigint[]) q CROSS JOIN LATERAL (SELECT {columns} FROM moderation_case"
        f" WHERE queue_id = q AND status = '{Case.Status(state)}' {behind} ORDER BY {order} LIMIT {PAGE + 1}) c"
        for state in states
    ]
    statement = f"SELECT id FROM ({' UNION ALL '.join(ranges)}) c ORDER BY {order} LIMIT {PAGE + 1}"
    with connection.cursor() as cursor:
        cursor.execute(statement, [[queue.pk for queue in queues], *after] * len(ranges))
        return [pk for (pk,) in cursor.fetchall()]


def _after(cases: QuerySet[Case], fields: tuple[str, ...], after: tuple[Any, ...], down: bool) -> QuerySet[Case]:
    """Rows of one account behind the mark: few, so the last of the keys is enough of an index."""
    if not after:
        return cases
    names = ", ".join(f'"moderation_case"."{name}"' for name in fields)
    return cases.extra(
        where=[f"({names}) {'<' if down else '>'} ({', '.join(['%s'] * len(fields))})"], params=list(after)
    )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "account": {
            "platform": row["account__platform"],
            "id": row["account__external_id"],
            "handle": row["account__handle_shown"],
        },
        "lane": row["lane"],
        "queue": row["queue__slug"],
        "state": row["status"],
        "version": row["version"],
        "risk_type": row["risk_type"],
        "score": row["shown"],
        "band": row["band"],
        "why": row["why"],
        "priority": row["priority"],
        "must_review": row["must_review"],
        "language": row["language"],
        "opened_at": row["opened_at"],
        "due_at": row["due_at"],
        "claimed_by": row["claimed_by__username"],
        "claimed_until": row["claimed_until"],
        "pending_for": row["pending_for"],
        "pending_until": row["pending_until"],
    }


def _signals(case: Case) -> list[dict[str, Any]]:
    told = Signal.objects.filter(account=case.account_id, lane__in={"general", case.lane}).order_by(
        "-occurred_at", "-id"
    )
    names = ("source", "external_id", "kind", "occurred_at", "received_at", "data", "scores")
    return [signal | {"data": _masked(signal["data"])} for signal in told.values(*names)[:100]]


def _masked(data: Any) -> Any:
    """What stands in the vault is named by its length here; people by nothing."""
    if isinstance(data, dict):
        if "vault" in data:
            return {"masked": True, "length": data.get("length")}
        return {name: "masked" if name == "person" else _masked(value) for name, value in data.items()}
    return [_masked(value) for value in data] if isinstance(data, list) else data
