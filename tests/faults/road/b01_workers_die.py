"""B1: workers, one of their pool, or the dispatcher are killed at random moments while actions are ordered."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable

from tests.faults.stage import Stage, until

from .invariants import check
from .orders import Orders
from .scene import Run, Scene


def play(run: Run) -> None:
    """Before each kill a burst of orders, so that who dies is in the middle of calls."""
    stage = run.stage()
    orders = Orders(run, accounts=run.size["accounts"])
    stage.faults({"slow_ms": run.size["slow_ms"]})
    for name in ("worker", "dispatcher"):
        stage.start(name)
    begun = time.monotonic()
    kill(run, stage, orders)
    orders.some(run.size["actions"] - orders.number)
    ended = settle(stage, within=run.size["within"])
    seconds = time.monotonic() - begun
    died = collections.Counter(line["name"] for line in run.history.read("killed"))
    figures = ", ".join(f"{name} {count}" for name, count in sorted(died.items()))
    run.hold("killed", sum(died.values()) == run.size["kills"], figures)
    run.hold("all ordered actions were carried out", ended, f"{run.size['actions'] / seconds:.1f} actions/s")
    check(run, stage)


def kill(run: Run, stage: Stage, orders: Orders) -> None:
    """One after the other dies and comes back."""
    from moderation.enforcement.models import Enforcement

    dice, each = run.dice(2), run.size["actions"] // (run.size["kills"] + 1)
    for _ in range(run.size["kills"]):
        until(stage.worker_listens, within=60)
        bursts = orders.begin(each)
        time.sleep(0.5 + dice.random() * 1.5)  # its first task comes with a cold start
        until(lambda: Enforcement.objects.filter(status="in_flight").exists(), within=4, every=0.002)
        name = dice.choice(run.size["who"])
        if name == "pool":
            stage.kill_one_of_pool()
        else:
            stage.kill(name)
            stage.start(name)
        run.history.add("killed", name=name)
        for burst in bursts:
            burst.join()


def settle(stage: Stage, *, within: float, meanwhile: Callable[[], object] = lambda: None) -> bool:
    """The platform behaves again, and everything that is open comes to its end; whether it did in so many seconds."""
    from moderation.enforcement.models import Enforcement

    def ended() -> bool:
        meanwhile()
        return not Enforcement.objects.open().exists()

    stage.faults({})
    return until(ended, within=within, every=0.1)


SCENE = Scene(
    "B1",
    "workers are killed",
    play,
    small={
        "actions": 60, "accounts": 15, "kills": 3, "who": ["worker", "pool", "dispatcher"],
        "slow_ms": 80, "within": 120,
    },
    full={
        "actions": 20_000, "accounts": 4_000, "kills": 100, "who": ["worker", "worker", "worker", "pool", "dispatcher"],
        "slow_ms": 20, "within": 600,
    },
)  # fmt: skip
