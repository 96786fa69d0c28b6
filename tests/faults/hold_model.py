"""Does a legal hold beat erasure and retention in whatever order things happen? Random sequences against a small model.

    python -m tests.faults.hold_model --steps 10000 --seed 1

Two accounts; holds are asked, agreed, declined, reviewed, ended and released, by the right and by the wrong person,
between erasures and runs of the retention. After each act the tables must say what the model says, and each act must be
refused exactly when the model refuses it. Exit 0 when nothing held was lost and nothing differed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

ACTS = ("ask", "agree", "decline", "review", "ask_release", "keep_on", "release", "erase", "sweep")
WEIGHTS = (6, 9, 2, 2, 7, 3, 7, 3, 3)
FITTING = 0.75  # how often an act is done to a hold that stands right for it
FROM = {
    "agree": ("asked", "active"), "decline": ("asked", "declined"), "review": ("active", "active"),
    "ask_release": ("active", "ending"), "keep_on": ("ending", "active"), "release": ("ending", "released"),
}  # fmt: skip
IN_FORCE = ("active", "ending")


@dataclass
class Modelled:
    """One account as it should stand."""

    name: str
    pk: Any
    erased: bool = False
    told: bool = True  # its old signal is still there
    holds: dict[Any, str] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return any(status in IN_FORCE for status in self.holds.values())


class _Back(Exception):
    """Take everything back: the next sequence begins at the same place."""


class World:
    """Two accounts with something sealed and an old signal each, an officer and two leads."""

    def __init__(self) -> None:
        from portal.people import actions as people
        from portal.people.models import User
        from risk.intake.models import Signal
        from tests.make import NOON, make_account

        system = User.objects.service("system")
        made = {}
        for username, role in (("pia", "privacy"), ("ben", "lead"), ("lena", "lead")):
            made[username] = people.create_user(username, by=system, now=NOON, password=None, languages=("en",))
            people.grant(made[username], role, by=system, now=NOON)
        self.pia, self.ben, self.lena = (User.objects.get(username=name) for name in ("pia", "ben", "lena"))
        self.system, self.now = system, NOON + timedelta(days=200)
        self.accounts = [(f"m{number}", make_account(f"m{number}", handle=f"handle_{number}").pk) for number in (1, 2)]
        Signal.objects.update(received_at=NOON)

    def sequence(self, dice: random.Random, *, length: int) -> Counter[str]:
        """One random sequence, checked after each act, and taken back; what was done and what was refused."""
        from django.db import connection, transaction

        done: Counter[str] = Counter()
        try:
            with transaction.atomic():
                models = [Modelled(name, pk) for name, pk in self.accounts]
                for turn in range(length):
                    act, account = self._draw(models, dice)
                    refused = self._step(act, account, models, dice, turn)
                    done[f"{act} refused" if refused else act] += 1
                    self._compare(models, act)
                    with connection.cursor() as cursor:  # what the database looks at when a transaction ends
                        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
                raise _Back
        except _Back:
            return done

    def _draw(self, models: list[Modelled], dice: random.Random) -> tuple[str, Modelled]:
        """What happens next and to whom: mostly something that fits, sometimes anything."""
        while True:
            act, account = dice.choices(ACTS, WEIGHTS)[0], dice.choice(models)
            if act not in FROM or FROM[act][0] in account.holds.values() or dice.random() > FITTING:
                return act, account

    def _step(self, act: str, account: Modelled, models: list[Modelled], dice: random.Random, turn: int) -> bool:
        """Do it, and hold what came of it against the model; whether it was refused."""
        if act == "sweep":
            return self._sweep(models)
        if act == "erase":
            may = not account.held and not account.erased
            if refused := self._refused(self._erase, account.name) is not None:
                assert not may, f"erasing {account} was refused"
            else:
                assert may, f"{account} was erased"
                account.erased = True
            return refused
        if act == "ask":
            return self._ask(account, turn)
        return self._move(act, account, dice)

    def _ask(self, account: Modelled, turn: int) -> bool:
        from portal.privacy import holding

        hold = self._refused(
            holding.ask, account.pk, of=self.ben, reference=f"LR-{turn}", reason="a court", confidential=False,
            by=self.pia, now=self.now,
        )  # fmt: skip
        made = not isinstance(hold, Exception)
        assert made == (not account.erased), f"a hold on {account}: {hold}"
        if made:
            account.holds[hold.pk] = "asked"
        return not made

    def _move(self, act: str, account: Modelled, dice: random.Random) -> bool:
        from portal.privacy import holding
        from portal.privacy.models import Hold

        if not account.holds:
            return True
        frm, to = FROM[act]
        fits = sorted(pk for pk, status in account.holds.items() if status == frm)
        pk = dice.choice(fits if fits and dice.random() < FITTING else sorted(account.holds))
        hold = Hold.objects.get(pk=pk)
        right = self.pia if act in ("review", "ask_release") else self.ben
        wrong = act in ("agree", "release") and dice.random() < 0.2
        by = dice.choice([self.pia, self.lena]) if wrong else right
        more = {"of": self.ben} if act == "ask_release" else {}
        came = self._refused(getattr(holding, act), hold, by=by, now=self.now, **more)
        may = not wrong and account.holds[pk] == frm and not (act == "agree" and account.erased)
        assert (came is None) == may, f"{act} by {by} on {account}: {came}"
        if may:
            account.holds[pk] = to
        return not may

    def _sweep(self, models: list[Modelled]) -> bool:
        from portal.privacy import retention

        retention.sweep(by=self.system, now=self.now, apply=True, rules=["signals_raw"])
        for account in models:
            account.told = account.told and account.held
        return False

    def _erase(self, name: str) -> None:
        from portal.privacy import erasure

        erasure.erase("main", name, legal_basis="objection", ticket="R1", by=self.pia, now=self.now)

    def _refused(self, act: Any, *args: Any, **more: Any) -> Any:
        """What it gave, or the refusal."""
        from portal.refusal import Refused

        try:
            return act(*args, **more)
        except Refused as refused:
            return refused

    def _compare(self, models: list[Modelled], act: str) -> None:
        from portal.privacy.models import Hold, VaultKey
        from risk.intake.models import Account, Signal

        for account in models:
            row = Account.objects.get(pk=account.pk)
            whole = VaultKey.objects.filter(pk=account.pk, wrapped__isnull=False).exists()
            told = Signal.objects.filter(account=account.pk).exists()
            holds = dict(Hold.objects.filter(account=account.pk).values_list("pk", "status"))
            assert (row.erased_at is not None, whole, told) == (account.erased, not account.erased, account.told), act
            assert holds == account.holds, act
            if account.held:
                assert whole, f"LOST: {account} is held and its key is gone"


def play(steps: int, *, seed: int, length: int = 20) -> Counter[str]:
    """So many acts, in sequences of this length; how often each was done and refused.

    Raises `AssertionError` where the tables say something else than the model.
    """
    world, dice, done = World(), random.Random(seed), Counter[str]()
    while done.total() < steps:
        done += world.sequence(dice, length=min(length, steps - done.total()))
    return done


def main() -> int:
    """On servers of our own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--length", type=int, default=20, help="acts in one sequence")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    from portal.local.attach import new_secrets
    from portal.local.servers import start

    with tempfile.TemporaryDirectory(prefix="reeve-holds-") as folder:
        servers = start(Path(folder) / "servers", durable=False)
        try:
            os.environ.update(servers.environment, **new_secrets())
            os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="portal.settings", LOG_LEVEL="ERROR")
            import django
            from django.core.management import call_command
            from django.db import connections

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            began = time.monotonic()
            done = play(asked.steps, seed=asked.seed, length=asked.length)
            connections.close_all()
        finally:
            servers.stop()
    acts = ", ".join(f"{n} {act}" for act, n in sorted(done.items()))
    sequences = -(-asked.steps // asked.length)
    print(f"ok {done.total()} acts in {sequences} sequences, {time.monotonic() - began:.0f} s: {acts}")
    print("ok 0 held records lost, 0 differences from the model")
    return 0


if __name__ == "__main__":
    sys.exit(main())
