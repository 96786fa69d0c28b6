"""B4: Redis is gone for minutes; the dispatcher alone keeps the rate that there was with it.

The rate is what was applied of what was ordered in the same time, so that a busy machine slows both parts alike.
"""

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
    both = size["rate"] * (size["calm"] + size["away"])
    orders = ready(run, stage, slow_ms=size["slow_ms"], decisions=both)
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
    normal, alone = rate(run, begun, gone), rate(run, gone, back)
    with_it, without = delays(since=begun, until=gone), delays(since=gone, until=back)
    kept = alone[2] / normal[2]
    figures = f"with Redis {normal[0]:.1f} ordered and {normal[1]:.1f} applied a second, "
    figures += f"without {alone[0]:.1f} and {alone[1]:.1f}: {100 * kept:.0f} % kept"
    run.hold(f"without Redis >= {100 * KEPT:.0f} % of the rate", kept >= KEPT, figures)
    figures = f"with p50 {at(with_it, 0.5):.2f} p99 {at(with_it, 0.99):.2f} s; "
    figures += f"without p50 {at(without, 0.5):.2f} p99 {at(without, 0.99):.2f} s"
    run.hold("ordered to applied", True, figures)
    check(run, stage)


def rate(run: Run, since: float, until: float) -> tuple[float, float, float]:
    """What was ordered and what was applied a second between two moments, and the part that was applied."""
    ordered = sum(since <= line["at"] < until for line in run.history.read("ordered"))
    applied, seconds = applied_between(since, until), until - since
    return ordered / seconds, applied / seconds, applied / max(1, ordered)


SCENE = Scene(
    "B4",
    "Redis is gone",
    play,
    small={"rate": 10, "calm": 4, "away": 12, "accounts": 60, "slow_ms": 50},
    full={"rate": 20, "calm": 60, "away": 300, "accounts": 400, "slow_ms": 50},
)
