"""How is a number or a time said to a person? Pure: the same words on every page, list and chart."""

from __future__ import annotations

from datetime import datetime, timedelta

NARROW = "\u202f"  # narrow no-break space: groups digits without being read as a comma or a point
BANDS = ((85, "critical"), (70, "high"), (50, "review"), (25, "watch"), (0, "low"))
BAND_WORDS = {"low": "Low", "watch": "Watch", "review": "Review", "high": "High", "critical": "Critical"}


def number(value: float | None, *, places: int = 0) -> str:
    """A number with grouped digits, a true minus sign, and a dash when there is none."""
    if value is None:
        return "–"
    return f"{value:,.{places}f}".replace(",", NARROW).replace("-", "−")


def signed(points: int) -> str:
    """Points with their sign: +30, −10, 0."""
    return f"+{points}" if points > 0 else str(points).replace("-", "−")


def capped(count: int, cap: int = 1000) -> str:
    """A count that was read only up to `cap`."""
    return f"{number(cap)}+" if count >= cap else number(count)


def span(length: timedelta) -> str:
    """How long, in at most two units: 40 s, 12 min, 2 h 10 min, 26 h, 3 days."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 12 and rest:
        return f"{hours} h {rest} min"
    if hours < 48:
        return f"{hours} h"
    return f"{hours // 24} days"


def since(when: datetime | None, now: datetime) -> str:
    """How long ago, or in how long: 3 min ago, just now, in 2 h."""
    if when is None:
        return "–"
    passed = now - when
    if passed < timedelta(0):
        return f"in {span(-passed)}"
    return "just now" if passed < timedelta(seconds=5) else f"{span(passed)} ago"


def due(when: datetime, now: datetime) -> str:
    """Where a deadline stands: due in 2 h 10 min, 40 min late."""
    return f"due in {span(when - now)}" if when >= now else f"{span(now - when)} late"


def moment(when: datetime | None) -> str:
    """The exact time, for focus and for records: 20 Nov 2026, 16:00:04 UTC."""
    if when is None:
        return ""
    return f"{when.day} {when:%b %Y, %H:%M:%S} {when.tzname() or ''}".strip()


def day(when: datetime | None) -> str:
    """A day as people say it: Friday 27 November."""
    return "" if when is None else f"{when:%A} {when.day} {when:%B}"


def short_day(when: datetime, now: datetime) -> str:
    """When, as short as it may be beside `now`: 10:31 today, Tue this week, 2 Nov, 14 Mar 2025."""
    if when.date() == now.date():
        return f"{when:%H:%M}"
    if timedelta(0) <= now - when < timedelta(days=6):
        return f"{when:%a %H:%M}"
    return f"{when.day} {when:%b}" if when.year == now.year else f"{when.day} {when:%b %Y}"


def band_of(shown: int) -> str:
    """The band of a score as shown, by the common thresholds."""
    return next(band for points, band in BANDS if shown >= points)


def plain(name: str) -> str:
    """A stored name as words: fake_account → Fake account."""
    return name.replace("_", " ").capitalize()
