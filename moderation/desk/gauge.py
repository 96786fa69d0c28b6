"""How does a score add up, drawn? Pure: bars from a common zero, what each cap took, the score without each rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.wording import BAND_WORDS, band_of, number, plain, signed

TONES = ((25, "high"), (12, "review"), (1, "watch"))  # points of one rule → its colour; the number stands beside it


@dataclass(frozen=True)
class Contribution:
    """One rule's part: `x` and `w` place its bar in percent of the track, `ghost_*` what the cap of its group took."""

    title: str
    note: str
    points: str
    sign: str  # "up", "down", "none"
    tone: str
    x: float
    w: float
    ghost_x: float
    ghost_w: float
    without: str
    facts: list[tuple[str, str]] = field(default_factory=list)


def contributions(reasons: Sequence[Mapping[str, Any]], *, raw: int) -> list[Contribution]:
    """Rows for the screen, from rows of `Reason`: rule, group, title, points, before_cap, detail."""
    before: dict[str, int] = defaultdict(int)
    after: dict[str, int] = defaultdict(int)
    members: dict[str, int] = defaultdict(int)
    for reason in reasons:
        before[reason["group"]] += reason["before_cap"]
        after[reason["group"]] += reason["points"]
        members[reason["group"]] += 1
    up = max([1, *(max(reason["points"], reason["before_cap"]) for reason in reasons)])
    down = max([0, *(-min(reason["points"], reason["before_cap"]) for reason in reasons)])
    scale = 100 / (up + down)
    zero = down * scale
    rows, named = [], set()
    for reason in reasons:
        name = reason["group"]
        first = name not in named
        named.add(name)
        group = (before[name], after[name], members[name] if first else 0)
        rows.append(_row(reason, zero=zero, scale=scale, raw=raw, group=group))
    return rows


def _row(
    reason: Mapping[str, Any], *, zero: float, scale: float, raw: int, group: tuple[int, int, int]
) -> Contribution:
    points, full = reason["points"], reason["before_cap"]
    before, after, members = group
    detail = reason["detail"] or {}
    note = ""
    if detail.get("floor"):
        note = "lifts the score to its floor"
    elif before > after > 0 and members:  # said once, at the first rule of a group
        note = f"{members} rules together capped at {after}" if members > 1 else f"capped at {after}"
    lost = max(0, full - points) if points >= 0 else 0
    rest = before - full  # what the others of the group would give without this one
    without = raw - after + (min(rest, after) if before > after else rest)
    shown = max(0, min(100, without))
    return Contribution(
        title=reason["title"][:1].upper() + reason["title"][1:],
        note=note,
        points=signed(points),
        sign="up" if points > 0 else "down" if points < 0 else "none",
        tone="trust" if points < 0 else next((tone for least, tone in TONES if points >= least), "low"),
        x=round(zero + min(points, 0) * scale, 2),
        w=round(abs(points) * scale, 2),
        ghost_x=round(zero + points * scale, 2),
        ghost_w=round(lost * scale, 2),
        without=f"{shown}, {BAND_WORDS[band_of(shown)].lower()}",
        facts=[(plain(name), said(value)) for name, value in (detail.get("features") or {}).items()],
    )


def said(value: Any) -> str:
    """A feature's value for a person."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, places=0 if float(value).is_integer() else 2)
    return str(value)[:120]


def missing(gaps: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Rules that were not evaluated, each with the features nobody told us."""
    return [(plain(rule.partition("_")[2] or rule), ", ".join(names)) for rule, names in gaps.items()]
