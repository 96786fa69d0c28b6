"""B19: a steady load with a backend that takes 50 ms, then as much as it can; nothing is broken.

`rate` is what must be kept up: so many a second are ordered for `seconds`, with a p95 from ordered to applied of at
most 2 s; then `backlog` actions wait at once and are carried out at no less than `rate` a second. Decisions are
released beforehand; ordering runs on the same cores.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tests.bench.stage import TICK, below, ticks
from tests.faults.stage import Stage, until

from .broker import ended
from .delays import at, delays
from .invariants import check
from .orders import Orders
from .scene import Run, Scene


def play(run: Run) -> None:
    """First steadily, then all at once."""
    stage, size = run.stage(), run.size
    orders = Orders(run, accounts=size["accounts"])
    orders.prepare(int(size["rate"] * size["seconds"]) + size["backlog"])
    stage.faults({"slow_ms": 50})
    for name in ("worker", "dispatcher"):
        stage.start(name)
    until(stage.worker_listens, within=60)
    orders.some(20)
    ended(within=30)
    begun = time.time()
    orders.steadily(size["rate"], size["seconds"]).join()
    took = time.time() - begun
    ended(within=60)
    waited = delays(since=begun, until=begun + took + 1)
    figures = f"ordered {size['rate'] * size['seconds'] / took:.1f}/s; ordered to applied p50 {at(waited, 0.5):.2f} s, "
    figures += f"p95 {at(waited, 0.95):.2f} s, p99 {at(waited, 0.99):.2f} s"
    run.hold("steady: p95 from ordered to applied <= 2 s", at(waited, 0.95) <= size["p95"], figures)
    backlog(run, stage, orders)
    check(run, stage)


def backlog(run: Run, stage: Stage, orders: Orders) -> None:
    """Those who carry out stand still while much is ordered; from their first to their last call counts."""
    from moderation.enforcement.models import Enforcement

    stage.pause("worker", "dispatcher")
    begun = datetime.now(UTC)
    orders.some(run.size["backlog"])
    before = cpu(stage)
    stage.resume("worker", "dispatcher")
    ended(within=run.size["within"])
    after = cpu(stage)
    ours = Enforcement.objects.filter(status="applied", ordered_at__gte=begun).order_by("settled_at")
    first, last = ours.first(), ours.last()
    assert first, "nothing was applied"
    count, rate = ours.count(), ours.count() / max(0.001, (last.settled_at - first.settled_at).total_seconds())
    cost = ", ".join(f"{name} {(after[name] - before[name]) / count:.1f}" for name in before)
    figures = f"{count} at {rate:.1f}/s; CPU ms per action: {cost}"
    run.hold("a backlog is carried out as fast", rate >= run.size["least"], figures)


def cpu(stage: Stage) -> dict[str, float]:
    """Milliseconds of CPU that each has used with its children, living and ended, on Linux."""
    server = stage.servers.postgres
    assert server is not None
    pids = {name: stage.children[name].pid for name in ("worker", "dispatcher", "platform")} | {"postgres": server.pid}
    return {name: sum(ticks(one, ended=True) for one in (pid, *below(pid))) * 1000 / TICK for name, pid in pids.items()}


SCENE = Scene(
    "B19",
    "a steady load",
    play,
    small={"rate": 10, "seconds": 5, "backlog": 100, "accounts": 40, "p95": 10, "least": 1, "within": 60},
    full={"rate": 100, "seconds": 60, "backlog": 6_000, "accounts": 1_500, "p95": 2, "least": 100, "within": 300},
)
