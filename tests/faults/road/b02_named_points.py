"""B2: worker, pool or dispatcher die at each named point of the road; how long until what they were at is done?"""

from __future__ import annotations

import collections
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.stage import Stage

from .b01_workers_die import settle
from .dying import CARRYING_OUT, POINTS, WATCHING, Marks
from .house import House
from .invariants import check
from .orders import Orders
from .scene import Run, Scene

GRACE = 15.0  # seconds over the lease within which everything must be done
KINDS = ("pool", "worker", "dispatcher")
PATIENCE = 120.0  # seconds without a death after which the round has failed
LATER = ("loss found, not committed", "lift ordered, not committed")  # come when their time has, and hold up nobody
Target = tuple[str, str]  # a point, and who dies there


class Doomed(House):
    """Workers and dispatchers with the points drawn up."""

    def __init__(self, stage: Stage, folder: Path, size: dict[str, Any]) -> None:
        self.marks = Marks(folder)
        stage.through = ("-m", "tests.faults.road.dying", str(folder))
        super().__init__(stage, workers=size["workers"], dispatchers=size["dispatchers"])

    def up(self, kind: str) -> int:
        """How many of a kind are at work."""
        mine = [self.stage.children[name] for name in self.names if name.startswith(kind)]
        return sum(child.poll() is None and self.marks.is_up(child.pid) for child in mine)

    def room(self, who: str, at_once: int) -> bool:
        """Whether one more may be told to die: of the pool a few at once, else one where another is at work."""
        later = {str(POINTS.index(point)) for point in LATER}
        waiting = [mark.split(".") for mark in self.marks.waiting()]
        mine = sum(kind == who and number not in later for _, number, kind in waiting)
        if who == "pool":
            return mine < at_once and self.up("worker") > 0
        return not mine and self.up(who) > 1


def play(run: Run) -> None:
    """One account per kill, two actions each; while some are killed the others recover."""
    size = run.size
    stage = run.stage(lease=size["lease"], worker_options=("--concurrency", "1"))
    lanes, placed = drawn(run), list[Target]()
    orders = Orders(run, accounts=sum(map(len, lanes.values())), plan=lambda n: planned(placed, n))
    stage.faults({"slow_ms": size["slow_ms"]})
    house = Doomed(stage, run.folder, size)
    died, since = 0, time.monotonic()
    while (any(lanes.values()) or house.marks.waiting()) and time.monotonic() - since < PATIENCE:
        house.revive()
        for who in KINDS:
            if lanes[who] and house.room(who, size["at_once"]):
                placed.append(lanes[who].pop())
                mark(house.marks, orders.accounts[len(placed) - 1].pk, *placed[-1])
                orders.some(2)
        if len(house.marks.told()) > died:
            died, since = len(house.marks.told()), time.monotonic()
        time.sleep(0.02)
    left = len(house.marks.waiting()) + sum(map(len, lanes.values()))
    ended = settle(stage, within=size["within"], meanwhile=house.revive)
    run.hold("every mark was passed", not left, f"{len(house.marks.told())} deaths, {left} marks left")
    run.hold("all ordered actions were carried out", ended)
    measure(run, house.marks, placed, orders)
    check(run, stage, late=size["lease"] + GRACE)


def drawn(run: Run) -> dict[str, list[Target]]:
    """Each point as often as wanted, in an order of chance, by who dies."""
    who, kills = run.size["who"], run.size["kills"]
    found = [(point, who[(n + turn) % len(who)]) for n, point in enumerate(CARRYING_OUT) for turn in range(kills)]
    found += [(point, "dispatcher") for point in WATCHING for _ in range(kills)]
    run.dice(2).shuffle(found)
    return {kind: [target for target in found if target[1] == kind] for kind in KINDS}


def planned(placed: list[Target], n: int) -> tuple[int, str, dict[str, Any]]:
    """What the n-th order is: two for each account."""
    which, second = divmod(n, 2)
    if second:
        return which, "label", {}
    if placed[which][0] == "lift ordered, not committed":
        return which, "suspend", {"until": datetime.now(UTC) + timedelta(seconds=1.5)}
    return which, "limit_reach", {}


def mark(marks: Marks, account: Any, point: str, who: str) -> None:
    """Set the mark; what is to be found lost must be lost first."""
    if point == "loss found, not committed":
        marks.place(account, "claim committed", "pool")
    marks.place(account, point, who)


def measure(run: Run, marks: Marks, placed: list[Target], orders: Orders) -> None:
    """Per point: how many died there, and how long after it the account's last action was done."""
    from moderation.enforcement.models import Attempt

    deaths = marks.told()
    wanted = {str(account.pk): point for account, (point, _) in zip(orders.accounts, placed, strict=False)}
    lost, done = collections.defaultdict(list), {}
    tries = Attempt.objects.select_related("enforcement").order_by("at")
    for one in tries:
        account = str(one.enforcement.account_id)
        if one.outcome == "lost":
            lost[account].append(one.at.timestamp())
        if one.enforcement.settled_at:
            done[account] = max(done.get(account, 0.0), one.enforcement.settled_at.timestamp())
    took: dict[str, list[float]] = collections.defaultdict(list)
    who: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for death in deaths:
        run.history.add("killed", **death)
        account, point = death["account"], death["point"]
        if wanted[account] == point:
            who[point][death["who"]] += 1
            since = again(death["at"], lost[account], [one["at"] for one in deaths])
            took[point].append(max(0.0, done.get(account, float("inf")) - since))
    for point in POINTS:
        tell(run, point, took[point], who[point])
    every = sorted(seconds for found in took.values() for seconds in found)
    figures = f"{len(every)} kills at {len(took)} points, p50 {every[len(every) // 2]:.1f} s, slowest {every[-1]:.1f} s"
    run.hold(f"done within lease + {GRACE:.0f} s of its kill", every[-1] <= run.size["lease"] + GRACE, figures)


def again(at: float, lost: list[float], deaths: list[float]) -> float:
    """When the last of those died who took this account's action along: another's death may do so once more."""
    for begun in lost:
        if begun > at:
            at = max(at, next((death for death in deaths if death >= begun), at))
    return at


def tell(run: Run, point: str, took: list[float], who: collections.Counter[str]) -> None:
    """A line of the table."""
    died = ", ".join(f"{name} {count}" for name, count in sorted(who.items()))
    held = len(took) == run.size["kills"] and max(took) <= run.size["lease"] + GRACE
    run.hold(f"  {point}", held, f"{died}; slowest {max(took, default=0.0):.1f} s")


SCENE = Scene(
    "B2",
    "somebody dies at each point",
    play,
    small={
        "kills": 1, "who": ["pool", "dispatcher", "pool", "worker"], "workers": 2, "dispatchers": 3, "at_once": 3,
        "slow_ms": 20, "lease": 6, "within": 60,
    },
    full={
        "kills": 20, "who": ["pool", "pool", "pool", "worker", "dispatcher"], "workers": 3, "dispatchers": 3,
        "at_once": 3, "slow_ms": 20, "lease": 6, "within": 120,
    },
)  # fmt: skip
