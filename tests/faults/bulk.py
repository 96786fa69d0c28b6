"""Is each account of a group decision decided once, and each undone or named, whoever dies meanwhile? B18 of the suite.

    python -m tests.faults.bulk --accounts 5000 --rounds 1 --seed 1

A round: two leads decide on a group in which some are protected, in somebody's hands, cleared lately, gone from the
platform or unknown. It pauses after the first 50, is stopped half way, goes on, is undone; meanwhile workers, one of
the pool, the dispatcher, the bell, Valkey and PostgreSQL are killed, and the platform errs, forgets to answer and
stalls. Then items, decisions, actions, the log and the platform's ledger are read. Prints a table; exit 0 when every
line holds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from .bulk_look import Group, Told, look
from .stage import Stage, until

WHO = ("worker", "worker", "worker", "pool", "pool", "dispatcher", "dispatcher", "beat", "valkey", "postgres")
PROCESSES = ("worker", "dispatcher", "beat")
FAULTS = {"error_500": 0.05, "reset": 0.03, "garbage": 0.02, "rate_429": 0.02, "timeout_after": 0.001, "slow_ms": 10}
SHARE = 0.01  # of each kind of account that is not to be touched
REASON = "not_violating"


class Killer:
    """Kills one after the other while it is let, and starts each again; its choices come from the seed.

    Whoever holds `calm` has a database: people act between the kills, so that what they did is known.
    """

    def __init__(self, stage: Stage, dice: random.Random, told: Told, *, every: float) -> None:
        self.stage, self.dice, self.told, self.every = stage, dice, told, every
        self.over, self.calm = threading.Event(), threading.Lock()
        self.thread = threading.Thread(target=self._go, daemon=True)

    def __enter__(self) -> Killer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _go(self) -> None:
        while not self.over.wait(self.every * (0.5 + self.dice.random())):
            name = self.dice.choice(WHO)
            if name == "pool":
                if not self.stage.pool():
                    continue
                self.stage.kill_one_of_pool()
            else:
                with self.calm if name == "postgres" else nullcontext():
                    self.stage.kill(name)
                    self.stage.start(name)
            self.told.killed[name] += 1


def group(stage: Stage, dice: random.Random, *, count: int, ada: Any, ben: Any) -> Group:
    """As many accounts as asked for, some of which must be left out, and some that are gone from the platform."""
    from django.utils import timezone

    from moderation.bulk import reading
    from moderation.decisions import actions as decisions
    from risk.intake.models import Account

    now, tag = timezone.now(), dice.randrange(10**9)
    rows = [
        Account(platform="main", external_id=f"g{tag}-{n}", first_seen_at=now, last_seen_at=now, attributes_at=now)
        for n in range(count - Group.unknown)
    ]
    few = max(1, int(count * SHARE))
    apart = dice.sample(rows, 4 * few)
    protected, in_hand, cleared, gone = (apart[part * few : (part + 1) * few] for part in range(4))
    for row in protected:
        row.attributes = {"is_protected": True}
    made = Group(Account.objects.bulk_create(rows, batch_size=1000), now + timedelta(days=7))
    for row in in_hand:
        held(row, by=ada)
    for row in cleared:
        decisions.reverse(decided_by_hand(row, by=ada, outcome="warn"), by=ben, now=now, reason_code=REASON)
    for row in gone:
        stage._post(f"/v1/accounts/main/{row.external_id}/gone", {"status": 404})
    made.out = {row.pk: reading.ALONE for row in (*protected, *in_hand)}
    made.out |= {row.pk: "was cleared lately" for row in cleared}
    made.gone = {row.pk for row in gone}
    return made


def held(account: Any, *, by: Any) -> Any:
    """A case of the account in somebody's hands; without a score, so that no worker opens one at the same time."""
    from moderation.cases import actions as cases
    from moderation.cases.models import Queue
    from portal.people.models import User

    case = cases.open_case(
        account, queue=Queue.objects.get(slug="spam"), lane="general", risk_type="spam", score=None, why="seen by hand",
        opened_by="hand", by=User.objects.service("system"), now=now(),
    )  # fmt: skip
    return cases.claim(case, by=by, now=now(), limits=False)


