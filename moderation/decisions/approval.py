"""Does this need a second pair of eyes, and whose?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from risk.strategy import language

# The safe start: beside what the workflow says, each of these has a second person, whatever the account.
ALWAYS = frozenset({"ban"})
ESTABLISHED = "account_age_days >= 365 OR followers_count >= 10000 OR monetized = TRUE OR is_protected = TRUE"
# Lanes whose specialists may give the second word; elsewhere it is a lead's.
SPECIALIST_LANES = frozenset({"minors", "safety"})


def asks(approval: Mapping[str, str], outcome: str) -> bool:
    """Whether the answer hangs on facts about the account: only then they must be fetched."""
    return outcome not in ALWAYS and approval.get(outcome, "never") not in ("always", "never")


def needs_second_person(approval: Mapping[str, str], outcome: str, values: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether somebody else must agree, and why in words.

    As a rule fires only on true, a condition over facts nobody told us does not hold. `values`: features and
    `until_days`.
    """
    if outcome in ALWAYS:
        established = bool(values) and bool(language.holds(ESTABLISHED, dict(values)))
        return True, "Every ban needs a second person" + ("; this is an established account." if established else ".")
    condition = approval.get(outcome, "never")
    if condition == "never":
        return False, ""
    if condition == "always":
        return True, f"The workflow asks for a second person for every {outcome.replace('_', ' ')}."
    if language.holds(condition, dict(values)):
        return True, f"The workflow asks for a second person where {condition}."[:200]
    return False, ""


def may_give(*, lane: str, roles: frozenset[str] | set[str]) -> bool:
    """Whether somebody with these roles gives the second word in this lane: leads everywhere, specialists in theirs."""
    return "lead" in roles or ("specialist" in roles and lane in SPECIALIST_LANES)
