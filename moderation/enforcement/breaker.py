"""Is a backend worth calling? Counts what happened in a window and says when to stop and when to look again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=30)
ENOUGH_CALLS = 20
REST = timedelta(seconds=10)  # an open breaker lets one probe through per rest


@dataclass(frozen=True)
class Breaker:
    """What stands in the backend's row: the window's counts, and until when nothing is called."""

    window_at: datetime | None = None
    calls: int = 0
    failures: int = 0
    open_until: datetime | None = None


def after_failure(breaker: Breaker, *, now: datetime, successes: int = 0) -> Breaker:
    """One more call that did not get through, and the successes since the last time anybody counted."""
    if breaker.open_until is not None:  # the probe failed, or a call that was under way when it opened
        return replace(breaker, open_until=max(breaker.open_until, now + REST))
    if breaker.window_at is None or now - breaker.window_at > WINDOW:
        breaker = Breaker(window_at=now)
    calls, failures = breaker.calls + successes + 1, breaker.failures + 1
    opens = calls >= ENOUGH_CALLS and 2 * failures >= calls
    return replace(breaker, calls=calls, failures=failures, open_until=now + REST if opens else None)


def after_success(breaker: Breaker) -> Breaker:
    """A call got through: an open breaker closes and counts from nothing."""
    return Breaker() if breaker.open_until is not None else breaker


class Tally:
    """Successes of this process since somebody last asked, none older than the window."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: dict[str, tuple[float, int]] = {}

    def add(self, name: str) -> None:
        """One more call got through."""
        with self.lock:
            since, count = self.counts.get(name, (0.0, 0))
            fresh = time.monotonic() - since <= WINDOW.total_seconds()
            self.counts[name] = (since, count + 1) if fresh else (time.monotonic(), 1)

    def take(self, name: str) -> int:
        """How many there were; they are not told twice."""
        with self.lock:
            since, count = self.counts.pop(name, (0.0, 0))
            return count if time.monotonic() - since <= WINDOW.total_seconds() else 0
