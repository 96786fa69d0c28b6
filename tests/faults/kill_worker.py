"""Does a killed worker lose or double anything? Orders actions, kills, waits for the end, and reads every ledger.

    python -m tests.faults.kill_worker --decisions 1000 --kills 20

Prints a table; exit 0 when every line of it holds. The same seed kills in the same order.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .stage import Stage, until

KINDS = ("suspend", "unsuspend", "limit_reach", "label")
ENDS = {"applied", "superseded"}


@dataclass
class Plan:
    """What is done, and what goes wrong meanwhile."""

    decisions: int = 60
    kills: int = 3
    acts: tuple[str, ...] = ("worker", "worker", "pool")
    seed: int = 1
    lease: int = 6
    broker: bool = True
    faults: dict[str, Any] = field(default_factory=lambda: {"slow_ms": 80})
    within: float = 120.0


@dataclass
class Told:
    """What was seen."""

    done: list[str] = field(default_factory=list)
    seconds: float = 0.0
    holds: dict[str, tuple[bool, str]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        return all(held for held, _ in self.holds.values())


def prepare() -> None:
    """The tables, as the owner makes them."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", database="owner", verbosity=0)


class Orders:
    """Orders actions, each in the transaction that would release its decision; a burst at a time."""

    def __init__(self, plan: Plan) -> None:
        from tests.enforcement.world import account

        self.dice, self.number = random.Random(plan.seed), 0
        self.accounts = [account(f"f{n}") for n in range(max(1, plan.decisions // 4))]

    def some(self, count: int) -> None:
        """This many more, one after the other."""
        from django.db import connection, transaction
        from django.utils import timezone

        from moderation.enforcement import actions
        from tests.enforcement.world import released_decision

        for _ in range(count):
            with transaction.atomic():
                decision = released_decision(self.accounts[self.number % len(self.accounts)])
                actions.order(
                    decision_id=decision.pk, account=decision.account, kind=self.dice.choice(KINDS),
                    by=decision.made_by, now=timezone.now(), policy="SPM-1.2", reason_code="spam_run",
                )  # fmt: skip
            self.number += 1
        connection.close()


def break_things(stage: Stage, plan: Plan, orders: Orders, told: Told) -> None:
    """Before each act a burst of orders, so that the worker, when it is there, is in the middle of calls."""
    from moderation.enforcement.models import Enforcement

    dice = random.Random(plan.seed + 1)
    for _ in range(plan.kills):
        if plan.broker:
            until(stage.worker_listens, within=60)
        burst = threading.Thread(target=orders.some, args=(plan.decisions // (plan.kills + 1),))
        burst.start()
        time.sleep(0.5 + dice.random() * 1.5)  # its first task comes with a cold start
        until(lambda: Enforcement.objects.filter(status="in_flight").exists(), within=4, every=0.002)
        act = dice.choice(plan.acts)
        if act == "flush":
            import redis

            redis.Redis.from_url(stage.servers.redis_url).flushall()
        elif act == "pool":
            stage.kill_one_of_pool()
        else:
            stage.kill(act)
            stage.start(act)
        told.done.append(act)
        burst.join()


def run(folder: Path, plan: Plan) -> Told:
    """Play it through and read what came of it."""
    stage, told = Stage(folder, lease=plan.lease, broker=plan.broker), Told()
    try:
        prepare()
        from moderation.enforcement.models import Enforcement

        orders = Orders(plan)
        stage.faults(plan.faults)
        for name in ("worker", "dispatcher") if plan.broker else ("dispatcher",):
            stage.start(name)
        begun = time.monotonic()
        break_things(stage, plan, orders, told)
        orders.some(plan.decisions - orders.number)
        stage.faults({})
        until(lambda: not Enforcement.objects.open().exists(), within=plan.within)
        told.seconds = time.monotonic() - begun
        look(stage, plan, told)
    finally:
        stage.stop()
    return told


def look(stage: Stage, plan: Plan, told: Told) -> None:
    """Every ledger against every other."""
    from moderation.enforcement.models import Attempt, Enforcement

    rows, actions = stage.ledger(), list(Enforcement.objects.select_related("account").order_by("account", "seq"))
    ends = collections.Counter(action.status for action in actions)
    applied = {str(action.pk) for action in actions if action.status == "applied"}
    keys = collections.Counter(row["key"] for row in rows)
    doubled, lost = [key for key, count in keys.items() if count > 1], applied - set(keys)
    foreign = set(keys) - applied
    outcomes = collections.Counter(Attempt.objects.values_list("outcome", flat=True))
    told.holds = {
        "ordered": (len(actions) == plan.decisions, f"{len(actions)} of {plan.decisions}"),
        "terminal": (set(ends) <= ENDS, ", ".join(f"{state} {count}" for state, count in sorted(ends.items()))),
        "effects on the platform": (len(rows) == len(applied), f"{len(rows)} for {len(applied)} applied actions"),
        "each exactly once": (not doubled and not lost and not foreign, f"{len(doubled)} doubled, {len(lost)} lost"),
        "in the account's order": (in_order(rows), f"{len({row['account'] for row in rows})} accounts"),
        "numbers without a gap": (gapless(actions), "from 1 up"),
        "last effect is the last action": (ends_as_ordered(stage, rows, actions), "last_seq of each account"),
        "one event per transition": one_event_each(actions),
        "attempts": (True, ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))),
    }


def in_order(rows: list[dict[str, Any]]) -> bool:
    """The effects of an account come in the order of their numbers."""
    last: dict[str, int] = collections.defaultdict(int)
    for row in rows:
        if row["seq"] <= last[row["account"]]:
            return False
        last[row["account"]] = row["seq"]
    return True


def gapless(actions: list[Any]) -> bool:
    """The numbers of an account are 1, 2, 3 …"""
    of: dict[Any, list[int]] = collections.defaultdict(list)
    for action in actions:
        of[action.account_id].append(action.seq)
    return all(numbers == list(range(1, len(numbers) + 1)) for numbers in of.values())


def ends_as_ordered(stage: Stage, rows: list[dict[str, Any]], actions: list[Any]) -> bool:
    """The platform's newest number is that of the last applied action."""
    newest = {action.account.external_id: action.seq for action in actions if action.status == "applied"}
    return all(stage.state(account)["last_seq"] == seq for account, seq in newest.items())


def one_event_each(actions: list[Any]) -> tuple[bool, str]:
    """Each action's events are: ordered; for each try attempted and what came of it; or superseded."""
    from portal.audit.models import AuditEvent

    events: dict[str, list[str]] = collections.defaultdict(list)
    for kind, subjects in AuditEvent.objects.order_by("id").values_list("type", "subjects"):
        if subjects[0].startswith("enforcement:"):
            events[subjects[0]].append(kind.removeprefix("enforcement."))
    wrong = 0
    for action in actions:
        found = collections.Counter(events[action.audit_name])
        wanted = collections.Counter(ordered=1)
        if action.status == "superseded":
            wanted["superseded"] = 1
        else:
            wanted.update(attempted=action.attempts, retrying=action.attempts - 1, applied=1)
        wrong += found != +wanted
    return not wrong, f"{sum(map(len, events.values()))} events, {wrong} actions with others than theirs"


def show(plan: Plan, told: Told) -> None:
    """The table."""
    acts = ", ".join(f"{act} {count}" for act, count in sorted(collections.Counter(told.done).items()))
    print(f"{plan.decisions} decisions, {plan.kills} acts ({acts or 'none'}), {told.seconds:.1f} s, seed {plan.seed}")
    for name, (held, detail) in told.holds.items():
        print(f"  {'ok ' if held else 'NOT'}  {name:<32} {detail}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--acts", default="worker,worker,pool", help="of worker, pool, dispatcher, flush")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-broker", action="store_true", help="the dispatcher alone, as when Redis is down")
    parser.add_argument("--json", action="store_true", help="a last line for programs")
    asked = parser.parse_args()
    plan = Plan(
        decisions=asked.decisions, kills=asked.kills, acts=tuple(asked.acts.split(",")), seed=asked.seed,
        broker=not asked.no_broker, within=300,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="reeve-faults-") as folder:
        told = run(Path(folder), plan)
        if not told.sound:
            for log in ("worker", "dispatcher"):
                if (path := Path(folder) / f"{log}.log").exists():
                    print(f"--- {log}", *path.read_text().splitlines()[-30:], sep="\n", file=sys.stderr)
    show(plan, told)
    if asked.json:
        print(json.dumps({"done": len(told.done), "seconds": told.seconds, "holds": told.holds}))
    return 0 if told.sound else 1


if __name__ == "__main__":
    sys.exit(main())
