"""What may a template say? Masked values, times, numbers, bands, permissions: each in the same words on every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from moderation.desk.hostile import segments
from portal import wording
from portal.people.permissions import Permission
from portal.privacy.masking import masked as mask

register = template.Library()


@register.filter
def masked(value: str | None, kind: str = "handle") -> str:
    """A personal value as anybody may see it: lu•••_deals."""
    return mask(kind, value) if value else "–"


@register.filter
def since(when: datetime | None) -> SafeString | str:
    """How long ago, with the exact time on focus and hover."""
    return _time(when, wording.since(when, timezone.now())) if when else "–"


@register.filter
def due(when: datetime | None) -> SafeString | str:
    """Where a deadline stands, with the exact time on hover."""
    return _time(when, wording.due(when, timezone.now())) if when else "–"


@register.filter
def moment(when: datetime | None) -> SafeString | str:
    """The exact time, for people and for machines."""
    return _time(when, wording.moment(timezone.localtime(when))) if when else "–"


def _time(when: datetime, words: str) -> SafeString:
    local = timezone.localtime(when)
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), wording.moment(local), words)


@register.filter
def number(value: float | None, places: int = 0) -> str:
    """A number with grouped digits."""
    return wording.number(value, places=int(places))


@register.filter
def signed(points: int) -> str:
    """Points with their sign."""
    return wording.signed(points)


@register.filter
def capped(count: int, cap: int = 1000) -> str:
    """A count that was read only up to `cap`: 1 000+."""
    return wording.capped(count, int(cap))


@register.filter
def band(shown: int) -> str:
    """The band of a score by the common thresholds: its CSS name."""
    return wording.band_of(int(shown))


@register.filter
def band_word(name: str) -> str:
    """The band in words, for the name of a band or a score."""
    return wording.BAND_WORDS.get(name if isinstance(name, str) else wording.band_of(name), "")


@register.filter
def plain(name: str) -> str:
    """A stored name as words: fake_account → Fake account."""
    return wording.plain(name or "")


@register.filter
def may(user: Any, permission: str) -> bool:
    """Whether this person may do that: {% if user|may:"case.claim" %}."""
    return bool(user and user.is_authenticated and user.may(Permission(permission)))


@register.filter
def hostile(text: str | None) -> list[dict[str, str]]:
    """Text somebody else wrote, in segments for parts/hostile.html; nothing in it is ever marked as safe."""
    return segments(text or "")


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """The value under a key that is itself a variable."""
    return mapping.get(key) if mapping else None


# --- The frame ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """One way in the rail: its word, its sign, whom it is for, and the key sequence that goes there."""

    name: str
    word: str
    icon: str
    permissions: tuple[Permission, ...]
    key: str
    last: bool = False


P = Permission
PLACES = (
    Place("desk", "Desk", "inbox", (P.CASE_CLAIM,), "g d"),
    Place("search", "Search", "magnifying-glass", (P.ACCOUNT_READ,), "g s"),
    Place("approvals", "Approvals", "clipboard-document-check", (P.DECISION_APPROVE,), "g a"),
    Place("dashboard", "Dashboards", "chart-bar", (P.DASHBOARD_READ, P.DASHBOARD_OWN), "g b"),
    Place("outbox", "Outbox", "paper-airplane", (P.ENFORCEMENT_READ,), "g o"),
    Place("log", "Log", "document-text", (P.AUDIT_READ,), "g l"),
    Place("exports", "Exports", "arrow-down-tray", (P.EXPORT_MAKE,), "g x"),
    Place("people", "People", "users", (P.PEOPLE_MANAGE,), "g p"),
    Place("strategies", "Strategies", "adjustments-horizontal", (P.STRATEGY_READ,), "g r"),
    Place("queues", "Settings", "cog-6-tooth", (P.SETTINGS_READ,), "g t", last=True),
)


@register.inclusion_tag("parts/rail.html", takes_context=True)
def rail(context: template.Context) -> dict[str, Any]:
    """The ways this person may go; counts come after the page, so that no page waits for them."""
    request = context.get("request")
    user = getattr(request, "user", None)
    shown = []
    for place in PLACES:
        if user is None or not user.is_authenticated or not any(user.may(permission) for permission in place.permissions):
            continue
        try:
            url = reverse(place.name)
        except NoReverseMatch:
            continue
        here = request.path == url or (url != "/" and request.path.startswith(url))
        shown.append({"place": place, "url": url, "here": here or _belongs(place.name, request.path)})
    return {"places": shown, "counts": any(entry["place"].name in ("desk", "approvals") for entry in shown)}


def _belongs(name: str, path: str) -> bool:
    """Pages below another in the rail: cases and queues are the desk's, accounts are the search's."""
    below = {"desk": ("/cases/", "/queues/"), "search": ("/accounts/",), "queues": ("/settings/",)}
    return path.startswith(below.get(name, ())) and not (name == "queues" and path.startswith("/settings/strategies/"))


@register.inclusion_tag("parts/pager.html", takes_context=True)
def pager(context: template.Context, after: str | None, first: bool = True) -> dict[str, Any]:
    """Links of a list that pages by cursor: back to the first page and on to the next, keeping the filter."""
    query = context["request"].GET.copy()
    query.pop("cursor", None)
    start = query.urlencode()
    if after:
        query["cursor"] = after
    return {"start": f"?{start}", "next": f"?{query.urlencode()}" if after else "", "first": first}
