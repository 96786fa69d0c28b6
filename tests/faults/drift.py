"""Is every drift found, and only our own loss healed? Injects drift on a platform, sweeps, and reads every ledger.

    python -m tests.faults.drift --accounts 500 --seed 1

Half of the accounts drift: effects lost with their numbers, effects reverted under their number, changes by another
hand, a loss and another hand at once. Two sweepers go at the same time, and one dies half way with accounts in hand.
Prints a table; exit 0 when every line of it holds. The same seed injects the same.
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
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .road.invariants import gapped
from .stage import Stage

KINDS = ("suspend", "unsuspend", "limit_reach", "restore_reach", "label", "ban")
KEYS = {"suspend": "suspended", "limit_reach": "reach_limited", "label": "labelled", "ban": "banned"}
HOWS = ("lost", "reverted", "foreign", "both")
WANTED = {"": "same", "lost": "lost", "reverted": "foreign", "foreign": "foreign", "both": "foreign"}


@dataclass
class World:
    """The accounts: the actions of each, what should be in force, and what was done to it."""

    dice: random.Random
    accounts: list[Any] = field(default_factory=list)
    kinds: dict[Any, list[str]] = field(default_factory=dict)
    hows: dict[Any, str] = field(default_factory=dict)
    before: dict[Any, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Told:
    """What was seen."""

    seconds: float = 0.0
    injected: dict[str, int] = field(default_factory=dict)
    holds: dict[str, tuple[bool, str]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        return all(held for held, _ in self.holds.values())


def people(world: World, count: int, stage: Stage) -> None:
    """Accounts with one to three applied actions each."""
    from django.db import transaction
    from django.utils import timezone

    from moderation.enforcement import actions
    from tests.enforcement.world import account, released_decision

    for number in range(count):
        about = account(f"d{number}")
        world.accounts.append(about)
        world.kinds[about.pk] = world.dice.choices(KINDS, k=world.dice.randint(1, 3))
        for kind in world.kinds[about.pk]:
            with transaction.atomic():
                decision = released_decision(about)
                actions.order(
                    decision_id=decision.pk, account=about, kind=kind, by=decision.made_by, now=timezone.now(),
                    policy="SPM-1.2", reason_code="spam_run",
                )  # fmt: skip
            actions.drain(about.pk)
        world.before[about.pk] = stage.state(about.external_id)["state"]


def inject(world: World, stage: Stage) -> None:
    """Half of the accounts drift; what would change nothing is not counted as drift."""
    for about in world.accounts:
        how = world.dice.choice(HOWS) if world.dice.random() < 0.5 else ""
        state = world.before[about.pk]
        if how in ("lost", "both"):
            stage.hand(about.external_id, {"forget_after": world.dice.randrange(len(world.kinds[about.pk]))})
            if not differs(stage, about.external_id, state):
                how = how.replace("lost", "").replace("both", "foreign")
        if how in ("foreign", "both"):
            free = [key for key in ("payout_held", "demonetized", "secured") if not state[key]]
            stage.hand(about.external_id, {"set": {world.dice.choice(free): True}})
        if how == "reverted":
            kind = world.dice.choice(world.kinds[about.pk])
            key = KEYS[{"unsuspend": "suspend", "restore_reach": "limit_reach"}.get(kind, kind)]
            stage.hand(about.external_id, {"set": {key: not state[key]}})
        world.hows[about.pk] = how


def differs(stage: Stage, account: str, state: dict[str, Any]) -> bool:
    """Whether anything but the platform's own counts is otherwise than it was."""
    now = stage.state(account)["state"]
    return any(now[key] != state[key] for key in KEYS.values())


def sweep(at: datetime, *, dies: bool = False) -> None:
    """Two sweepers at once; with `dies` one takes accounts first and does nothing with them."""
    from django.db import connection

    from moderation.enforcement import reconciling

    if dies:
        reconciling._take("platform", now=at)

    def work() -> None:
        while reconciling.reconcile(at):
            pass
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if dies:
        reconciling.reconcile(at + reconciling.LEASE)


