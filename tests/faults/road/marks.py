"""Does a worker still hear a queue? A task that writes down when it ran; a worker of a round includes it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task

FILE = "ROAD_MARKS"  # the variable that names the file


@shared_task
def mark(*, queue: str, **_later: Any) -> None:
    """One line: the queue, and when."""
    with Path(os.environ[FILE]).open("a", encoding="ascii") as file:
        file.write(f"{queue} {time.time()}\n")


def read() -> dict[str, list[float]]:
    """When each queue was heard."""
    heard: dict[str, list[float]] = {}
    path = Path(os.environ[FILE])
    for line in path.read_text(encoding="ascii").splitlines() if path.exists() else []:
        queue, _, at = line.partition(" ")
        heard.setdefault(queue, []).append(float(at))
    return heard
