"""What does a room above know against a claim? Registered when the app is ready; cases know no name above them."""

from __future__ import annotations

from collections.abc import Callable

from portal.people.models import User

# (person, risk type) → the name of a changed policy this person has not read, or "".
Unread = Callable[[User, str], str]
_checks: list[Unread] = []


def before_claim(check: Unread) -> None:
    """Register what is asked before each claim within personal limits."""
    _checks.append(check)


def unread_by(user: User, risk_type: str) -> str:
    """The first unread policy that any room names for a case of this risk type, or ""."""
    return next((name for check in _checks if risk_type and (name := check(user, risk_type))), "")