def run(folder: Path, *, accounts: int, seed: int) -> Told:
    """Play it through and read what came of it."""
    stage, told, world = Stage(folder), Told(), World(random.Random(seed))
    try:
        stage.prepare()
        from django.utils import timezone

        people(world, accounts, stage)
        inject(world, stage)
        told.injected = dict(collections.Counter(how or "none" for how in world.hows.values()))
        begun, at = time.monotonic(), timezone.now() + timedelta(hours=1)
        sweep(at, dies=True)
        told.seconds = time.monotonic() - begun
        look(world, stage, told, at=at)
    finally:
        stage.stop()
    return told


def look(world: World, stage: Stage, told: Told, *, at: datetime) -> None:
    """What holds after one sweep, after the heals were carried out, and after one more sweep."""
    from moderation.cases.models import Case
    from moderation.decisions import actions as decisions
    from moderation.enforcement import actions
    from moderation.enforcement.models import AccountSequence, Enforcement, Finding

    found = dict(AccountSequence.objects.values_list("account_id", "found"))
    wrong = collections.Counter(f"{how or 'none'} as {found[pk] or 'nothing'}" for pk, how in world.hows.items()
                                if found[pk] != WANTED[how])  # fmt: skip
    lost, foreign = ({pk for pk, how in world.hows.items() if WANTED[how] == said} for said in ("lost", "foreign"))
    drifted = len(lost) + len(foreign)
    seen = sum(found[pk] == WANTED[how] for pk, how in world.hows.items() if how)
    heals = list(Enforcement.objects.filter(parent__isnull=False).values_list("account_id", flat=True))
    told.holds["drift found by the next sweep"] = (seen == drifted and not wrong, f"{seen} of {drifted}, {dict(wrong)}")
    told.holds["no wrong heal"] = (set(heals) <= lost, f"{len(heals)} heals, {len(set(heals) - lost)} wrong")
    told.holds["each loss healed"] = (set(heals) == lost, f"{len(set(heals))} of {len(lost)} accounts")
    for pk in set(heals):
        actions.drain(pk)
    names = {about.pk: about.external_id for about in world.accounts}
    back = sum(not differs(stage, names[pk], world.before[pk]) for pk in lost)
    told.holds["as ordered again"] = (back == len(lost), f"{back} of {len(lost)}")
    cases_before = Case.objects.count()
    while decisions.take_findings(now=at):
        pass
    opened = Case.objects.filter(opened_by="drift")
    told.holds["a case for each other hand"] = (
        {*opened.values_list("account_id", flat=True)} == foreign
        and Case.objects.count() - cases_before == len(foreign),
        f"{opened.count()} of {len(foreign)}",
    )
    sweep(at + timedelta(hours=25))
    again = collections.Counter(AccountSequence.objects.values_list("found", flat=True))
    quiet = (
        Finding.objects.count() == len(foreign)
        and len(heals) == Enforcement.objects.filter(parent__isnull=False).count()
    )
    told.holds["the sweep after finds nothing new"] = (quiet and again["foreign"] == len(foreign), str(dict(again)))
    told.holds["numbers without a gap"] = (
        not gapped(list(Enforcement.objects.order_by("account", "seq"))),
        "from 1 up",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="a last line for programs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reeve-drift-") as folder:
        told = run(Path(folder), accounts=asked.accounts, seed=asked.seed)
    drifted = ", ".join(f"{how} {count}" for how, count in sorted(told.injected.items()))
    print(f"{asked.accounts} accounts ({drifted}), swept in {told.seconds:.1f} s, seed {asked.seed}")
    for name, (held, detail) in told.holds.items():
        print(f"  {'ok ' if held else 'NOT'}  {name:<34} {detail}")
    if asked.json:
        print(json.dumps({"injected": told.injected, "holds": told.holds}))
    return 0 if told.sound else 1


if __name__ == "__main__":
    sys.exit(main())
