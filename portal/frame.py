"""What stands around every page?

The rail's doors that this person's roles open, with live counts, asked once per page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from portal.people.models import User
from portal.people.permissions import Permission as P


@dataclass(frozen=True)
class Door:
    """One entry of the rail: where it leads, its icon, and who sees it."""

    name: str
    title: str
    icon: str
    needs: tuple[P, ...]

    @property
    def url(self) -> str:
        return reverse(self.name)


DOORS = (
    Door("desk", "Desk", "inbox", (P.CASE_CLAIM,)),
    Door("search", "Search", "magnifying-glass", (P.ACCOUNT_READ,)),
    Door("approvals", "Approvals", "check-badge", (P.DECISION_APPROVE,)),
    Door("bulks", "Many at once", "rectangle-stack", (P.DECISION_BULK,)),
    Door("dashboard", "Dashboards", "chart-bar", (P.DASHBOARD_READ, P.DASHBOARD_OWN)),
    Door("outbox", "Outbox", "paper-airplane", (P.ENFORCEMENT_READ,)),
    Door("log", "Log", "document-text", (P.AUDIT_READ,)),
    Door("exports", "Exports", "arrow-down-tray", (P.EXPORT_MAKE,)),
    Door("reveals", "Privacy", "eye", (P.REVEAL_REVIEW,)),  # and the pages beside it: holds, erasure, retention
    Door("holds", "Holds", "lock-closed", (P.HOLD_AGREE,)),
    Door("strategies", "Strategies", "adjustments-horizontal", (P.STRATEGY_READ,)),
    Door("people", "People", "users", (P.PEOPLE_MANAGE,)),
    Door("queues", "Settings", "cog-6-tooth", (P.SETTINGS_READ,)),
)


def doors_of(user: User) -> list[Door]:
    """The rail for one person; a door whose page does not exist is left out."""
    found = []
    for door in DOORS:
        try:
            door.url  # noqa: B018 - asks whether the page exists
        except NoReverseMatch:
            continue
        if any(user.may(permission) for permission in door.needs):
            found.append(door)
    return found


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context for `base.html`.

    `doors`, `counts` (by door name), `version`; nothing is asked for who is not signed in.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"doors": [], "counts": {}, "version": settings.VERSION}
    return {
        "doors": SimpleLazyObject(lambda: doors_of(user)),
        "counts": SimpleLazyObject(lambda: counts_of(user)),
        "version": settings.VERSION,
    }


def counts_of(user: User) -> dict[str, str]:
    """Live counts for the rail, each bounded: never an exact count of a million rows."""
    from moderation.desk.counts import rail_counts  # the roof reads the desk only when a page is drawn

    return rail_counts(user)
