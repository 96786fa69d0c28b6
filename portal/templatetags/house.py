"""What may a template say? Masked values, times, numbers, bands, permissions: each in the same words on every page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from moderation.desk.hostile import Segment, segments
from portal import clock, wording
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
    return _time(when, wording.since(when, clock.now())) if when else "–"


@register.filter
def due(when: datetime | None) -> SafeString | str:
    """Where a deadline stands, with the exact time on hover."""
    return _time(when, wording.due(when, clock.now())) if when else "–"


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
def hostile(text: str | None) -> list[Segment]:
    """Text somebody else wrote, in segments for parts/hostile.html; nothing in it is ever marked as safe."""
    return segments(text or "")


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """The value under a key that is itself a variable."""
    return mapping.get(key) if mapping else None


@register.simple_tag(takes_context=True)
def back_url(context: template.Context) -> str:
    """The page of this site that a form was sent from, or nothing."""
    request = context["request"]
    referer = request.headers.get("Referer", "")
    return referer if url_has_allowed_host_and_scheme(referer, {request.get_host()}) else ""


# --- The frame ------------------------------------------------------------------------------------------------------

# Two keys, one after the other, that go to a door of the rail.
DOOR_KEYS = {
    "desk": "g q",
    "search": "g s",
    "approvals": "g a",
    "dashboard": "g b",
    "outbox": "g o",
    "log": "g l",
    "exports": "g x",
    "reveals": "g v",
    "holds": "g h",
    "strategies": "g r",
    "people": "g p",
    "queues": "g t",
}
# Pages that stand below a door without sharing its address.
BELOW = {
    "desk": ("/cases/", "/queues/"),
    "search": ("/accounts/",),
    "queues": ("/settings/",),
    "reveals": ("/privacy/",),
}


@register.inclusion_tag("parts/rail.html", takes_context=True)
def rail(context: template.Context) -> dict[str, Any]:
    """The doors this person's roles open, with live counts and the one we stand in marked."""
    path = context["request"].path
    doors = [
        {
            "name": door.name,
            "title": door.title,
            "icon": door.icon,
            "url": door.url,
            "key": DOOR_KEYS.get(door.name, ""),
            "count": context["counts"].get(door.name, ""),
        }
        for door in context["doors"]
    ]
    here = max((door for door in doors if _stands_in(door, path)), key=lambda door: len(door["url"]), default=None)
    return {"doors": doors, "here": here["name"] if here else ""}


def _stands_in(door: dict[str, str], path: str) -> bool:
    return (
        path == door["url"]
        or (door["url"] != "/" and path.startswith(door["url"]))
        or path.startswith(BELOW.get(door["name"], ()) or "//")
    )


@register.inclusion_tag("parts/pager.html", takes_context=True)
def pager(context: template.Context, after: str | None, first: bool = True) -> dict[str, Any]:
    """Links of a list that pages by cursor: back to the first page and on to the next, keeping the filter."""
    query = context["request"].GET.copy()
    query.pop("cursor", None)
    start = query.urlencode()
    if after:
        query["cursor"] = after
    return {"start": f"?{start}", "next": f"?{query.urlencode()}" if after else "", "first": first}
