"""What became of a group decision? How many by state, how their measures stand, and each account; reads only."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from moderation.decisions.effects import OUTCOMES
from moderation.enforcement.models import Enforcement
from portal.cursor import decode, encode

from .models import Bulk, BulkItem

PAGE = 50
COLUMNS = (
    "position", "platform", "account", "state", "why", "decision", "measure", "lift", "settled_at",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One account: its state and why, its decision, and how the measure and what took it back stand ("" = none)."""

    position: int
    platform: str
    account: str  # as its platform names it
    handle: str  # masked
    state: str
    why: str
    decision: UUID | None
    measure: str
    lift: str
    settled_at: datetime | None

    @property
    def told(self) -> dict[str, Any]:
        """As a call answers it."""
        return {name: value for name, value in asdict(self).items() if name in COLUMNS}

    @property
    def cells(self) -> list[Any]:
        """As a line of a table: `COLUMNS` in order."""
        at = self.settled_at.isoformat() if self.settled_at else ""
        told = {**asdict(self), "settled_at": at, "decision": self.decision or ""}
        return [told[name] for name in COLUMNS]


def counts(bulk: Bulk) -> dict[str, int]:
    """How many accounts are in each state."""
    return dict(bulk.items.order_by().values_list("status").annotate(Count("pk")))


def measures(bulk: Bulk) -> dict[str, int]:
    """How many measures are in each state, and under `lift:` those that take them back."""
    effect = OUTCOMES[bulk.outcome]
    sent = Enforcement.objects.filter(
        Q(decision__in=bulk.items.values("decision"), kind=effect.sends)
        | Q(decision__in=bulk.items.values("reversal"), kind=effect.reversal)
    )
    found: Counter[str] = Counter()
    for kind, status, number in sent.order_by().values_list("kind", "status").annotate(Count("pk")):
        found[status if kind == effect.sends else f"lift:{status}"] += number
    return dict(found)


def rows(items: QuerySet[BulkItem], bulk: Bulk) -> list[Row]:
    """These accounts, in order; two queries."""
    effect = OUTCOMES[bulk.outcome]
    names = (
        "position", "account__platform", "account__external_id", "account__handle_shown", "status", "why",
        "decision_id", "reversal_id", "settled_at",
    )  # fmt: skip
    found = list(items.values_list(*names))
    sent = Enforcement.objects.filter(
        Q(decision__in=[row[6] for row in found if row[6]], kind=effect.sends)
        | Q(decision__in=[row[7] for row in found if row[7]], kind=effect.reversal)
    )
    stands = dict(sent.values_list("decision_id", "status"))
    return [
        Row(
            position, platform, name, handle, status, why, decision, stands.get(decision, ""),
            stands.get(reversal, "") if reversal else "", at,
        )
        for position, platform, name, handle, status, why, decision, reversal, at in found
    ]  # fmt: skip


def page(bulk: Bulk, *, state: str = "", after: str = "", size: int = PAGE) -> tuple[list[Row], str]:
    """Some accounts in order, and the mark of the next page or "". Raises `Refused` (400) for a mark not ours."""
    items = bulk.items.order_by("position")
    if state:
        items = items.filter(status=state)
    if after:
        items = items.filter(position__gt=decode(after, int)[0])
    found = rows(items[: size + 1], bulk)
    return found[:size], encode(found[size - 1].position) if len(found) > size else ""
