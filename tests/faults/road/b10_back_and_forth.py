"""B10: suspend, unsuspend, suspend … of each account, interleaved, with the kills of B1 and the backend of B7.

The accounts take turns in another order each time, so an account's next action comes at any time after its last one: it
finds that waiting, in flight, or unknown. What was never sent may be superseded by its opposite; all else happens.
"""

from __future__ import annotations

import collections
import itertools
import time
from typing import Any

from tests.faults.stage import until

from .b01_workers_die import kill, settle
from .b07_backend_lies import PATIENCE, RATES, known, met_inside
from .invariants import check
from .orders import Orders
from .scene import Run, Scene

PAIR = ("suspend", "unsuspend")


def play(run: Run) -> None:
    """As B1, with other orders and a worse backend."""
    stage = run.stage(patience=PATIENCE)
    accounts, dice = run.size["accounts"], run.dice(3)
    turns = [dice.sample(range(accounts), accounts) for _ in range(run.size["actions"] // accounts)]

    def plan(number: int) -> tuple[int, str, dict[str, Any]]:
        return turns[number // accounts][number % accounts], PAIR[number // accounts % 2], {}

    orders = Orders(run, accounts=accounts, plan=plan)
    stage.faults({**RATES, "seed": run.seed})
    names = {kind: [f"{kind}-{n}" for n in (1, 2)] for kind in ("worker", "dispatcher")}
    for name in (*names["worker"], *names["dispatcher"]):
        stage.start(name)
    until(stage.worker_listens, within=60)
    begun = time.monotonic()
    ordering = orders.begin(run.size["actions"])
    kill(run, stage, names)
    for thread in ordering:
        thread.join()
    ended = settle(stage, within=run.size["within"])
    died = collections.Counter(line["name"] for line in run.history.read("killed"))
    figures = ", ".join(f"{name} {count}" for name, count in sorted(died.items()))
    run.hold("killed", died["worker"] + died["pool"] == run.size["kills"], figures)
    seconds = time.monotonic() - begun
    run.hold(
        "all ordered actions were carried out", ended, f"{run.size['actions'] / seconds:.1f} actions/s, {spaced(run)}"
    )
    calls = stage.calls()
    run.hold("no redirect was followed", not met_inside(calls))
    known(run, calls, every=False)
    check(run, stage)


def spaced(run: Run) -> str:
    """How far apart the actions of an account were ordered."""
    times: dict[int, list[float]] = collections.defaultdict(list)
    for line in run.history.read("ordered"):
        times[line["account"]].append(line["at"])
    gaps = sorted(b - a for of in times.values() for a, b in itertools.pairwise(of))
    return f"{gaps[len(gaps) // 10]:.1f} to {gaps[len(gaps) * 9 // 10]:.1f} s apart"


SCENE = Scene(
    "B10",
    "back and forth",
    play,
    small={"actions": 60, "accounts": 3, "kills": 2, "dispatcher_kills": 1, "within": 120},
    full={"actions": 3_000, "accounts": 500, "kills": 40, "dispatcher_kills": 10, "within": 400},
)
