"""Who called the stand-in platform, when, and what came of it? Each call by itself, also one without effect.

A platform that knows its keys hides a call that was repeated blindly; this book does not.
"""

from __future__ import annotations

import collections
import itertools
import threading
import time
from typing import Any

KEPT = 200_000  # calls; older ones are forgotten
PAGE = 1000


class Calls:
    """The newest calls in order of arrival, each `{"n", "at": seconds since the epoch, "what", …}`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: collections.deque[dict[str, Any]] = collections.deque(maxlen=KEPT)
        self.number = 0

    def add(self, what: str, **told: Any) -> dict[str, Any]:
        """One more: an `action`, a `read`, or somebody who followed a redirect `inside`."""
        with self.lock:
            self.number += 1
            row = {"n": self.number, "at": time.time(), "what": what, **told}
            self.rows.append(row)
            return row

    def after(self, n: int) -> list[dict[str, Any]]:
        """The calls of a higher number, a page of them."""
        with self.lock:
            passed = max(0, n - (self.number - len(self.rows)))
            return [dict(row) for row in itertools.islice(self.rows, passed, passed + PAGE)]
