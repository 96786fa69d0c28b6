"""What was reported elsewhere? Asks the described systems, newest first, down to what is known; each report once.

A page is one delivery. The cursor moves only when a walk has come down to it, so a walk that broke off is walked again;
what comes twice is a duplicate. One page more than needed is read: a report may come into sight late.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Value
from django.db.models.functions import Greatest

from portal import peer
from portal.audit.actions import Subject

from . import actions, models, writing
from .feeds import Feed, feeds
from .schema import BadSignal

log = logging.getLogger(__name__)

SIZE = 100  # items of a page
LARGEST = 4 << 20  # bytes of a page; who reports may write much, and must not keep others from being heard
SKIPPED = 100  # items too large to be read that a walk steps over
LATE = timedelta(days=1)  # how much later than it was made an item may come into sight


class Stuck(Exception):
    """A feed could not be read: why. `away`: nobody answered, so it may work again."""

    def __init__(self, why: str, *, away: bool = False) -> None:
        super().__init__(why)
        self.away = away


@dataclass
class Pulled:
    """What a walk brought."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[str] = field(default_factory=list)  # each with the item's id, a path and a reason
    unread: int = 0  # items too large to be read
    cursor: int = 0
    whole: bool = False  # came down to what was known


def pull_all(*, by: Subject, clock: Callable[[], datetime], stopped: Callable[[], bool]) -> dict[str, Pulled]:
    """Pull every feed that is set up; one that cannot be read does not keep the others back."""
    found = {}
    for name, feed in feeds().items():
        if peer.value_of(feed.peer.base) and not stopped():
            try:
                found[name] = pull(feed, by=by, clock=clock, stopped=stopped)
            except Stuck as stuck:
                log.warning("The feed %s could not be read: %s.", name, stuck)
    return found


def pull(
    feed: Feed, *, by: Subject, clock: Callable[[], datetime], stopped: Callable[[], bool] = lambda: False,
    again: bool = False,
) -> Pulled:  # fmt: skip
    """Walk one feed down to what is known, or (`again`) to its end. Raises `Stuck`, and keeps why in the feed's row."""
    row, _ = models.Feed.objects.get_or_create(name=feed.name)
    told = Pulled(cursor=row.cursor)
    try:
        _walk(feed, told, known=0 if again else row.cursor, by=by, clock=clock, stopped=stopped)
    except Stuck as stuck:
        models.Feed.objects.filter(pk=row.pk).update(problem=str(stuck)[:200])
        raise
    mine = models.Feed.objects.filter(pk=row.pk)
    if told.whole:
        mine.update(cursor=Greatest("cursor", Value(told.cursor)), pulled_at=clock(), problem="")
    else:
        problem = "the time was up before everything was read; manage.py pull takes the time it needs"
        mine.update(problem=problem)
        log.warning("The feed %s was not read to its end: %s.", feed.name, problem)
    return told


def _walk(
    feed: Feed, told: Pulled, *, known: int, by: Subject, clock: Callable[[], datetime], stopped: Callable[[], bool]
) -> None:
    for page in _pages(feed, told, clock=clock):
        numbers = [_number(feed, item) for item in page]
        _ingest(feed, told, list(zip(numbers, page, strict=True)), known=known, by=by, now=clock())
        told.cursor = max([told.cursor, *numbers])
        if numbers and max(numbers) <= known:
            break
        if stopped():
            return
    told.whole = True


def _pages(feed: Feed, told: Pulled, *, clock: Callable[[], datetime]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The pages from the newest on. One that is too large is asked for in halves, down to the item that is."""
    start: Any = 0
    size = SIZE
    while start is not None:
        try:
            page, following = _page(feed, start, size, clock=clock())
        except peer.TooMuch:
            if size > 1:
                size //= 2
                continue
            if not isinstance(start, int) or told.unread >= SKIPPED:
                raise Stuck(f"an item is larger than {LARGEST} bytes, and there is no way around it") from None
            told.unread += 1
            page, following = [], start + 1
        yield page
        start, size = following, min(SIZE, size * 2)


def _page(feed: Feed, start: Any, size: int, *, clock: datetime) -> tuple[Sequence[Mapping[str, Any]], Any]:
    asked = urlencode({feed.size: size} | ({feed.start: start} if start else {}))
    path = f"{feed.path}{'&' if '?' in feed.path else '?'}{asked}"
    try:
        reply = peer.ask(feed.peer, "GET", path, clock=clock, largest=LARGEST)
    except peer.TooMuch:
        raise
    except peer.Refused as ours:
        raise Stuck(str(ours)) from None
    except peer.Lost as lost:
        raise Stuck(str(lost), away=True) from None
    if reply.status != 200:
        raise Stuck(f"answered {reply.status}", away=reply.status == 429 or reply.status >= 500)
    page = peer.value_at(reply.told, feed.items)
    if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
        raise Stuck(f"there is no list of objects at {feed.items} in what it answered")
    following = peer.value_at(reply.told, feed.next)
    return page, following if page and following != start else None


def _ingest(
    feed: Feed, told: Pulled, items: Sequence[tuple[int, Mapping[str, Any]]], *, known: int, by: Subject, now: datetime
) -> None:
    """Hand the items on that are not known; of those below the cursor only what came into sight late."""
    raw = [(number, _signal(feed, item)) for number, item in items]
    source = str(feed.map.signal["source"].constant)
    names = [(source, one["external_id"]) for _, one in raw if isinstance(one, dict) and one.get("external_id")]
    there = {name for _, name in writing.known_signals(names)} if names else set()
    news = [(number, one) for number, one in raw if number > known or _came_late(one, there, now)]
    told.duplicates += sum(isinstance(one, dict) and one.get("external_id") in there for _, one in raw)
    fresh = [(number, one) for number, one in news if not (isinstance(one, dict) and one.get("external_id") in there)]
    if not fresh:
        return
    receipt = actions.ingest([one for _, one in fresh], by=by, now=now, door="pull")
    told.accepted += receipt.accepted
    told.duplicates += receipt.duplicates
    told.rejected += [f"{fresh[bad.index][0]}: {bad.path}: {bad.reason}" for bad in receipt.rejected]


def _came_late(one: Any, there: set[str], now: datetime) -> bool:
    """Made lately, sound enough to have a name and an account, and not here yet."""
    if not isinstance(one, dict) or one.get("external_id") in there or not one["account"].get("id"):
        return False
    try:
        return datetime.fromisoformat(one["occurred_at"]) > now - LATE
    except (KeyError, ValueError, TypeError):  # no time, or one without a zone
        return False


def _signal(feed: Feed, item: Mapping[str, Any]) -> Any:
    try:
        return feed.map.signal_of(item)
    except BadSignal as bad:
        return bad


def _number(feed: Feed, item: Mapping[str, Any]) -> int:
    number = peer.value_at(item, feed.id)
    if type(number) is not int or not 0 <= number < 1 << 63:
        raise Stuck(f"there is an item whose {feed.id} is no whole number")
    return number
