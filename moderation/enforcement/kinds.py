"""Which actions are there, and what undoes what?"""

from __future__ import annotations

_PAIRS = (
    ("label", "unlabel"),
    ("limit_reach", "restore_reach"),
    ("restrict", "unrestrict"),
    ("suspend", "unsuspend"),
    ("ban", "unban"),
    ("demonetize", "remonetize"),
    ("hold_payout", "release_payout"),
    ("secure", "release"),
    ("require_age_check", "lift_age_check"),
)
LIFTED_BY = dict(_PAIRS)  # a measure → what lifts it
LIFTS = {lift: measure for measure, lift in _PAIRS}
OPPOSITE = LIFTED_BY | LIFTS
WITHOUT_OPPOSITE = ("warn", "notify")  # what was said cannot be unsaid
KINDS = (*OPPOSITE, *WITHOUT_OPPOSITE)


def family(kind: str) -> tuple[str, ...]:
    """The kinds that settle the same thing about an account: a measure and what lifts it."""
    return (kind, OPPOSITE[kind]) if kind in OPPOSITE else (kind,)
