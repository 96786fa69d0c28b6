"""Does the log fork when two seal or two sign at once? Real processes, let go at one moment, again and again.

    python -m tests.faults.race_log --races 500 --seed 1

Five kinds of race over one growing log: sequencers as they are started; sequencers that all believe they are alone;
signers of one folder; signers of copies of one folder, as on two machines; all of them, and one is killed. A fork is a
number given twice, an event in two places, or two roots signed for one size. Exit 0 when there was none.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .kill_log import LogStage

KINDS = (
    "sequencers",
    "sequencers without their lock",
    "signers of one folder",
    "signers of two copies",
    "all, one dies",
)
PATIENCE = 20.0  # seconds for one race


class Race:
    """Two or more at once, over the log of this database; `signed` is a file that gets every signature made."""

    def __init__(self, kind: str, dice: random.Random, folder: Path) -> None:
        self.kind, self.dice, self.folder = kind, dice, folder
        self.signed = folder / "signed"
        self.children: list[int] = []
        self.wrong: list[str] = []

    def run(self) -> list[str]:
        """Write, let all go at once, wait; returns the ids of what was written."""
        from django.db import connections

        written = write(self.dice.choice([1, 2, 5, 40, 300]), self.dice)
        connections.close_all()
        gate, let_go = os.pipe()
        for act in self._who():
            self._start(act, gate, let_go, self.dice.choice([0, 0, 0, self.dice.uniform(0, 0.01)]))
        os.close(gate)
        time.sleep(0.005)
        os.close(let_go)  # now
        if self.kind == "all, one dies":
            time.sleep(self.dice.uniform(0, 0.08))
            os.kill(self.dice.choice(self.children), signal.SIGKILL)
        for child in self.children:
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) > 0:
                self.wrong.append("a process ended with an error")
        for copy in self.folder.glob("signer-*"):
            shutil.rmtree(copy)
        return written

    def _who(self) -> list[Callable[[], None]]:
        own = self.folder / "signer"
        two = self.dice.choice([2, 2, 3])
        match self.kind:
            case "sequencers":
                return [seal] * two
            case "sequencers without their lock":
                return [seal_alone] * two
            case "signers of one folder":
                return [partial(seal_alone, 3), *[partial(self.sign, own)] * two]
            case "signers of two copies":
                return [
                    partial(seal_alone, 3),
                    *(partial(self.sign, one) for one in (own, self._copy(1), self._copy(2))),
                ]
        return [seal, seal, seal_alone, partial(self.sign, own), partial(self.sign, self._copy(1))]

    def _copy(self, n: int) -> Path:
        """The folder as another machine has it: its lock keeps nobody out here."""
        copy = self.folder / f"signer-{n}"
        shutil.copytree(self.folder / "signer", copy)
        return copy

    def _start(self, act: Callable[[], None], gate: int, let_go: int, late: float) -> None:
        child = os.fork()
        if child:
            self.children.append(child)
            return
        code = 1
        try:
            os.close(let_go)
            os.read(gate, 1)  # until the other end is closed
            time.sleep(late)
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # nothing of the parent's is ended here

    def sign(self, folder: Path) -> None:
        """Be a signer until all is signed, as its command is: one that finds another goes away."""
        from django.db import DatabaseError, connections

        from portal.audit import note, signing
        from portal.audit.models import Checkpoint, Pending, Tree

        make, out = note.Signer.sign, os.open(self.signed, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

        def signs(signer: note.Signer, text: str, *, at: int = 0) -> note.Signature:
            told = note.Checkpoint.parse(text)
            os.write(out, f"{told.size} {told.root.hex()} {folder.name}\n".encode())
            return make(signer, text, at=at)

        note.Signer.sign = signs  # type: ignore[method-assign]
        try:
            signer = signing.Signer(folder)
        except signing.AnotherSigns:
            os.write(out, b"another\n")
            return
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                signer.sign()
                newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
                if not Pending.objects.exists() and newest == Tree.objects.get().size:
                    return
            except signing.RefusesToSign as why:
                os.write(out, f"refused {why}\n".encode())
                return
            except DatabaseError:  # another wrote the same checkpoint
                connections[signing.DATABASE].close()
            time.sleep(0.001)


def write(many: int, dice: random.Random) -> list[str]:
    """Events, committed; returns their ids."""
    from django.db import transaction

    from portal.audit.actions import record_many
    from portal.audit.events import Event

    told = [(Event.CASE_VIEWED, f"case:{dice.randint(1, 30)}", (), {"n": n}) for n in range(many)]
    with transaction.atomic():
        return [str(event.pk) for event in record_many(told, by=f"user:{dice.randint(1, 5)}")]


def seal() -> None:
    """Be a sequencer until nothing waits, as its command is."""
    from portal.management.commands.sequencer import Command

    command = Command()
    _until_nothing_waits(command._round)


def seal_alone(limit: int = 0) -> None:
    """Be a sequencer that never asks whether there is another; with small batches the tree has many sizes."""
    from moderation.insight.history import lanes_of
    from portal.audit import sealing

    _until_nothing_waits(lambda: sealing.seal(lanes=lanes_of, limit=limit or (7 if os.getpid() % 2 else sealing.BATCH)))


def _until_nothing_waits(round: Callable[[], Any]) -> None:
    from django.db import DatabaseError, connections

    from portal.audit import sealing
    from portal.audit.models import Pending

    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            round()
            if not Pending.objects.exists():
                return
        except DatabaseError:
            connections[sealing.DATABASE].close()
        time.sleep(0.001)


class Watch:
    """What was ever seen of the log, so that nothing of it can be another later."""

    def __init__(self, signed: Path) -> None:
        self.signed, self.read_to = signed, 0
        self.leaves: list[str] = []
        self.written: set[str] = set()
        self.roots: defaultdict[int, set[str]] = defaultdict(set)
        self.told: Counter[str] = Counter()

    def look(self, written: list[str]) -> list[str]:
        """After a race: forks and gaps, in sentences."""
        from portal.audit import sealing, tree
        from portal.audit.models import Leaf, Pending

        self.written |= set(written)
        wrong, before = [], len(self.leaves)
        rows = Leaf.objects.filter(index__gte=max(0, before - 400)).order_by("index").values_list("index", "event_id")
        for index, event in rows:
            if index == len(self.leaves):
                self.leaves.append(str(event))
            elif index > len(self.leaves) or self.leaves[index] != str(event):
                wrong.append(f"leaf {index} is not what was there, or comes after a gap")
        missing = set(written) - set(self.leaves[-len(written) - 400 :])
        if missing or Pending.objects.exists():
            wrong.append(f"{len(missing)} events have no place; {Pending.objects.count()} wait")
        read = sealing.reader()
        for size in self._signatures(wrong):
            if len(self.roots[size]) > 1 or {tree.root(size, read).hex()} != self.roots[size]:
                wrong.append(f"a fork: {len(self.roots[size])} roots are signed for {size} leaves, or not the tree's")
        return wrong

    def whole(self) -> list[str]:
        """Now and then, and at the end: the log by its own check, every event once."""
        from portal.audit import proving

        verdict = proving.verify(proving.public_key())
        wrong = [] if verdict.sound else [f"not sound at {verdict.position}: {verdict.why}"]
        if len(self.leaves) != len(set(self.leaves)) or set(self.leaves) != self.written:
            wrong.append(f"{len(self.written)} events were written, {len(self.leaves)} leaves were seen")
        return wrong

    def _signatures(self, wrong: list[str]) -> set[int]:
        """Sizes that were signed since the last look, and who did something else."""
        with self.signed.open(encoding="utf-8") as file:
            file.seek(self.read_to)
            lines, self.read_to = file.read().splitlines(), file.tell()
        sizes = set()
        for line in lines:
            first, *rest = line.split()
            if first == "refused":
                wrong.append(line)
            elif first == "another":
                self.told["kept out by the lock"] += 1
            else:
                self.told["signatures"] += 1
                self.roots[int(first)].add(rest[0])
                sizes.add(int(first))
        return sizes


def play(races: int, *, seed: int, folder: Path) -> dict[str, Any]:
    """So many races; returns how many of each kind, what they were like, and what was wrong."""
    from django.db import connections

    from portal.audit import signing

    dice, kinds, wrong = random.Random(seed), Counter[str](), list[str]()
    (folder / "signed").touch()
    watch = Watch(folder / "signed")
    signing.Signer(folder / "signer").close()
    for n in range(races):
        kind = KINDS[n % len(KINDS)]
        kinds[kind] += 1
        race = Race(kind, dice, folder)
        written = race.run()
        if kind == "all, one dies":
            seal()  # the one that died may have been needed
            connections.close_all()
        found = race.wrong + watch.look(written)
        if n % 50 == 49 or n == races - 1:
            found += watch.whole()
        wrong += [f"race {n}, {kind}: {one}" for one in found]
    doubled = sum(1 for roots in watch.roots.values() if len(roots) > 1)
    return {
        "races": races, "kinds": dict(kinds), "leaves": len(watch.leaves), "sizes signed": len(watch.roots),
        **watch.told, "sizes with two roots": doubled, "wrong": wrong,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reeve-race-") as folder:
        stage = LogStage(Path(folder), durable=False)
        try:
            import django
            from django.conf import settings
            from django.core.management import call_command

            django.setup()
            settings.SIGNER_DIR = Path(folder) / "signer"
            call_command("migrate", database="owner", verbosity=0)
            begun = time.monotonic()
            told = play(asked.races, seed=asked.seed, folder=Path(folder))
            took = time.monotonic() - begun
        finally:
            stage.stop()
    print(json.dumps(told) if asked.json else _table(told, took))
    return 1 if told["wrong"] else 0


def _table(told: dict[str, Any], took: float) -> str:
    lines = [f"{told['races']} races in {took:.0f} s: " + ", ".join(f"{n} {kind}" for kind, n in told["kinds"].items())]
    lines += [f"  {name:<22} {told[name]}" for name in told if name not in ("races", "kinds", "wrong")]
    lines += [f"  {'forks and gaps':<22} {len(told['wrong'])}", *(f"    {one}" for one in told["wrong"][:20])]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
