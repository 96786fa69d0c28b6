"""Which queue, and how soon? Ordered rules, first match wins; the order within a queue is severity × score."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import lru_cache

from risk.strategy import language

TOP = 1000  # priority in tenths of a point: 0–1000
_BY_TYPE = re.compile(r"^\s*risk_type\s*=\s*'([a-z_]+)'\s*$")


@dataclass(frozen=True)
class Route:
    """One line of the routing: its condition, the queue it names, and what it insists on."""

    position: int
    when: str
    to: str
    priority_floor: int = 0
    must_review: bool = False


@dataclass(frozen=True)
class Facts:
    """What a condition may ask. A score has a risk type, a signal a kind; what is not known is null, never empty."""

    kind: str | None = None
    risk_type: str | None = None
    reason: str | None = None
    confidential_until: str | None = None
    strategy_opens: bool | None = None


@lru_cache(maxsize=4096)
def route(rules: tuple[Route, ...], facts: Facts) -> Route | None:
    """The first rule whose condition is true for these facts, or None. Unknown is not true."""
    values = asdict(facts)
    return next((rule for rule in rules if language.holds(rule.when, values)), None)


def priority(urgency: int, floor: int) -> int:
    """Severity × score in tenths, but never below the floor (whole points) that the route insists on."""
    return max(0, min(TOP, max(urgency, floor * 10)))


def risk_type_of(rules: Iterable[Route], queue: str) -> str:
    """The one risk type routed to a queue, or "" where there are none or several: the reviewer chooses then."""
    types = {found[1] for rule in rules if rule.to == queue and (found := _BY_TYPE.match(rule.when))}
    return types.pop() if len(types) == 1 else ""


def order_says(*, priority: int, shown: int, must_review: bool) -> str:
    """Why a case stands where it stands: "0.6 × 90", or the floor that lifted it."""
    if shown and not must_review:
        severity = (Decimal(priority) / (10 * shown)).quantize(Decimal("0.01")).normalize()
        return f"{severity:f} × {shown}"
    if must_review:
        return f"must be looked at, priority {priority // 10}" if priority else "must be looked at"
    return f"priority {priority // 10}"
