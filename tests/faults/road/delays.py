"""How long did actions wait? From ordered to applied, by the moment at which they were ordered."""

from __future__ import annotations

from datetime import UTC, datetime


def delays(*, since: float, until: float) -> list[float]:
    """Seconds from ordered to applied of the actions ordered between two moments (of `time.time()`), sorted."""
    from moderation.enforcement.models import Enforcement

    between = (datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC))
    applied = Enforcement.objects.filter(status="applied", ordered_at__gte=between[0], ordered_at__lt=between[1])
    return sorted((end - begun).total_seconds() for begun, end in applied.values_list("ordered_at", "settled_at"))


def at(delays: list[float], part: float) -> float:
    """The delay that this part of them (0 to 1) stays below; 0 where there are none."""
    return delays[min(len(delays) - 1, int(len(delays) * part))] if delays else 0.0


def applied_between(since: float, until: float) -> int:
    """How many actions were applied between two moments."""
    from moderation.enforcement.models import Enforcement

    between = (datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC))
    return Enforcement.objects.filter(status="applied", settled_at__gte=between[0], settled_at__lt=between[1]).count()
