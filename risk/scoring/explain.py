"""Why this many points? Contributions as ordered plain sentences, with what could not be looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .score import Contribution

TITLE_LENGTH = 200
_PLACE = re.compile(r"\{([a-z0-9_]+)\}")


def title(says: str, values: Mapping[str, Any]) -> str:
    """The rule's sentence with its values in place: `{posts_24h} posts in a day` → `52 posts in a day`."""
    return _PLACE.sub(lambda found: shown(values.get(found[1])), says)[:TITLE_LENGTH]


def shown(value: Any) -> str:
    """A value as it stands in a sentence.

    Yes and no, whole numbers in thousands, decimals to three places, ? for missing.
    """
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def ordered(rows: Iterable[Contribution]) -> list[Contribution]:
    """The rows as people read them: what adds most first, then what takes away, trust last."""
    return sorted(rows, key=lambda row: (row.points < 0, -abs(row.points), row.rule))


def missing_sentence(features: Sequence[str]) -> str:
    """Why a rule was not evaluated, such as: `not evaluated: feature posts_24h missing`."""
    noun = "feature" if len(features) == 1 else "features"
    return f"not evaluated: {noun} {', '.join(features)} missing"


def cap_sentence(row: Contribution, cap: int) -> str:
    """What a cap took, or nothing."""
    lost = row.before_cap - (row.points - row.lifted)
    return f"{row.before_cap} points, {lost} of them over the limit of {cap} for {row.group}" if lost > 0 else ""
