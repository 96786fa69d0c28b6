"""B15: actions that kill who carries them out, and garbage on the queue; are they stopped, and do others wait for it?

Full size: 40 poisoned actions, 8 of each manner, five at a time, between pauses in which nothing is poisoned; healthy
actions come at an even pace all the while. The limit of a task, or of a dispatcher's hand, is below
the lease here as it is in life (45 s of 60 s there, 4 s of 6 s here).
"""

from __future__ import annotations

import collections
import json
import statistics
import threading
import time
from typing import Any

from tests.faults.stage import Stage, until

from .b01_workers_die import settle
from .house import House
from .invariants import ENDS, check
from .orders import Orders
from .poison import MANNERS
from .scene import Run, Scene

GARBAGE = 7  # messages thrown into the queue with each batch


def play(run: Run) -> None:
    """Healthy actions all the while; now and then a batch of poison, until it is stopped, then a pause."""
    size = run.size
    stage = run.stage()
    sick = {f"f{n}": MANNERS[n % len(MANNERS)] for n in range(size["batches"] * len(MANNERS))}
    (run.folder / "poison.json").write_text(json.dumps({"accounts": sick, "limit": size["task_limit"]}))
    stage.through = ("-m", "tests.faults.road.poison", str(run.folder))
    plan = Plan(sick=len(sick), healthy=size["healthy"])
    orders = Orders(run, accounts=len(sick) + size["healthy"], plan=plan)
    stage.faults({"slow_ms": size["slow_ms"]})
    house = House(stage, workers=size["workers"], dispatchers=size["dispatchers"])
    until(stage.worker_listens, within=60)
    even = threading.Thread(target=evenly, args=(orders, plan, size["per_second"]), daemon=True)
    even.start()
    spans: list[tuple[float, float, bool]] = []
    for batch in range(size["batches"]):
        spans.append(span(lambda: until(lambda: house.revive(), within=size["pause"]), sick=False))
        spans.append(span(lambda batch=batch: poisoned(run, stage, house, plan, batch), sick=True))
    plan.stop.set()
    even.join()
    ended = settle(stage, within=size["within"], meanwhile=house.revive, but=("stopped",))
    run.hold("all healthy actions were carried out", ended)
    for name in house.names:  # else what they do about the findings comes between sealing and counting
        stage.kill(name)
    stopped(run, sick, house)
    compare(run, spans)
    check(run, stage, ends={*ENDS, "stopped"})


