"""What can a visitor of the demo break? The buttons on the stand-in platform's page, each of which really does it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.local.platform import Platform

AWAY_SECONDS = 60
TIMEOUTS = 20


class Breakage:
    """Breaks one thing at a time, in the demo whose `demo.json` it was given."""

    def __init__(self, platform: Platform, demo: Path) -> None:
        self.platform = platform
        self.demo = demo

    def press(self, button: str) -> str:
        """Do it, and answer the name of what to say about it."""
        match button:
            case "away":
                self.platform.go_away(AWAY_SECONDS)
            case "timeouts":
                self.platform.faults.time_out_next(TIMEOUTS)
            case "worker":
                self._kill_worker()
            case "broker":
                self._empty_broker()
            case _:
                return "nothing"
        return button

    def _kill_worker(self) -> None:
        pid = self._told()["processes"].get("worker")
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # it leads its session: what it forked goes with it

    def _empty_broker(self) -> None:
        import redis

        redis.Redis.from_url(self._told()["redis_url"]).flushdb()

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.demo.read_text(encoding="utf-8"))
        return told
