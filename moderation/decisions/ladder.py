"""What is the next rung? Strikes in force and the weight of the policy say what the screen proposes; people decide."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Rung:
    """What is proposed at a number of strikes; `days` only for a suspension."""

    outcome: str
    days: int = 0

    @property
    def says(self) -> str:
        """The rung in words, for the screen."""
        if self.outcome == "suspend":
            return f"Suspend for {self.days} days"
        return "Ban, with a second person" if self.outcome == "ban" else "Warn"


LADDER = (Rung("warn"), Rung("suspend", 3), Rung("suspend", 7), Rung("suspend", 30), Rung("ban"))
ON_LADDER = frozenset(rung.outcome for rung in LADDER)


def proposed(*, strikes: int, weight: int, allowed: Collection[str]) -> Rung | None:
    """The rung for the strikes in force and those this policy adds; None where it has none or the workflow lacks it."""
    if weight <= 0:
        return None
    rung = LADDER[min(strikes + weight, len(LADDER)) - 1]
    return rung if rung.outcome in allowed else None


def overrides(rung: Rung | None, *, outcome: str, until: datetime | None, now: datetime) -> bool:
    """Whether an outcome of the ladder leaves the proposed rung: another one, or a suspension of another length."""
    if rung is None or outcome not in ON_LADDER:
        return False
    return rung.outcome != outcome or (
        rung.outcome == "suspend" and until is not None and days_until(until, now=now) != rung.days
    )


def days_until(until: datetime, *, now: datetime) -> int:
    """The length of a measure in days, to the nearest day."""
    return math.floor((until - now) / timedelta(days=1) + 0.5)
