"""Over which time does a page count? Read from its URL and written back into its links. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from portal.refusal import Refused

LONGEST = timedelta(days=92)
PRESETS = {"24h": ("24 hours", 0), "today": ("Today", 0), "7d": ("7 days", 6), "28d": ("28 days", 27)}


@dataclass(frozen=True)
class Period:
    """From `start` up to but not including `end`; `name` is the preset, or empty for two given days."""

    start: datetime
    end: datetime
    name: str
    words: str

    @property
    def query(self) -> str:
        """How this period stands in a URL."""
        if self.name:
            return f"range={self.name}"
        return f"from={self.start:%Y-%m-%d}&to={self.end - timedelta(seconds=1):%Y-%m-%d}"

    @property
    def last(self) -> datetime:
        """A moment on the last day."""
        return self.end - timedelta(seconds=1)

    @property
    def step(self) -> timedelta:
        """The width of one bar: an hour up to two days, else a day."""
        return timedelta(hours=1) if self.end - self.start <= timedelta(days=2) else timedelta(days=1)

    @property
    def steps(self) -> list[datetime]:
        """The beginnings of the bars."""
        count = -((self.start - self.end) // self.step)
        return [self.start + self.step * index for index in range(count)]


def period(given: Mapping[str, str], *, now: datetime, zone: tzinfo) -> Period:
    """The period a URL asks for: `range=24h|today|7d|28d`, or `from` and `to` as days; `Refused` (400) for others."""
    local = now.astimezone(zone)
    if given.get("from") or given.get("to"):
        first = day(given.get("from") or given.get("to") or "")
        last = day(given.get("to") or local.date().isoformat())
        start = datetime.combine(first, time(0), zone)
        end = min(datetime.combine(last + timedelta(days=1), time(0), zone), _next_hour(local))
        if start >= end:
            raise Refused("The time asked for is empty: it ends before it begins, or has not begun.", status=400)
        if end - start > LONGEST:
            raise Refused("Ask for at most 92 days at once; the export has no such limit.", status=400)
        return Period(start, end, "", f"{_words(first)} – {_words(last)}" if first != last else _words(first))
    name = given.get("range") or "24h"
    if name not in PRESETS:
        raise Refused("The time range is one of 24h, today, 7d, 28d, or two days as from and to.", status=400)
    words, days = PRESETS[name]
    if name == "24h":
        return Period(_next_hour(local) - timedelta(hours=24), _next_hour(local), name, words)
    return Period(datetime.combine(local.date() - timedelta(days=days), time(0), zone), _next_hour(local), name, words)


def day(text: str) -> date:
    """A day written as 2026-11-20. Raises `Refused` (400) for other texts."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(f"“{text[:40]}” is not a day; write it as 2026-11-20.", status=400) from None


def moment(text: str, *, zone: tzinfo, ends: bool = False) -> datetime:
    """A day or a time with its zone, as a time; a day that `ends` a range is meant whole. Raises `Refused` (400)."""
    if len(text) <= 10:
        return datetime.combine(day(text) + timedelta(days=1 if ends else 0), time(0), zone)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise Refused(f"“{text[:40]}” is not a time; write 2026-11-20 or 2026-11-20T09:00:00Z.", status=400)
    return when


def _next_hour(when: datetime) -> datetime:
    return when.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _words(when: date) -> str:
    return f"{when.day} {when:%b %Y}"
