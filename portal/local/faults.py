"""What goes wrong on the stand-in platform, and when? As asked for, and the same again with the same seed."""

from __future__ import annotations

import random
import threading
from typing import Any

BEFORE = ("error_500", "timeout_before", "rate_429")  # nothing was applied
AFTER = ("timeout_after", "reset", "garbage")  # applied, but who asked cannot tell
NUMBERS = ("slow_ms", "seed", "next_timeout_after", "away_s")


class Faults:
    """Draws one fault, or none, per call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.set({})

    def set(self, wanted: dict[str, Any]) -> None:
        """Replace all faults; ValueError says what is wrong with the request."""
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
            self.next_timeout_after = int(wanted.get("next_timeout_after", 0))
            self.dice = random.Random(wanted.get("seed", 1))

    def time_out_next(self, calls: int) -> None:
        with self.lock:
            self.next_timeout_after += calls

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
