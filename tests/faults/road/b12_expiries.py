"""B12: measures come due while no dispatcher runs, then two start; and measures that end while one of two is killed.

The design's 10,000 are 3,000 at full size: each has to be ordered, applied, lifted and applied again on two cores.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from tests.faults.stage import Stage, until

from .invariants import check
from .orders import Orders
from .scene import Run, Scene

START = 120.0  # seconds from the start of the dispatchers to the last lift, of what came due while they were away
LATE = 5.0  # seconds, in normal running


def play(run: Run) -> None:
    """The accounts of the first part, then those of the second."""
    stage = run.stage(worker_options=("--concurrency", "4"))
    away, normal = run.size["away"], run.size["normal"]
    ends: dict[int, datetime] = {}
    orders = Orders(run, accounts=away + normal, plan=lambda n: (n, "suspend", {"until": ends[n]}))
    stage.start("worker")
    begun = now_there()
    ends.update({n: begun + timedelta(seconds=5) for n in range(away)})
    orders.some(away)
    lifted_by_hand = by_hand(run, orders)
    run.hold(
        "all in force, nobody to end them", carried_out(run), f"{away} measures, {len(lifted_by_hand)} lifted by hand"
    )
    until(lambda: now_there() > begun + timedelta(seconds=6), within=10)
    while_away(run, stage, lifted_by_hand)
    in_normal_running(run, stage, orders, ends)
    longest = (now_there() - begun).total_seconds()
    check(run, stage, late=longest)  # how late each part may be was asked above


def now_there() -> datetime:
    """The database's clock."""
    from moderation.management.commands.dispatcher import clock

    return clock()


def by_hand(run: Run, orders: Orders) -> set[str]:
    """One in ten is lifted by a person before its time, after it was put in force: what it was must not end again."""
    carried_out(run)
    numbers = range(0, run.size["away"], 10)
    for n in numbers:
        orders._order(n, "unsuspend", {})
    return {orders.accounts[n].external_id for n in numbers}


def carried_out(run: Run) -> bool:
    """Ring for everybody who waits, as nobody else does, until all is done; whether it was."""
    from moderation.enforcement.models import Enforcement
    from portal.celery import app

    end = time.monotonic() + run.size["within"]
    while time.monotonic() < end:
        waiting = set(Enforcement.objects.open().values_list("account_id", flat=True))
        if not waiting:
            return True
        for pk in waiting:
            app.send_task("moderation.enforcement.tasks.drain", kwargs={"account_id": str(pk)}, queue="enforcement")
        until(lambda: not Enforcement.objects.open().exists(), within=5 + len(waiting) / 50, every=0.3)
    return False


def lifts() -> dict[Any, list[Any]]:
    """Each measure that has an end, with what lifted it as the system."""
    from moderation.enforcement.models import Enforcement

    timed = Enforcement.objects.filter(kind="suspend", until__isnull=False).select_related("account")
    return {one: list(one.children.all()) for one in timed.prefetch_related("children")}


def while_away(run: Run, stage: Stage, by_hand: set[str]) -> None:
    """Two dispatchers start together and find all of them."""
    run.hold("nothing ended while nobody ran", not any(lifts().values()))
    started = now_there()
    stage.start("dispatcher")
    stage.start("dispatcher-2")
    wanted = run.size["away"] - len(by_hand)
    ended = until(lambda: lifted() >= wanted and not waiting(), within=run.size["within"], every=0.5)
    found = lifts()
    wrong = sum(len(of) != (one.account.external_id not in by_hand) for one, of in found.items())
    run.hold(
        "each lifted exactly once, but those by hand", ended and not wrong, f"{lifted()} lifted, {wrong} otherwise"
    )
    ordered = max((of[0].ordered_at - started).total_seconds() for of in found.values() if of)
    done = max((effect_times(stage)[str(of[0].pk)] - started).total_seconds() for of in found.values() if of)
    figures = f"last ordered {ordered:.1f} s and applied {done:.1f} s after two dispatchers were started"
    run.hold("I7 lifted within two minutes of the start", done <= START, figures)


def lifted() -> int:
    """Lifts ordered by the system."""
    from moderation.enforcement.models import Enforcement

    return Enforcement.objects.filter(parent__isnull=False).count()


def waiting() -> bool:
    """Whether anything has not ended."""
    from moderation.enforcement.models import Enforcement

    return Enforcement.objects.open().exists()


def effect_times(stage: Stage) -> dict[str, datetime]:
    """When each effect was on the platform, by the action's key."""
    return {row["key"]: datetime.fromisoformat(row["at"]) for row in stage.ledger()}


def in_normal_running(run: Run, stage: Stage, orders: Orders, ends: dict[int, datetime]) -> None:
    """Measures that end one after the other, while one of two dispatchers is killed now and then."""
    away, normal, seconds = run.size["away"], run.size["normal"], run.size["seconds"]
    first = now_there() + timedelta(seconds=run.size["lead"])
    ends.update({away + n: first + timedelta(seconds=seconds * n / normal) for n in range(normal)})
    before = set(lifts())
    orders.some(normal)
    ready = until(lambda: not waiting(), within=run.size["lead"], every=0.2)
    spare = (first - now_there()).total_seconds()
    run.hold("in force before the first ends", ready and spare > 0, f"{spare:.1f} s before")
    for number in range(run.size["kills"]):
        time.sleep(max(0.5, seconds / (run.size["kills"] + 1)))
        name = ("dispatcher", "dispatcher-2")[number % 2]
        stage.kill(name)
        run.history.add("killed", name=name)
        stage.start(name)
    until(lambda: lifted() >= lifted_at_end(run) and not waiting(), within=seconds + run.size["within"], every=0.2)
    at, found = effect_times(stage), [(one, of) for one, of in lifts().items() if one not in before]
    wrong = sum(len(of) != 1 for _, of in found)
    ordered = [(of[0].ordered_at - one.until).total_seconds() for one, of in found if of]
    done = [(at[str(of[0].pk)] - one.until).total_seconds() for one, of in found if of]
    run.hold("each lifted exactly once in normal running", len(found) == normal and not wrong, f"{wrong} otherwise")
    early = sum(delay < 0 for delay in (*ordered, *done))
    figures = f"{len(done)} ended, latest ordered {max(ordered):.1f} s, applied {max(done):.1f} s late, {early} early"
    run.hold("I7 on time while dispatchers are killed", max(done) <= LATE and not early, figures)


def lifted_at_end(run: Run) -> int:
    """How many lifts by the system there are when all is over."""
    return run.size["away"] - len(range(0, run.size["away"], 10)) + run.size["normal"]


SCENE = Scene(
    "B12",
    "measures end",
    play,
    small={"away": 40, "normal": 16, "seconds": 8, "lead": 12, "kills": 2, "within": 60},
    full={"away": 3_000, "normal": 300, "seconds": 60, "lead": 40, "kills": 10, "within": 300},
)
