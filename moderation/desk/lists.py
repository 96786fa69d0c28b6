"""What stands in a queue? One page of cases by cursor, under the filters and orders that an index holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils import timezone

from moderation.cases.models import Case, Queue
from portal.cursor import decode, encode
from portal.wording import BAND_WORDS, due, moment, number, since

PAGE = 50
ORDERS = {"urgency": "Most urgent first", "due": "Due soonest", "newest": "Newest first"}
STATES = {
    "waiting": "Waiting",
    "claimed": "Claimed",
    "proposed": "Waits for a second person",
    "pending": "Waits for somebody outside",
    "decided": "Decided",
}
_COLUMNS = (
    "id",
    "status",
    "shown",
    "band",
    "why",
    "due_at",
    "opened_at",
    "rank",
    "language",
    "risk_type",
    "account__handle_shown",
    "account__external_id",
    "claimed_by__username",
    "pending_until",
    "ended_at",
)


# Each order is one range of an index: its columns, what they hold, and how a row comes after another.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[type, ...], type[TupleGreaterThan | TupleLessThan]]] = {
    "urgency": (("rank", "due_at", "opened_at", "id"), (int, datetime, datetime, int), TupleGreaterThan),
    "due": (("due_at", "id"), (datetime, int), TupleGreaterThan),
    "newest": (("opened_at", "id"), (datetime, int), TupleLessThan),
}


def page(queue: Queue, *, state: str, order: str, cursor: str, now: datetime) -> tuple[list[dict[str, Any]], str]:
    """Rows of ready words, and the cursor of the next page or ""."""
    cases = Case.objects.for_queue(queue).filter(status=state)
    if state != Case.Status.WAITING:
        order = "newest"
    key, kinds, after = _KEYS[order]
    if cursor:
        cases = cases.filter(after(Tuple(*key), decode(cursor, *kinds)))
    cases = cases.order_by(*(f"-{name}" if order == "newest" else name for name in key))
    found = list(cases.values(*_COLUMNS)[: PAGE + 1])
    following = encode(*(found[PAGE - 1][name] for name in key)) if len(found) > PAGE else ""
    return [_row(row, now) for row in found[:PAGE]], following


def _row(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    local = timezone.localtime(row["due_at"])
    return {
        "id": row["id"],
        "number": number(row["id"]),
        "account": row["account__handle_shown"] or row["account__external_id"],
        "score": row["shown"],
        "band": row["band"],
        "word": BAND_WORDS.get(row["band"], ""),
        "why": row["why"],
        "language": row["language"],
        "due": due(row["due_at"], now),
        "due_exact": moment(local),
        "late": row["due_at"] < now and row["status"] == "waiting",
        "age": since(row["opened_at"], now),
        "status": STATES.get(row["status"], row["status"]),
        "by": row["claimed_by__username"] or "",
        "until": row["pending_until"],
        "ended": since(row["ended_at"], now) if row["ended_at"] else "",
    }