class Plan:
    """The next account and kind: a poisoned one when one is asked for, else the healthy in turn."""

    def __init__(self, *, sick: int, healthy: int) -> None:
        self.sick, self.healthy, self.turn = sick, healthy, 0
        self.asked: list[int] = []
        self.stop = threading.Event()

    def __call__(self, _: int) -> tuple[int, str, dict[str, Any]]:
        if self.asked:
            return self.asked.pop(), "suspend", {}
        self.turn += 1
        return self.sick + self.turn % self.healthy, ("label", "unlabel")[self.turn // self.healthy % 2], {}


def evenly(orders: Orders, plan: Plan, per_second: float) -> None:
    """So many orders a second."""
    due = time.monotonic()
    while not plan.stop.is_set():
        orders.some(1)
        due = max(due + 1 / per_second, time.monotonic() - 1)
        plan.stop.wait(max(0.0, due - time.monotonic()))


def span(do: Any, *, sick: bool) -> tuple[float, float, bool]:
    """From when to when something went on."""
    begun = time.time()
    do()
    return begun, time.time(), sick


def poisoned(run: Run, stage: Stage, house: House, plan: Plan, batch: int) -> None:
    """One account of each manner, and garbage, until all of them are stopped."""
    from moderation.enforcement.models import Enforcement

    many = len(MANNERS)
    plan.asked += [batch * many + n for n in range(many)]
    litter(run, stage)

    def over() -> bool:
        house.revive()
        return Enforcement.objects.filter(status="stopped").count() >= (batch + 1) * many

    until(over, within=run.size["within"], every=0.1)


def litter(run: Run, stage: Stage) -> None:
    """What no task is: bytes, half a message, a pickle, a task that nobody knows, arguments that do not fit."""
    import redis

    from portal.celery import app

    drain = "moderation.enforcement.tasks.drain"
    for task, arguments in (
        ("moderation.enforcement.tasks.unheard_of", {"account_id": "1"}),
        (drain, {}),
        (drain, {"account_id": "nobody"}),
        (drain, {"account_id": None, "more": ["of", "it"]}),
    ):
        app.send_task(task, kwargs=arguments, queue="enforcement")
    with app.connection_for_write() as wire:
        producer = app.amqp.Producer(wire)
        pickle = b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00"
        for kind in ("application/x-python-serialize", "application/json"):
            producer.publish(
                pickle, routing_key="enforcement", exchange="enforcement", content_type=kind,
                content_encoding="binary", headers={"task": drain, "id": "1", "lang": "py"},
            )  # fmt: skip
    raw = redis.Redis.from_url(stage.servers.redis_url)
    raw.lpush("enforcement", b"\x00\xff no message")  # the library ends the worker over it, which is started again
    run.history.add("broken", name="garbage", messages=GARBAGE)


def stopped(run: Run, sick: dict[str, str], house: House) -> None:
    """Each poisoned action stopped after five lost leases, with its finding; how often each manner killed."""
    from moderation.enforcement.models import Enforcement, Finding

    actions = Enforcement.objects.filter(account__external_id__in=sick)
    right = [row for row in actions if (row.status, row.lost_leases, row.attempts) == ("stopped", 5, 5)]
    findings = Finding.objects.filter(kind="stopped", enforcement__in=actions).count()
    held = len(right) == len(sick) == findings
    run.hold("poison is stopped after its fifth lease", held, f"{len(right)} of {len(sick)}, {findings} findings")
    taken = [json.loads(line) for line in (run.folder / "taken.jsonl").read_text().splitlines()]
    by = collections.Counter((one["manner"], one["by"]) for one in taken)
    figures = ", ".join(f"{manner} {by[manner, 'worker']}+{by[manner, 'other']}" for manner in MANNERS)
    thrown = sum(line["messages"] for line in run.history.read("broken"))
    run.hold("taken by workers + dispatchers", True, f"{figures}; {house.revived} processes started again")
    run.hold("garbage on the queue", True, f"{thrown} messages")


def compare(run: Run, spans: list[tuple[float, float, bool]]) -> None:
    """Healthy actions with poison about and without: how long each took, from its order to its end."""
    from moderation.enforcement.models import Enforcement

    took: dict[bool, list[float]] = {True: [], False: []}
    for ordered, settled in Enforcement.objects.filter(status="applied").values_list("ordered_at", "settled_at"):
        at = ordered.timestamp()
        for begun, ended, sick in spans:
            if begun <= at < ended:
                took[sick].append((settled - ordered).total_seconds())
    middle = {sick: statistics.median(took[sick]) for sick in took}
    late = {sick: sorted(took[sick])[int(len(took[sick]) * 0.95)] for sick in took}
    told = ", ".join(
        f"{name} {1000 * of[False]:.0f} → {1000 * of[True]:.0f} ms" for name, of in (("p50", middle), ("p95", late))
    )
    ratio = middle[True] / middle[False]
    figures = f"x {ratio:.2f}: {told} ({len(took[False])} without, {len(took[True])} with)"
    most = run.size["slowed"]  # none at small size: a clock decides nothing in the suite of tests
    run.hold(f"others slowed by at most x {most or 'any'}", most is None or ratio <= most, figures)


SCENE = Scene(
    "B15",
    "poison",
    play,
    small={
        "batches": 1, "healthy": 20, "per_second": 5, "workers": 2, "dispatchers": 1, "slow_ms": 20, "task_limit": 4,
        "pause": 4, "within": 90, "slowed": None,
    },
    full={
        "batches": 8, "healthy": 400, "per_second": 10, "workers": 2, "dispatchers": 2, "slow_ms": 50, "task_limit": 4,
        "pause": 15, "within": 120, "slowed": 1.1,
    },
)  # fmt: skip
