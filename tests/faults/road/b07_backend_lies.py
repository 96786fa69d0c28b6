"""B7: the backend fails, applies and says nothing, hangs up, stalls, answers twice, lies, floods, and sends elsewhere.

The rates are those of the design; its 30 seconds of stalling, our 10 seconds of patience and the lease of a minute are
all ten times shorter here. Full size is counted in calls: actions are ordered until the platform has had so many.
"""

from __future__ import annotations

import collections
import time
from typing import Any

from tests.faults.stage import Stage, until

from .b01_workers_die import settle
from .invariants import check
from .orders import Orders
from .scene import Run, Scene

RATES = {
    "error_500": 0.10, "timeout_after": 0.05, "reset": 0.05, "twice": 0.05, "stall": 0.03, "late": 0.02,
    "garbage": 0.05, "lie": 0.05, "flood": 0.05, "redirect": 0.05, "stall_ms": 3000,
}  # fmt: skip
PATIENCE = (1.0, 1.5)


def play(run: Run) -> None:
    """In waves, since an account goes on only when its last action is through."""
    stage = run.stage(patience=PATIENCE, worker_options=("--concurrency", "6"))
    orders = Orders(run, accounts=run.size["accounts"])
    stage.faults({**RATES, "seed": run.seed})
    for name in ("worker", "dispatcher"):
        stage.start(name)
    begun, calls = time.monotonic(), 0
    while calls < run.size["calls"] and time.monotonic() - begun < run.size["within"]:
        orders.some(max(20, (run.size["calls"] - calls) // 4))
        calls = len(stage.calls())
        until(lambda: waiting() < run.size["accounts"] // 2, within=run.size["within"], every=0.2)
        calls = len(stage.calls())
    ended = settle(stage, within=run.size["within"])
    told(run, stage, ended, wanted=run.size["calls"], seconds=time.monotonic() - begun)
    check(run, stage)


def waiting() -> int:
    """Actions that have not ended."""
    from moderation.enforcement.models import Enforcement

    return Enforcement.objects.open().count()


def told(run: Run, stage: Stage, ended: bool, *, wanted: int, seconds: float) -> None:
    """What the platform did, and whether each call is one that we know of."""
    calls = stage.calls()
    met = collections.Counter(call.get("fault") or "none" for call in calls)
    figures = ", ".join(f"{name} {count}" for name, count in sorted(met.items()))
    run.hold("the backend was called so often", len(calls) >= wanted, f"{len(calls)} calls: {figures}")
    run.hold("all ordered actions were carried out", ended, f"{len(calls) / seconds:.1f} calls/s")
    run.hold("no redirect was followed", not met_inside(calls), f"{met['redirect']} redirects")
    known(run, calls)


def met_inside(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls that went where only a redirect leads."""
    return [call for call in calls if call["what"] == "inside"]


def known(run: Run, calls: list[dict[str, Any]], *, every: bool = True) -> None:
    """No call that is not an attempt; with `every` also none missing: here nobody dies between the two."""
    from moderation.enforcement.models import Enforcement

    sent = collections.Counter(call["key"] for call in calls if call["what"] == "action")
    tries = {str(pk): tries for pk, tries in Enforcement.objects.values_list("pk", "attempts")}
    more = sum(count > tries.get(key, 0) for key, count in sent.items())
    fewer = sum(sent[key] < count for key, count in tries.items()) if every else 0
    figures = f"{sum(sent.values())} calls, {sum(tries.values())} attempts; {more} keys with more, {fewer} with fewer"
    run.hold("I2 each call is one attempt", not more and not fewer, figures)


SCENE = Scene(
    "B7",
    "the backend misbehaves",
    play,
    small={"calls": 80, "accounts": 25, "within": 90},
    full={"calls": 10_000, "accounts": 1_000, "within": 900},
)
