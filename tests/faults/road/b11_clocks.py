"""B11: the clocks of worker, dispatcher and web are wrong by hours and days, step, and stand at odd hours of the year.

The database's clock is the one that counts. In each run every process gets a clock of its own, half of the runs step it
while measures wait for their end, and now and then worker and dispatcher are started anew with theirs. What a web
process does with its clock is to hand it in as `now` when it orders. The database's own clock is not set: odd hours
(summer time, leap day) are those the processes believe it is. `bent/sitecustomize.py` says what is bent.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.stage import Stage, until

from .b12_expiries import LATE, effect_times, lifted, lifts, now_there, waiting
from .invariants import check
from .scene import Run, Scene

HOUR, DAY = 3600, 86_400
# In Berlin, where the processes believe they are, clocks go forward, go back; and the days about the end of February.
ODD = [
    datetime(2027, 3, 28, 0, 59, 57, tzinfo=UTC), datetime(2027, 10, 31, 0, 59, 57, tzinfo=UTC),
    datetime(2028, 2, 28, 23, 59, 57, tzinfo=UTC), datetime(2028, 2, 29, 23, 59, 57, tzinfo=UTC),
    datetime(2027, 2, 28, 23, 59, 57, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 57, tzinfo=UTC),
]  # fmt: skip
WHO = ("worker", "dispatcher", "web")
LEAD = 3.0  # seconds until the first measure of a run ends


def offset(dice: random.Random) -> float:
    """Seconds by which a clock is wrong."""
    by = dice.choice([HOUR, -HOUR, DAY, -DAY, 0, "odd"])
    return (dice.choice(ODD) - datetime.now(UTC)).total_seconds() if by == "odd" else float(by)


def play(run: Run) -> None:
    """One run after the other, on the same servers."""
    stage, dice = run.stage(), run.dice(4)
    clocks = {who: run.folder / f"clock-{who}" for who in WHO}
    turn(run, clocks, dice)
    begin(stage, clocks)
    believed = dict.fromkeys(WHO, False)
    for number in range(run.size["runs"]):
        if number and number % run.size["anew_each"] == 0:
            for name in ("worker", "dispatcher"):
                stage.kill(name)
            turn(run, clocks, dice)
            begin(stage, clocks)
        else:
            turn(run, clocks, dice)
        measures(run, clocks, dice, steps=number % 2 == 1)
        believed |= {who: believed[who] or abs(float(file.read_text())) >= HOUR for who, file in clocks.items()}
    run.hold("every clock was wrong once", all(believed.values()))
    told(run, stage)
    check(run, stage)


def begin(stage: Stage, clocks: dict[str, Path]) -> None:
    """Worker and dispatcher with clocks of their own; they are waited for, so that a run measures no cold start."""
    for name in ("worker", "dispatcher"):
        stage.start(name, BENT_CLOCK=str(clocks[name]), TZ="Europe/Berlin")
    until(stage.worker_listens, within=120)
    until(hears, within=120)


def hears() -> bool:
    """Whether a dispatcher listens at the database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%%' AND pid <> pg_backend_pid()")
        return bool(cursor.fetchone()[0])


def turn(run: Run, clocks: dict[str, Path], dice: random.Random) -> None:
    """Each clock to another wrong time."""
    for who, file in clocks.items():
        by = offset(dice)
        file.write_text(str(by))
        run.history.add("broken", clock=who, by=round(by / 60))


def measures(run: Run, clocks: dict[str, Path], dice: random.Random, *, steps: bool) -> None:
    """Some that end in a few seconds, one each second; waited for."""
    from tests.enforcement.world import account

    first = now_there() + timedelta(seconds=LEAD)
    for n in range(run.size["each"]):
        order(run, account(), first + timedelta(seconds=n), ahead=float(clocks["web"].read_text()))
    if steps:
        time.sleep(LEAD / 2)
        turn(run, clocks, dice)
    wanted = len(lifts())
    until(lambda: lifted() >= wanted and not waiting(), within=run.size["within"], every=0.2)


def order(run: Run, about: Any, end: datetime, *, ahead: float) -> None:
    """As a web process with a clock that is `ahead` by so many seconds would."""
    from django.db import transaction

    from moderation.enforcement import actions
    from tests.enforcement.world import released_decision

    now = datetime.now(UTC) + timedelta(seconds=ahead)
    with transaction.atomic():
        decision = released_decision(about)
        action = actions.order(
            decision_id=decision.pk, account=about, kind="suspend", by=decision.made_by, now=now, until=end,
            policy="SPM-1.2", reason_code="spam_run",
        )  # fmt: skip
    run.history.add("ordered", action=action.pk, account=about.external_id, kind="suspend", seq=action.seq)


def told(run: Run, stage: Stage) -> None:
    """When each measure began and ended on the platform, by the true clock."""
    at, found = effect_times(stage), lifts()
    wrong = sum(len(of) != 1 for of in found.values())
    run.hold("each lifted exactly once", bool(found) and not wrong, f"{len(found)} measures, {wrong} otherwise")
    done = [(at[str(of[0].pk)] - one.until).total_seconds() for one, of in found.items() if of and str(of[0].pk) in at]
    early = sum(delay < 0 for delay in done)
    figures = f"{len(done)} ended, latest {max(done, default=0.0):.1f} s late on the platform, {early} early"
    run.hold("I7 by the database's clock, on the platform", max(done, default=LATE + 1) <= LATE and not early, figures)


SCENE = Scene(
    "B11",
    "clocks are wrong",
    play,
    small={"runs": 2, "each": 3, "anew_each": 10, "within": 40},
    full={"runs": 30, "each": 5, "anew_each": 6, "within": 60},
)
