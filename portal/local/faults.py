"""What goes wrong on the stand-in platform, and when? As asked for, and the same again with the same seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

BEFORE = ("error_500", "timeout_before", "rate_429", "lie", "redirect", "late")  # nothing was applied, or not yet
AFTER = (
    "timeout_after",
    "reset",
    "garbage",
    "flood",
    "twice",
    "stall",
)  # applied, but who asked may not be able to tell
# `forget` 1: no key is known again, so that a second send is a second effect. `reads` 1: reading back goes wrong too.
NUMBERS = ("slow_ms", "seed", "next_timeout_after", "away_s", "stall_ms", "forget", "reads")
STALL = 30_000  # milliseconds, unless `stall_ms` says otherwise
RETRY_AFTER = ("1",)  # what a 429 asks for: texts as they are, or `{"date_in": seconds}`; one after the other


class Faults:
    """Draws one fault, or none, per call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.set({})

    def set(self, wanted: dict[str, Any]) -> None:
        """Replace all faults; ValueError says what is wrong with the request."""
        wanted = dict(wanted)
        asks = wanted.pop("retry_after", RETRY_AFTER)
        if not isinstance(asks, Sequence) or isinstance(asks, str) or not asks or not all(map(_is_ask, asks)):
            raise ValueError('retry_after is a list of texts in ASCII, or {"date_in": seconds}.')
        for name, value in wanted.items():
            if name not in (*BEFORE, *AFTER, *NUMBERS):
                raise ValueError(f"Unknown fault {name!r}.")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"{name} must be a number that is not negative.")
            if name not in NUMBERS and value > 1:
                raise ValueError(f"{name} is a rate: 0 to 1.")
        with self.lock:
            self.rates = {name: float(wanted.get(name, 0)) for name in (*BEFORE, *AFTER)}
            self.slow_seconds = float(wanted.get("slow_ms", 0)) / 1000
            self.stall_seconds = float(wanted.get("stall_ms", STALL)) / 1000
            self.forget, self.reads = bool(wanted.get("forget", 0)), bool(wanted.get("reads", 0))
            self.next_timeout_after = int(wanted.get("next_timeout_after", 0))
            self.asks, self.asked = asks, 0
            self.dice = random.Random(wanted.get("seed", 1))

    def time_out_next(self, calls: int) -> None:
        with self.lock:
            self.next_timeout_after += calls

    def ask(self) -> Any:
        """The next of what a 429 asks for."""
        with self.lock:
            self.asked += 1
            return self.asks[(self.asked - 1) % len(self.asks)]

    def draw(self) -> str | None:
        with self.lock:
            if self.next_timeout_after:
                self.next_timeout_after -= 1
                return "timeout_after"
            if not any(self.rates.values()):
                return None
            rest = self.dice.random()
            for name, rate in self.rates.items():
                if rest < rate:
                    return name
                rest -= rate
            return None


def _is_ask(ask: Any) -> bool:
    if isinstance(ask, dict):
        return ask.keys() == {"date_in"} and isinstance(ask["date_in"], int | float)
    return isinstance(ask, str) and ask.isascii() and ask.isprintable()
