"""B9: the backend answers 429 and says when to come again: in seconds, by a date, in the past, in years, in nonsense.

Nobody may come earlier than asked, by the platform's own clock: 1 second at least, and no later than an hour asked for
counts. Whoever was sent away for long is not waited for: when it is due stands in its row.
"""

from __future__ import annotations

import collections
from datetime import timedelta
from typing import Any

from tests.faults.stage import until

from .b07_backend_lies import known
from .invariants import ENDS, check
from .orders import Orders
from .scene import Run, Scene

# Short ones come back while the round is played; of long ones there are few, since each parks its account.
SHORT = [
    "1", "2", "3", " 2 ", {"date_in": 1}, {"date_in": 2}, {"date_in": 3.5}, "0", "-5", {"date_in": -3600},
    "-1000000000", {"date_in": -86400 * 365}, "soon", "", "1.5", "2, 3", "0x10", "9" * 40 + "s",
    "Fri, 99 Nov 2026 99:99:99 GMT", "Fri, 20 Nov 2026", "+2", "1e9", "NaN",
]  # fmt: skip
LONG = ["1000000000", "3601", {"date_in": 86400}, "9" * 40, {"date_in": 86400 * 365 * 20}, "900"]
NEAREST, FARTHEST = 1.0, 3600.0
SLACK = 2.0  # seconds: the spread of one, and the clock that is read before the call


def play(run: Run) -> None:
    """Each account has one action, so that the calls of an account are the tries of that action."""
    stage = run.stage(worker_options=("--concurrency", "4"))
    orders = Orders(run, accounts=run.size["accounts"], plan=lambda n: (n, "suspend", {}))
    asks = SHORT * run.size["short"] + LONG
    stage.faults({"rate_429": run.size["rate"], "retry_after": asks, "seed": run.seed})
    for name in ("worker", "dispatcher"):
        stage.start(name)
    threads = orders.begin(run.size["accounts"], threads=2)
    until(lambda: not any(one.is_alive() for one in threads) and not soon(), within=run.size["within"], every=0.5)
    stage.faults({})  # whoever met nonsense too often waits for minutes by our own rule
    until(lambda: not soon(), within=300, every=0.5)
    for name in ("worker", "dispatcher"):  # what was sent away for long stays as it is
        stage.kill(name)
    calls = [call for call in stage.calls() if call["what"] == "action"]
    told = [call for call in calls if call["fault"] == "rate_429"]
    by_form = collections.Counter(form(call["said"]) for call in told)
    figures = ", ".join(f"{name} {count}" for name, count in sorted(by_form.items()))
    run.hold("told to wait so often", len(told) >= run.size["told"], f"{len(told)} × 429: {figures}")
    came_early(run, calls)
    stands_in_its_row(run, calls)
    run.hold("what was not sent away for long has ended", not soon(), f"{soon()} left")
    known(run, calls)
    check(run, stage, ends=ENDS | {"retrying"})


def soon() -> int:
    """Open actions that were not sent away for more than a minute."""
    from django.db.models.functions import Now

    from moderation.enforcement.models import Enforcement

    return Enforcement.objects.open().exclude(next_attempt_at__gt=Now() + timedelta(minutes=1)).count()


def form(said: str) -> str:
    """What kind of answer a header was."""
    text = said.strip()
    if text.endswith("GMT") and "99" not in text:
        return "date"
    if not text.removeprefix("-").isdecimal():
        return "junk"
    if text.startswith("-"):
        return "negative"
    return "seconds" if int(text) <= FARTHEST else "too long"


def wait_of(call: dict[str, Any]) -> float:
    """Seconds to stay away from the moment it was said; none for nonsense, or where nothing was said."""
    if call.get("asked") is None:
        return 0.0
    return min(FARTHEST, max(NEAREST, call["asked"] - call["said_at"]))


def came_early(run: Run, calls: list[dict[str, Any]]) -> None:
    """By the platform's own clock: what it said to a key, and when that key came next."""
    told: dict[str, dict[str, Any]] = {}
    early, latest, checked = 0, 0.0, 0
    for call in calls:
        if before := told.pop(call["key"], None):
            spare = call["at"] - before["said_at"] - wait_of(before)
            checked += before["asked"] is not None
            early += spare < 0 and before["asked"] is not None
            latest = max(latest, spare)
        if call["fault"] == "rate_429":
            told[call["key"]] = call
    figures = f"{checked} came back when asked to, {early} early; latest {latest:.1f} s after"
    run.hold("I6 nobody came earlier than asked", checked > 0 and not early, figures)


def stands_in_its_row(run: Run, calls: list[dict[str, Any]]) -> None:
    """Who was sent away for long: when it is due, beside what the platform said last."""
    from moderation.enforcement.models import Enforcement

    last = {call["key"]: call for call in calls}
    waiting = Enforcement.objects.filter(status="retrying").values_list("pk", "next_attempt_at")
    waiting = [(pk, at) for pk, at in waiting if wait_of(last[str(pk)]) > 60]
    spare = [at.timestamp() - last[str(pk)]["said_at"] - wait_of(last[str(pk)]) for pk, at in waiting]
    wrong = sum(not 0 <= seconds <= SLACK for seconds in spare)
    waits = collections.Counter(round(wait_of(last[str(pk)])) for pk, _ in waiting)
    figures = ", ".join(f"{count} for {seconds} s" for seconds, count in sorted(waits.items()))
    run.hold("I6 long waits stand in the row, an hour at most", bool(spare) and not wrong, f"{figures}; {wrong} wrong")


SCENE = Scene(
    "B9",
    "the backend says when to come again",
    play,
    small={"accounts": 50, "told": 30, "short": 1, "rate": 0.6, "within": 15},
    full={"accounts": 1_600, "told": 2_000, "short": 4, "rate": 0.6, "within": 420},
)
