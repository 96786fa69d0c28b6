"""B8: the backend's port is closed while much is ordered; it is asked seldom, and nobody storms it when it is back.

A backend of our own that takes few calls at once stands for the platform, so that a herd would show. The design's size
is 20,000 in an hour, drained in 15 minutes; here a tenth of it, in 3 minutes, drained in a tenth of the time.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.stage import until

from .broker import ended, ready
from .invariants import check
from .scene import Run, Scene

REST = 10.0  # seconds between two looks whether it is back
ROOT = Path(__file__).resolve().parents[3]


def narrow(folder: Path, *, at_once: int) -> None:
    """Describe a backend that serves our accounts and takes few calls at once. Before any stage."""
    shipped = (ROOT / "moderation/enforcement/connectors/platform.toml").read_text(encoding="utf-8")
    words = {'name = "platform"': 'name = "narrow"', '["*"]': '["main"]', "at_once = 32": f"at_once = {at_once}"}
    for old, new in words.items():
        assert old in shipped, old
        shipped = shipped.replace(old, new, 1)
    (folder / "backends").mkdir()
    (folder / "backends" / "narrow.toml").write_text(shipped, encoding="utf-8")
    os.environ["BACKENDS_DIR"] = str(folder / "backends")


def play(run: Run) -> None:
    """It goes away, much is ordered, it comes back."""
    size = run.size
    narrow(run.folder, at_once=size["at_once"])
    stage = run.stage()
    orders = ready(run, stage, slow_ms=20, decisions=size["queued"])
    opened: list[datetime] = []
    watching = threading.Thread(target=watch, args=(opened,), daemon=True)
    stage.faults({"away_s": size["away"], "slow_ms": 20})
    back = time.time() + size["away"]
    run.history.add("broken", name="away", away=size["away"])
    watching.start()
    for burst in orders.begin(size["queued"], threads=2):
        burst.join()
    waiting = still_open()
    time.sleep(max(0.0, back - time.time()))
    run.history.add("mended", name="away")
    drained = ended(within=size["drained"])
    took = time.time() - back
    figures = f"{size['queued']} ordered, {waiting} waited; {took:.0f} s after its return"
    run.hold(f"drained within {size['drained']} s", drained and waiting >= size["queued"] / 2, figures)
    asked_seldom(run, opened, datetime.fromtimestamp(back).astimezone())
    check(run, stage)


def watch(opened: list[datetime]) -> None:
    """When the breaker opened, by the row."""
    from django.db import connection
    from django.utils import timezone

    from moderation.enforcement.models import Backend

    if until(lambda: Backend.objects.filter(open_until__isnull=False).exists(), within=60, every=0.01):
        opened.append(timezone.now())
    connection.close()


def still_open() -> int:
    from moderation.enforcement.models import Enforcement

    return Enforcement.objects.open().count()


def asked_seldom(run: Run, opened: list[datetime], back: datetime) -> None:
    """From the breaker's opening to the return: the calls, and the shortest time between two."""
    from moderation.enforcement.models import Attempt

    if not opened:
        return run.hold("the breaker opened", False, "it did not")
    asked: list[Any] = list(Attempt.objects.filter(at__gt=opened[0], at__lt=back).values_list("at", flat=True))
    asked.sort()
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(asked)]
    before = Attempt.objects.filter(outcome="later", at__lte=opened[0]).count()
    run.hold("the breaker opened", before <= run.size["before"], f"after {before} calls that failed")
    shortest = min(gaps, default=REST)
    wanted = int((back - opened[0]).total_seconds() / REST) - 1
    figures = f"{len(asked)} probes, the closest two {shortest:.2f} s apart"
    run.hold("<= 1 probe in 10 s", shortest >= REST - 0.1 and len(asked) >= wanted, figures)


SCENE = Scene(
    "B8",
    "the backend is away",
    play,
    small={"queued": 40, "accounts": 30, "away": 13, "at_once": 4, "drained": 60, "before": 40},
    full={"queued": 2_000, "accounts": 600, "away": 180, "at_once": 4, "drained": 90, "before": 40},
)
