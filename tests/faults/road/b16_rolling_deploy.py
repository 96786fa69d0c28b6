"""B16: workers and dispatchers are replaced one after the other, old and new versions mixed, while actions are ordered.

Full size: 16 replacements, one each 20 s, 10 actions a second. The newcomer is at work before its forerunner is told to
end, and every other one is of a newer version: its bells say more, and some have a name that the older do not know.
"""

from __future__ import annotations

import collections
import re
import threading
import time

from tests.faults.stage import Stage, until

from .b01_workers_die import settle
from .invariants import check
from .orders import Orders
from .scene import Run, Scene

LITTER = 2  # bells of a task that is there, without what it must be told, at each replacement
PATIENCE = 45.0  # seconds within which who is told to end has ended: a task may take as long


def play(run: Run) -> None:
    """Orders at an even pace; each `every` seconds one process gives way to another."""
    size = run.size
    stage = run.stage()
    orders = Orders(run, accounts=size["accounts"])
    stage.faults({"slow_ms": size["slow_ms"]})
    running = {kind: f"{kind}-0" for kind in ("worker", "dispatcher")}
    for name in running.values():
        stage.start(name)
    until(lambda: all(at_work(stage, name) for name in running.values()), within=60)
    over = threading.Event()
    even = threading.Thread(target=evenly, args=(orders, size["per_second"], over), daemon=True)
    even.start()
    ends = [
        replace(run, stage, running, "worker" if turn % 2 else "dispatcher", turn) for turn in range(size["deploys"])
    ]
    over.set()
    even.join()
    ended = settle(stage, within=size["within"])
    clean = all(code == 0 for code, _ in ends)
    slowest = max(seconds for _, seconds in ends)
    run.hold("each ended when it was told to", clean, f"{len(ends)} replaced, slowest to end {slowest:.1f} s")
    run.hold("all ordered actions were carried out", ended, f"{orders.number} actions")
    unharmed(run)
    check(run, stage)


def evenly(orders: Orders, per_second: float, over: threading.Event) -> None:
    """So many orders a second."""
    due = time.monotonic()
    while not over.is_set():
        orders.some(1)
        due = max(due + 1 / per_second, time.monotonic() - 1)
        over.wait(max(0.0, due - time.monotonic()))


def replace(run: Run, stage: Stage, running: dict[str, str], kind: str, turn: int) -> tuple[int | None, float]:
    """Start the next, then end the one before it: how it ended (0 is well, None not at all), after how many seconds."""
    begun = time.monotonic()
    old, new, version = running[kind], f"{kind}-{turn + 1}", "newer" if turn // 2 % 2 == 0 else "older"
    stage.through = ("-m", "tests.faults.road.newer", "-") if version == "newer" else ()
    stage.start(new)
    until(lambda: at_work(stage, new), within=60)
    litter()
    child = stage.children[old]
    told = time.monotonic()
    child.terminate()
    until(lambda: child.poll() is not None, within=PATIENCE)
    seconds = time.monotonic() - told
    run.history.add("broken", name=old, ended=child.returncode, seconds=round(seconds, 1), by=new, version=version)
    if child.returncode is not None:
        del stage.children[old]
    running[kind] = new
    time.sleep(max(0.0, run.size["every"] - (time.monotonic() - begun)))
    return child.returncode, seconds


def at_work(stage: Stage, name: str) -> bool:
    """Whether a process has begun: a worker can be told things by the broker, a dispatcher listens at the database."""
    import redis
    from django.db import connection

    if name.startswith("worker"):
        bound = redis.Redis.from_url(stage.servers.redis_url).smembers("_kombu.binding.celery.pidbox")
        return any(f"{name}@".encode() in one for one in bound)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        listening: int = cursor.fetchone()[0]
    return listening >= sum(child.startswith("dispatcher") for child in stage.children)


def litter() -> None:
    """Bells of long ago and of some day: another task, another shape of arguments."""
    from portal.celery import app

    drain = "moderation.enforcement.tasks.drain"
    for task, told in (("moderation.enforcement.tasks.of_old", {}), (drain, {"account": "1"}), (drain, {})):
        app.send_task(task, kwargs=told, queue="enforcement")


def unharmed(run: Run) -> None:
    """No call was broken off, whatever was replaced under it; how long actions took, and which bells nobody knew."""
    from moderation.enforcement.models import Attempt, Enforcement

    lost = Attempt.objects.filter(outcome="lost").count()
    done = Enforcement.objects.filter(status="applied").values_list("ordered_at", "settled_at")
    took = sorted((settled - ordered).total_seconds() for ordered, settled in done)
    run.hold("no call was broken off", not lost, f"{Attempt.objects.count()} calls, {lost} leases lost")
    figures = f"p50 {took[len(took) // 2]:.2f} s, p95 {took[int(len(took) * 0.95)]:.2f} s, slowest {took[-1]:.2f} s"
    run.hold("time from order to effect", True, figures)
    logs = "".join(log.read_text() for log in run.folder.glob("worker-*.log"))
    failed = len(set(re.findall(r"tasks\.drain\[([^]]+)\] raised", logs)))  # who ends may hand back what has failed
    litters = LITTER * run.size["deploys"]
    run.hold("only litter is not understood", failed <= litters, f"{failed} bells failed, {litters} of them litter")
    refused = collections.Counter(re.findall(r"'task': 'moderation\.enforcement\.tasks\.(\w+)'", logs))
    told = ", ".join(f"{name} {count}" for name, count in sorted(refused.items()))
    run.hold("bells that a worker did not know", True, told or "none")


SCENE = Scene(
    "B16",
    "rolling deploy",
    play,
    small={"deploys": 2, "every": 2, "per_second": 5, "accounts": 30, "slow_ms": 400, "within": 60},
    full={"deploys": 16, "every": 20, "per_second": 10, "accounts": 500, "slow_ms": 50, "within": 120},
)  # fmt: skip
