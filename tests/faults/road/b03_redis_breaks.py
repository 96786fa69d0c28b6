"""B3: Redis forgets everything, is killed, comes back empty, again and again, while actions are ordered steadily."""

from __future__ import annotations

import time

from tests.faults.stage import Stage

from .broker import BREAKS, ended, ready
from .delays import at, delays
from .invariants import check
from .orders import Orders
from .scene import Run, Scene


def play(run: Run) -> None:
    """The same load twice: first unbroken, then with a break every few seconds."""
    stage, size = run.stage(durable=True), run.size
    orders = ready(run, stage, slow_ms=size["slow_ms"])
    begun = time.time()
    orders.steadily(size["rate"], size["calm"]).join()
    broken = time.time()
    break_often(run, stage, orders)
    after = time.time()
    run.hold("all ordered actions were carried out", ended(within=60), f"{orders.number} ordered")
    calm, rough = delays(since=begun, until=broken), delays(since=broken, until=after)
    added = at(rough, 0.99) - at(calm, 0.99)
    figures = f"unbroken p50 {at(calm, 0.5):.2f} p99 {at(calm, 0.99):.2f} s ({len(calm)}); "
    figures += f"broken p50 {at(rough, 0.5):.2f} p99 {at(rough, 0.99):.2f} s ({len(rough)}); {added:+.2f} s"
    most = size["added"]  # none at small size: a clock decides nothing in the suite of tests
    held = bool(calm and rough) and (most is None or added <= most)
    run.hold("p99 to applied grows" + (f" by <= {most} s" if most else ""), held, figures)
    check(run, stage)


def break_often(run: Run, stage: Stage, orders: Orders) -> None:
    """As often of each kind, in an order that the seed draws."""
    breaks, dice, every = [name for name in run.size["breaks"] for _ in range(run.size["each"])], run.dice(3), 3.0
    dice.shuffle(breaks)
    ordering = orders.steadily(run.size["rate"], len(breaks) * every)
    begun = time.monotonic()
    for n, name in enumerate(breaks):
        away = dice.uniform(0.1, 1.5)
        time.sleep(max(0.0, begun + n * every + dice.random() - time.monotonic()))
        stage.pause("worker")  # so that bells wait in Redis, and are lost with it
        time.sleep(0.5)
        run.history.add("broken", name=name, away=away)
        BREAKS[name](stage, away)
        stage.resume("worker")
        run.history.add("mended", name=name)
    ordering.join()
    run.hold("broken", True, ", ".join(f"{name} {run.size['each']}" for name in run.size["breaks"]))


SCENE = Scene(
    "B3",
    "Redis forgets, dies, comes back empty",
    play,
    small={
        "breaks": ["flush", "kill", "empty"], "each": 1, "rate": 8, "calm": 4, "accounts": 40, "slow_ms": 20,
        "added": None,
    },
    full={
        "breaks": ["flush", "kill", "empty"], "each": 20, "rate": 10, "calm": 60, "accounts": 200, "slow_ms": 20,
        "added": 5,
    },
)  # fmt: skip
