"""What does an outcome do to an account, and what takes it back? The table of contract and screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Effect:
    """What an outcome sends and what its reversal sends; which parts it takes; whether it counts as a sanction."""

    sends: str = ""
    reversal: str = ""
    until: str = "no"  # "no", "may", "must"
    scope: bool = False
    strikes: bool = False  # whether the policy's strikes are given
    severe: bool = False  # needs a note, and counts against the cap of an hour
    urgent: bool = False  # never delayed
    says: str = ""  # on the button; {until} and {scope} are filled in where taken


SCOPES = ("live", "messages", "posts", "collect", "minor_mode")

OUTCOMES: Mapping[str, Effect] = MappingProxyType(
    {
        "no_action": Effect(says="Close without action"),
        "warn": Effect("warn", strikes=True, says="Warn"),
        "label": Effect("label", "unlabel", says="Label"),
        "limit_reach": Effect("limit_reach", "restore_reach", until="may", strikes=True, says="Limit reach"),
        "restrict": Effect("restrict", "unrestrict", until="may", scope=True, strikes=True, says="Restrict"),
        "suspend": Effect("suspend", "unsuspend", until="must", strikes=True, says="Suspend"),
        "ban": Effect("ban", "unban", strikes=True, severe=True, says="Ban"),
        "demonetize": Effect("demonetize", "remonetize", until="may", strikes=True, says="Demonetize"),
        "hold_payout": Effect("hold_payout", "release_payout", until="must", says="Hold pay-out"),
        "secure": Effect("secure", "release", urgent=True, says="Secure the account"),
        "verify_age": Effect("require_age_check", "lift_age_check", says="Ask for age"),
    }
)
