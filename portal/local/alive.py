"""What goes on after READY? One harmless signal each six seconds, told at the public door like any other program's.

Standard library only; it walks in with the key in `demo.json`, and waits where nobody opens.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portal.local import day_background

EVERY = 6.0  # seconds


def deeds(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Things that the background accounts do now, without end."""
    while True:
        speaker = str(day_background.FIRST + int(day_background.ACCOUNTS * rng.random() ** 1.6))
        now = datetime.now(UTC)
        yield day_background.one(f"alive-{now.timestamp():.3f}", speaker, now, rng)


def send(data_dir: Path, signal: dict[str, Any]) -> None:
    """Tell one signal at the door; raises OSError or ValueError where that is not possible now."""
    demo = json.loads((data_dir / "demo.json").read_text(encoding="utf-8"))
    request = urllib.request.Request(
        f"{demo['url']}/api/v1/signals",
        json.dumps(signal).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {demo['api_key']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def main(data_dir: Path) -> int:
    """Until stopped."""
    for signal in deeds(random.Random()):
        time.sleep(EVERY)
        with contextlib.suppress(OSError, ValueError, KeyError):  # it comes back by itself
            send(data_dir, signal)
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(Path(sys.argv[1])))
