"""B1: workers, one of their pool, or a dispatcher are killed at random moments while actions are ordered."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Any

from tests.faults.stage import Stage, until

from .invariants import check
from .orders import Orders
from .scene import Run, Scene

# Each account is done these in a turn of its own: pairs of opposites among them, so that some overtake others.
KINDS = ("suspend", "limit_reach", "label", "unsuspend", "demonetize", "hold_payout", "restore_reach", "unlabel")


def play(run: Run) -> None:
    """Orders come without a pause; each time another share of them is done, somebody at work is killed."""
    size = run.size
    stage = run.stage()
    orders = Orders(run, accounts=size["accounts"], plan=lambda n: planned(n, size["accounts"]), one_decision=True)
    stage.faults({"slow_ms": size["slow_ms"]})
    names = {kind: [f"{kind}-{n}" for n in range(1, size[f"{kind}s"] + 1)] for kind in ("worker", "dispatcher")}
    for name in (*names["worker"], *names["dispatcher"]):
        stage.start(name)
    until(stage.worker_listens, within=60)
    begun = time.monotonic()
    ordering = orders.begin(size["actions"], threads=size["threads"])
    kill(run, stage, names)
    for thread in ordering:
        thread.join()
    orders.some(size["actions"] - orders.number)
    ended = settle(stage, within=size["within"])
    seconds = time.monotonic() - begun
    died = collections.Counter(line["name"] for line in run.history.read("killed"))
    figures = ", ".join(f"{name} {count}" for name, count in sorted(died.items()))
    run.hold("killed", died["worker"] + died["pool"] == size["kills"], figures)
    run.hold("all ordered actions were carried out", ended, f"{size['actions'] / seconds:.1f} actions/s")
    check(run, stage)


def planned(n: int, accounts: int) -> tuple[int, str, dict[str, Any]]:
    """What the n-th order is: no account has the same kind twice, for its decision orders each once."""
    turn, which = divmod(n, accounts)
    if turn >= len(KINDS):
        raise ValueError(f"There are {len(KINDS)} kinds, so at most {len(KINDS) * accounts} actions.")
    return which, KINDS[(which + turn) % len(KINDS)], {}


def kill(run: Run, stage: Stage, names: dict[str, list[str]]) -> None:
    """One after the other dies and comes back, evenly over what there is to do; who dies was at work."""
    from moderation.enforcement.models import Enforcement

    dice, size = run.dice(2), run.size
    turns = ["worker"] * size["kills"] + ["dispatcher"] * size["dispatcher_kills"]
    dice.shuffle(turns)
    for number, kind in enumerate(turns, 1):
        share = number * size["actions"] // (len(turns) + 1)
        done = Enforcement.objects.filter(settled_at__isnull=False)
        until(lambda done=done, share=share: done.count() >= share, within=60, every=0.2)
        name = dice.choice(names[kind])
        what = dice.choice(("worker", "pool")) if kind == "worker" else kind
        if kind == "worker":
            until(lambda: any(stage.pool(name) for name in names["worker"]), within=300)
            up = [name for name in names["worker"] if stage.pool(name)]
            name = dice.choice(up)
            what = what if len(up) == len(names["worker"]) else "pool"  # who is left keeps its parent
        time.sleep(dice.random() / 10)
        until(lambda: Enforcement.objects.filter(status="in_flight").exists(), within=4, every=0.002)
        if what == "pool":
            stage.kill_one_of_pool(name)
        else:
            stage.kill(name)
            stage.start(name)
        run.history.add("killed", name=what)


def settle(
    stage: Stage, *, within: float, meanwhile: Callable[[], object] = lambda: None, but: tuple[str, ...] = ()
) -> bool:
    """The platform behaves again, and everything that is open comes to its end; whether it did in so many seconds.

    `but`: states of open actions that are an end here.
    """
    from moderation.enforcement.models import Enforcement

    def ended() -> bool:
        meanwhile()
        return not Enforcement.objects.open().exclude(status__in=but).exists()

    stage.faults({})
    return until(ended, within=within, every=0.1)


SCENE = Scene(
    "B1",
    "workers are killed",
    play,
    small={
        "actions": 60, "accounts": 15, "kills": 3, "dispatcher_kills": 1, "workers": 1, "dispatchers": 1,
        "threads": 1, "slow_ms": 80, "within": 120,
    },
    full={
        "actions": 20_000, "accounts": 4_000, "kills": 100, "dispatcher_kills": 20, "workers": 2, "dispatchers": 2,
        "threads": 2, "slow_ms": 20, "within": 600,
    },
)  # fmt: skip
