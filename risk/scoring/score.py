"""How many points, and from which rule?

Additive points in groups with caps, decay and floors; the rows add up exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import floor

DEFAULT_CAP, TRUST_FLOOR = 30, -40
TRUST = "trust"
WATCH, HIGH, CRITICAL = 25, 70, 85
PUSHED_OPENS = 80  # a verdict made elsewhere opens a case by itself from here
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Points:
    """What a rule is worth: its group, whole points from -50 to 50, half-life in days, the floor it may set."""

    key: str
    group: str
    points: int
    half_days: float | None = None
    floor: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a version says about points.

    Severity in hundredths, points that open a case, caps by group, trust or not.
    """

    severity: int
    review: int
    caps: Mapping[str, int] = field(default_factory=dict)
    trust: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired: when it last held, and whether it holds now (only then may it set a floor)."""

    rule: Points
    at: datetime
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Contribution:
    """One row of a score: points after decay and cap (and the floor's lift), points before the cap, when it last
    held."""

    rule: str
    group: str
    points: int
    before_cap: int
    at: datetime
    holds: bool
    lifted: int = 0  # points added so that the sum reaches this rule's floor


@dataclass(frozen=True, slots=True)
class Result:
    """A score: `raw` is the signed sum of the rows, `shown` raw cut to 0–100."""

    raw: int
    shown: int
    band: str
    urgency: int
    opens: bool
    rows: tuple[Contribution, ...]


def score(plan: Plan, hits: Sequence[Hit], *, now: datetime) -> Result:
    """Add up the hits of one account for one risk type at one time.

    raw = Σ over groups of clip(Σ p·2^−(t−t_i)/h), kept below zero for ranking, never under a floor whose rule holds.
    A cap's loss is shared in proportion with the largest remainder, so that the rows add up to raw exactly.
    """
    groups: dict[str, list[tuple[Hit, float]]] = {}
    for hit in hits:
        if hit.rule.group != TRUST or plan.trust:
            groups.setdefault(hit.rule.group, []).append((hit, decayed(hit, now=now)))
    rows: dict[str, Contribution] = {}
    for group, members in groups.items():
        points = shares([value for _, value in members], *limits(plan, group))
        for (hit, value), share in zip(members, points, strict=True):
            before = _half_up(value)
            if share or before:
                rows[hit.rule.key] = Contribution(hit.rule.key, group, share, before, hit.at, hit.holds)
    raw = sum(row.points for row in rows.values())
    floors = [hit.rule for hit in hits if hit.holds and hit.rule.floor is not None and hit.rule.key in rows]
    highest = max(floors, key=lambda rule: rule.floor or 0, default=None)
    if highest is not None and highest.floor is not None and raw < highest.floor:
        row, lift = rows[highest.key], highest.floor - raw
        rows[row.rule] = Contribution(row.rule, row.group, row.points + lift, row.before_cap, row.at, row.holds, lift)
        raw = highest.floor
    return summed(plan, raw, tuple(rows.values()))


def summed(plan: Plan, raw: int, rows: tuple[Contribution, ...] = (), *, opens_at: int | None = None) -> Result:
    """What follows from the points.

    The cut value, the band, the urgency (severity × value, in tenths), whether a case opens.
    """
    shown = min(100, max(0, raw))
    opens_at = plan.review if opens_at is None else opens_at
    return Result(raw, shown, band(shown, plan.review), _half_up(plan.severity * shown / 10), raw >= opens_at, rows)


def band(shown: int, review: int) -> str:
    """low, watch from 25, review from the type's own line, high from 70, critical from 85."""
    for name, line in (("critical", CRITICAL), ("high", HIGH), ("review", review), ("watch", WATCH)):
        if shown >= line:
            return name
    return "low"


def decayed(hit: Hit, *, now: datetime) -> float:
    """Points left of a hit.

    All of them while it holds, then half after each half-life; a fact without one goes when it ends.
    """
    if hit.holds:
        return float(hit.rule.points)
    if not hit.rule.half_days:
        return 0.0
    age = max(0.0, (now - hit.at).total_seconds()) / DAY
    return float(hit.rule.points * 2.0 ** -(age / hit.rule.half_days))


def limits(plan: Plan, group: str) -> tuple[int, int]:
    """How low and how high a group may go: 30 either way unless the version says otherwise, trust from -40 to 0."""
    if group == TRUST:
        return -plan.caps.get(TRUST, -TRUST_FLOOR), 0
    cap = plan.caps.get(group, DEFAULT_CAP)
    return -cap, cap


def shares(values: Sequence[float], low: int, high: int) -> list[int]:
    """Whole points that add up to the clipped, rounded sum.

    The loss of a cap is shared in proportion, largest remainder first.
    """
    total = sum(values)
    if total > high:
        values = _shrunk(values, total - high, positive=True)
    elif total < low:
        values = _shrunk(values, low - total, positive=False)
    target = _half_up(min(high, max(low, total)))
    whole = [floor(value + 1e-9) for value in values]
    order = sorted(range(len(values)), key=lambda at: (-round(values[at] - whole[at], 9), at))
    for at in order[: target - sum(whole)]:
        whole[at] += 1
    return whole


def _shrunk(values: Sequence[float], excess: float, *, positive: bool) -> list[float]:
    """Take the excess from the contributions of one sign, each in proportion to its size."""
    mass = sum(abs(value) for value in values if (value > 0) == positive)
    keep = 1 - excess / mass
    return [value * keep if (value > 0) == positive else value for value in values]


def _half_up(value: float) -> int:
    return floor(value + 0.5 + 1e-9)