def decided_by_hand(account: Any, *, by: Any, **word: Any) -> Any:
    """A decision of somebody's on the account, in force."""
    from tests.make import make_decision

    word |= {"reason_code": "bulk_messages", "note": "sells codes besides"}
    return make_decision(at="released", by=by, case=held(account, by=by), now=now(), **word)


def propose(made: Group, *, lena: Any, key: str) -> Any:
    """The proposal as a page would send it."""
    from uuid import uuid4

    from moderation.bulk import actions

    ids = [row.pk for row in made.accounts] + [uuid4() for _ in range(made.unknown)]
    return actions.propose(
        ids, by=lena, now=now(), risk_type="spam", outcome="suspend", reason_code="bulk_messages", until=made.until,
        typed=len(made.accounts) - len(made.out),
        request_key=key, note="post one text in turn", although="their scores lag behind",
    )  # fmt: skip


def play(stage: Stage, told: Told, *, accounts: int, seed: int, every: float, within: float) -> None:
    """One round: group, propose, agree, pause, go on, stop, go on, undo, and look."""
    from moderation.bulk import actions
    from portal.people.models import User

    ada, ben, lena = (User.objects.get(username=name) for name in ("ada", "ben", "lena"))
    dice = random.Random(seed)
    made = group(stage, dice, count=accounts, ada=ada, ben=ben)
    begun = time.monotonic()
    bulk = propose(made, lena=lena, key=f"round-{seed}-of-group")
    told.seconds["propose"].append(time.monotonic() - begun)
    stage.faults(FAULTS | {"seed": seed})
    begun = time.monotonic()
    with Killer(stage, dice, told, every=every) as killer:
        forward(bulk, told, killer, ben=ben, within=within)
    told.seconds["decide"].append(time.monotonic() - begun)
    told.hold("it came to its end", stands(bulk) == "done", f"{stands(bulk)} {bulk.why}")
    settled(stage, told, within=within)
    meddle(bulk, made, dice, ada=ada, ben=ben)
    actions.undo(bulk, by=lena, now=now(), reason_code=REASON)
    stage.faults(FAULTS | {"seed": seed + 1})
    begun = time.monotonic()
    with Killer(stage, dice, told, every=every):
        until(lambda: seen(lambda: stands(bulk)) == "undone", within=within, every=0.2)
    told.seconds["undo"].append(time.monotonic() - begun)
    told.hold("the undoing came to its end", stands(bulk) == "undone", stands(bulk))
    settled(stage, told, within=within)
    look(bulk, made, stage, told)
    once_more(bulk, made, stage, told, lena=lena)


def forward(bulk: Any, told: Told, killer: Killer, *, ben: Any, within: float) -> None:
    """To the pause, half way, stopped, and on to the end."""
    from moderation.bulk import actions

    with killer.calm:
        actions.approve(bulk, by=ben, now=now())
    until(lambda: seen(lambda: stands(bulk)) not in ("running", None), within=within, every=0.2)
    with killer.calm:
        tried, how = bulk.items.filter(status__in=("decided", "failed")).count(), stands(bulk)
        told.hold("it pauses after the first 50", how == "paused" and tried == 50, f"{how} at {tried}")
        actions.go_on(bulk, by=ben, now=now())
    half = bulk.accounts // 2
    until(lambda: (seen(bulk.items.decided().count) or 0) >= half, within=within, every=0.2)
    with killer.calm:
        actions.stop(bulk, by=ben, now=now())
        at_stop = decided(bulk)
    time.sleep(3)
    with killer.calm:
        told.hold(
            "nobody is decided on after stop", decided(bulk) == at_stop, f"stopped at {at_stop} of {bulk.accounts}"
        )
        actions.go_on(bulk, by=ben, now=now())
    until(lambda: seen(lambda: stands(bulk)) not in ("running", None), within=within, every=0.2)


def seen(read: Callable[[], Any]) -> Any:
    """What the database says; None while it is away."""
    from django.db import InterfaceError, OperationalError, connection

    try:
        return read()
    except (InterfaceError, OperationalError):
        connection.close()
        return None


