"""Is who does a long job alive, and is it still theirs to do? A sign of life while the job has no time to give one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two signs of life


class Lost(Exception):
    """The job was cancelled, or another worker took it over."""


class Pulse(threading.Thread):
    """Writes down how far a job is, on a connection of its own, as long as its row is still ours.

    The job itself may be in one snapshot, or in one long call; where it can, it calls `progress`, which raises `Lost`.
    """

    def __init__(self, mine: QuerySet[Any], clock: Callable[[], datetime]) -> None:
        super().__init__(daemon=True)
        self.mine, self.clock = mine, clock
        self.done, self.total, self.lost = 0, 0, False
        self.over = threading.Event()

    def run(self) -> None:
        try:
            while not self.over.wait(EVERY) and not self.lost:
                self.lost = not self.mine.update(beat_at=self.clock(), done=self.done, total=self.total)
        except Exception:
            log.exception("the pulse of a job stopped")
        finally:
            connection.close()

    def progress(self, done: int, total: int) -> None:
        """The job is so far; nothing to do says only that it is alive."""
        if total:
            self.done, self.total = done, total
        if self.lost:
            raise Lost

    def __enter__(self) -> Pulse:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.over.set()
        self.join()
