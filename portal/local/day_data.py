"""What is told? The data of the day: people, archetypes, fates, stories, words, read from `stories/`."""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "stories"
ENDS = timedelta(hours=16)  # the day is told up to 16:00, the moment of READY


@dataclass
class Flagged:
    """An account of the day, what the rules will see of it, and what becomes of it."""

    id: str
    type: str
    told_by: str  # a story's id, or an archetype
    handle: str
    region: str
    lang: str
    bio: str
    features: dict[str, Any]
    raw: tuple[int, int] | None = None
    expect: dict[str, int] = field(default_factory=dict)
    display_name: str = ""
    opened: datetime | None = None  # when its case opens; None until it is planned
    opens_by: str = "score"  # "score", "nobody", or the person who adds the case
    why: str = ""
    fate: str = "story"  # decided, awaiting, claimed, escalated, pending, waiting, watch; story: its steps say
    outcome: str = ""
    reason: str = ""
    days: int = 0
    scope: str = ""
    told: dict[str, Any] = field(default_factory=dict)  # sample, reports, target, shares, devices, ip, past


@dataclass(frozen=True)
class Clock:
    """Turns the times of the story into times of ours: 16:00 is the moment of READY."""

    ready_at: datetime

    def at(self, text: str) -> datetime:
        """`14:02`, `11:21:05`, or `-6d 11:20` for six days before."""
        found = re.fullmatch(r"(?:-(\d+)d )?(\d\d):(\d\d)(?::(\d\d))?", text)
        if not found:
            raise ValueError(f"{text!r} is no time of the day")
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        of_day = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return self.ready_at - ENDS + of_day - timedelta(days=days)


@cache
def people() -> list[dict[str, Any]]:
    return _toml("people.toml")["person"]  # type: ignore[no-any-return]


@cache
def texts() -> dict[str, Any]:
    return _toml("texts.toml")


@cache
def counts() -> dict[str, Any]:
    return _toml("counts.toml")


@cache
def archetypes() -> list[dict[str, str]]:
    return _csv("archetypes.csv")


@cache
def fates() -> list[dict[str, str]]:
    return _csv("fates.csv")


@cache
def stories() -> list[dict[str, Any]]:
    """All stories, in order; a file holds several."""
    return [story for path in sorted(FOLDER.glob("s[0-9]*.toml")) for story in _toml(path.name)["story"]]


def numbers(text: str) -> list[str]:
    """`70001-70003` is three accounts, `70024` is one."""
    first, _, last = text.partition("-")
    return [str(number) for number in range(int(first), int(last or first) + 1)]


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _csv(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))
