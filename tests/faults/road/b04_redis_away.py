"""B4: Redis is gone for minutes; the dispatcher alone keeps the rate that there was with it."""

from __future__ import annotations

import time

from .broker import ended, ready
from .delays import applied_between, at, delays
from .invariants import check
from .scene import Run, Scene

KEPT = 0.9  # of the rate with Redis


def play(run: Run) -> None:
    """The same load twice: with Redis, and without."""
    stage, size = run.stage(), run.size
    orders = ready(run, stage, slow_ms=size["slow_ms"])
    begun = time.time()
    orders.steadily(size["rate"], size["calm"]).join()
    gone = time.time()
    run.history.add("broken", name="away", away=size["away"])
    stage.kill("valkey")
    orders.steadily(size["rate"], size["away"]).join()
    back = time.time()
    stage.start("valkey")
    run.history.add("mended", name="away")
    run.hold("all ordered actions were carried out", ended(within=60), f"{orders.number} ordered")
    normal = applied_between(begun, gone) / (gone - begun)
    alone = applied_between(gone, back) / (back - gone)
    with_it, without = delays(since=begun, until=gone), delays(since=gone, until=back)
    figures = f"{normal:.1f}/s with Redis, {alone:.1f}/s without = {100 * alone / normal:.0f} %"
    run.hold(f"without Redis >= {100 * KEPT:.0f} % of the rate", alone >= KEPT * normal, figures)
    figures = f"with p50 {at(with_it, 0.5):.2f} p99 {at(with_it, 0.99):.2f} s; "
    figures += f"without p50 {at(without, 0.5):.2f} p99 {at(without, 0.99):.2f} s"
    run.hold("ordered to applied", True, figures)
    check(run, stage)


SCENE = Scene(
    "B4",
    "Redis is gone",
    play,
    small={"rate": 10, "calm": 4, "away": 12, "accounts": 60, "slow_ms": 50},
    full={"rate": 20, "calm": 60, "away": 300, "accounts": 400, "slow_ms": 50},
)
