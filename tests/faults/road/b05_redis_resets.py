"""B5: every connection to Redis is dropped, over and over (celery #8030, #10205); no queue may fall silent."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time

from tests.faults.stage import Stage, until

from . import marks
from .broker import ended, ready, reset
from .invariants import check
from .scene import Run, Scene

SILENT = 75.0  # seconds


def play(run: Run) -> None:
    """Each second every queue gets a message; how long was the longest time in which one of them was not heard?"""
    os.environ[marks.FILE] = str(run.folder / "marks")
    stage = run.stage(worker_options=("--include", "tests.faults.road.marks"))
    orders, over = ready(run, stage, slow_ms=20), threading.Event()
    ringing = threading.Thread(target=ring, args=(over,), daemon=True)
    ringing.start()
    until(lambda: len(marks.read()) == len(queues()), within=30)
    begun = time.time()
    ordering = orders.steadily(run.size["rate"], run.size["resets"] * run.size["every"])
    storm(run, stage)
    ordering.join()
    last = time.time()
    until(lambda: all(max(heard) > last for heard in marks.read().values()), within=SILENT + 30, every=0.5)
    end = time.time()
    over.set()
    run.hold("all ordered actions were carried out", ended(within=60), f"{orders.number} ordered")
    gaps = silences(begun, end)
    figures = ", ".join(f"{name} {gap:.1f}" for name, gap in sorted(gaps.items())) + " s"
    heard = len(gaps) == len(queues()) and all(max(there) > last for there in marks.read().values())
    run.hold(f"no queue silent for > {SILENT:.0f} s", heard and max(gaps.values()) <= SILENT, figures)
    check(run, stage)


def queues() -> tuple[str, ...]:
    """Those of the product."""
    from portal.celery import QUEUES

    return QUEUES


def ring(over: threading.Event) -> None:
    """A message a second to every queue; one that the broker does not take is not sent again."""
    from portal.celery import app

    while not over.wait(1.0):
        for queue in queues():
            with contextlib.suppress(Exception):  # whatever the broker's library raises
                app.send_task("tests.faults.road.marks.mark", kwargs={"queue": queue}, queue=queue, retry=False)


def storm(run: Run, stage: Stage) -> None:
    """Resets, now close together and now apart."""
    dice = run.dice(5)
    for _ in range(run.size["resets"]):
        time.sleep(run.size["every"] * 2 * dice.random())
        run.history.add("broken", name="reset")
        reset(stage, 0)
    run.hold("broken", True, f"{run.size['resets']} times all connections dropped")


def silences(begun: float, end: float) -> dict[str, float]:
    """By queue: the longest time in which it was not heard."""
    gaps = {}
    for queue, heard in marks.read().items():
        moments = [begun, *sorted(at for at in heard if begun <= at <= end), end]
        gaps[queue] = max(later - earlier for earlier, later in itertools.pairwise(moments))
    return gaps


SCENE = Scene(
    "B5",
    "Redis drops its connections",
    play,
    small={"resets": 6, "every": 0.5, "rate": 5, "accounts": 20},
    full={"resets": 200, "every": 0.6, "rate": 5, "accounts": 100},
)