def meddle(bulk: Any, made: Group, dice: random.Random, *, ada: Any, ben: Any) -> None:
    """Between the end and the undoing some are decided on again, and some taken back by themselves."""
    from moderation.decisions import actions as decisions

    few = max(1, int(bulk.accounts * SHARE))
    free = [item for item in bulk.items.decided().select_related("account", "decision").order_by("position")
            if item.account_id not in made.gone]  # fmt: skip
    for number, item in enumerate(dice.sample(free, 2 * few)):
        if number < few:
            made.again.add(item.account_id)
            decided_by_hand(item.account, by=ada, outcome="restrict", scope="messages")
        else:
            made.alone.add(item.account_id)
            decisions.reverse(item.decision, by=ben, now=now(), reason_code=REASON)


def settled(stage: Stage, told: Told, *, within: float) -> None:
    """The platform behaves again, and every action comes to its end."""
    from moderation.enforcement.models import Enforcement

    stage.faults({})
    done = until(lambda: not Enforcement.objects.open().exists(), within=within, every=0.2)
    told.hold("every action came to its end", done, f"{Enforcement.objects.open().count()} open")


def now() -> Any:
    from django.utils import timezone

    return timezone.now()


def stands(bulk: Any) -> str:
    bulk.refresh_from_db()
    return str(bulk.status)


def decided(bulk: Any) -> int:
    from moderation.decisions.models import Decision

    return Decision.objects.filter(pk__in=bulk.items.values("decision")).count()


def once_more(bulk: Any, made: Group, stage: Stage, told: Told, *, lena: Any) -> None:
    """The same proposal again is the first; another turn does nothing."""
    from moderation.bulk import actions
    from moderation.bulk.models import Bulk
    from moderation.decisions.models import Decision

    before = (Bulk.objects.count(), Decision.objects.count(), len(stage.ledger()))
    again = propose(made, lena=lena, key=bulk.request_key)
    turns = actions.run_some(bulk, now=now())
    after = (Bulk.objects.count(), Decision.objects.count(), len(stage.ledger()))
    told.hold("done again it changes nothing", again == bulk and not turns and before == after, f"{after}")


def run(folder: Path, *, accounts: int, rounds: int, seed: int, every: float, within: float) -> Told:
    """All rounds on one stage, each over accounts of its own; the log is verified at the end."""
    stage, told = Stage(folder, durable=True), Told()
    try:
        stage.prepare()
        people()
        for name in PROCESSES:
            stage.start(name)
        until(stage.worker_listens, within=60)
        for number in range(rounds):
            play(stage, told, accounts=accounts, seed=seed + number, every=every, within=within)
            print(f"round {number + 1}: {'holds' if told.sound else 'DOES NOT HOLD'}", file=sys.stderr, flush=True)
        for name in PROCESSES:
            stage.kill(name)
        verify(stage, told)
    finally:
        stage.stop()
    return told


def people() -> None:
    """Ada, a reviewer, and two leads; and what is shipped."""
    from portal.people import actions
    from portal.people.models import User
    from tests.make import ship_settings

    ship_settings(now=now())
    system = User.objects.service("system")
    for name, role in (("ada", "reviewer"), ("ben", "lead"), ("lena", "lead")):
        actions.grant(actions.create_user(name, by=system, now=now()), role, by=system, now=now())


def verify(stage: Stage, told: Told) -> None:
    """Every event in its place under a signed checkpoint."""
    from .road.invariants import prove

    verdict = prove(stage)
    told.hold("the log verifies", verdict.sound, verdict.why or f"{verdict.size} leaves")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=12.0, help="seconds between kills, on average")
    parser.add_argument("--within", type=float, default=3600.0, help="seconds any one step may take")
    parser.add_argument("--json", action="store_true", help="a last line for programs")
    asked = parser.parse_args()
    words = {name: value for name, value in vars(asked).items() if name != "json"}
    with tempfile.TemporaryDirectory(prefix="reeve-bulk-") as folder:
        told = run(Path(folder), **words)
    killed = ", ".join(f"{name} {count}" for name, count in sorted(told.killed.items()))
    print(f"{asked.rounds} rounds of {asked.accounts} accounts, seed {asked.seed}; killed: {killed or 'nobody'}")
    for name, seconds in told.seconds.items():
        print(f"  {name}: " + ", ".join(f"{one:.1f} s" for one in seconds))
    for name, (held, detail) in told.holds.items():
        print(f"  {'ok ' if held else 'NOT'}  {name:<42} {detail}")
    if asked.json:
        print(json.dumps({"killed": told.killed, "holds": told.holds}))
    return 0 if told.sound else 1


if __name__ == "__main__":
    sys.exit(main())
