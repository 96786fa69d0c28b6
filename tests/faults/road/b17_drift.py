"""B17: platforms lose effects, revert them, and are changed by other hands; each is found, only our own loss is healed.

Half of the accounts drift: effects lost with their numbers, effects reverted under their number, changes by another
hand, a loss and another hand at once. Two sweepers go at the same time, and one dies half way with accounts in hand.
The design asks for 5,000 of 100,000; here half of 4,000 drift, which is what finishes in minutes on two cores.
"""

from __future__ import annotations

import collections
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.faults.stage import Stage

from .invariants import check
from .scene import Run, Scene

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


def people(run: Run, world: World, stage: Stage) -> None:
    """Accounts with one to three applied actions each."""
    from django.db import transaction
    from django.utils import timezone

    from moderation.enforcement import actions
    from tests.enforcement.world import account, released_decision

    for number in range(run.size["accounts"]):
        about = account(f"d{number}")
        world.accounts.append(about)
        world.kinds[about.pk] = world.dice.choices(KINDS, k=world.dice.randint(1, 3))
        for kind in world.kinds[about.pk]:
            with transaction.atomic():
                decision = released_decision(about)
                action = actions.order(
                    decision_id=decision.pk, account=about, kind=kind, by=decision.made_by, now=timezone.now(),
                    policy="SPM-1.2", reason_code="spam_run",
                )  # fmt: skip
            run.history.add("ordered", action=action.pk, account=number, kind=kind, seq=action.seq)
            actions.drain(about.pk)
        world.before[about.pk] = stage.state(about.external_id)["state"]


def inject(run: Run, world: World, stage: Stage) -> None:
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
        if how:
            run.history.add("broken", account=about.external_id, how=how)


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


def look(run: Run, world: World, stage: Stage, *, at: datetime) -> None:
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
    run.hold("drift found by the next sweep", seen == drifted and not wrong, f"{seen} of {drifted}, {dict(wrong)}")
    run.hold("no wrong heal", set(heals) <= lost, f"{len(heals)} heals, {len(set(heals) - lost)} wrong")
    run.hold("each loss healed", set(heals) == lost, f"{len(set(heals))} of {len(lost)} accounts")
    for pk in set(heals):
        actions.drain(pk)
    names = {about.pk: about.external_id for about in world.accounts}
    back = sum(not differs(stage, names[pk], world.before[pk]) for pk in lost)
    run.hold("as ordered again", back == len(lost), f"{back} of {len(lost)}")
    cases_before = Case.objects.count()
    while decisions.take_findings(now=at):
        pass
    opened = Case.objects.filter(opened_by="drift")
    run.hold(
        "a case for each other hand",
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
    run.hold("the sweep after finds nothing new", quiet and again["foreign"] == len(foreign), str(dict(again)))


def play(run: Run) -> None:
    """Actions for everybody, drift for half of them, one sweep with a sweeper that dies, and what came of it."""
    stage, world = run.stage(), World(run.dice(1))
    from django.utils import timezone

    people(run, world, stage)
    inject(run, world, stage)
    injected = collections.Counter(how or "none" for how in world.hows.values())
    figures = ", ".join(f"{how} {count}" for how, count in sorted(injected.items()))
    run.hold("every kind of drift was injected", set(injected) == {"none", *HOWS}, figures)
    begun, at = time.monotonic(), timezone.now() + timedelta(hours=1)
    sweep(at, dies=True)
    seconds = time.monotonic() - begun
    run.hold("swept within 15 minutes", seconds <= 900, f"{seconds:.1f} s")
    look(run, world, stage, at=at)
    check(run, stage, but=("I4",))  # the platform was changed by other hands, which stay


SCENE = Scene("B17", "platforms drift", play, small={"accounts": 40}, full={"accounts": 4000})
