"""What was done, and what was answered, in the order in which it happened? One line of JSON each, kept beside the run.

A checker reads it afterwards: what somebody was told is kept must be there, whatever died since.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any


class History:
    """Append-only, from any thread. Each line is `{"at": seconds since the epoch, "what": …, …}`."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.file = path.open("a+b", buffering=0)

    def add(self, what: str, **told: Any) -> None:
        """One more line. Names in use: ordered, refused, unanswered, killed, started, broken, mended, measured."""
        line = json.dumps({"at": time.time(), "what": what, **told}, default=str).encode() + b"\n"
        with self.lock:
            self.file.write(line)

    def read(self, *what: str) -> list[dict[str, Any]]:
        """The lines of these names, or all of them."""
        lines = [json.loads(line) for line in self.path.read_bytes().splitlines()]
        return [line for line in lines if not what or line["what"] in what]

    def close(self) -> None:
        """No more lines."""
        self.file.close()
