"""Does the log fork, lose or reuse a number when any one step of it fails? Each step, in each of four ways, many times.

    python -m tests.faults.steps_log --seeds 25 --seed 1

Each run has a log of its own in a real PostgreSQL, and a signer's folder of its own. Batches are written, sealed and
signed; one step goes wrong once; who died starts again; then all must come to a sound log. Exit 0 when every run does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from .kill_log import LogStage
from .step_names import AT_START, KINDS, STEPS

ROUNDS = 6
TABLES = ("auditevent", "pending", "tree", "leaf", "tile", "head", "checkpoint", "cosignature", "alarm")


def empty() -> None:
    """A log without an event, by its owner."""
    from django.db import connections

    named = ", ".join(f"portal_{table}" for table in TABLES)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE portal_auditevent DISABLE TRIGGER USER")
        cursor.execute(f"TRUNCATE {named}")
        cursor.execute("INSERT INTO portal_tree (id, size) VALUES (1, 0)")
        cursor.execute("ALTER TABLE portal_auditevent ENABLE TRIGGER USER")


class Play:
    """One log, its writer, its sequencer and its signer; `wrong` is what should not have been."""

    def __init__(self, folder: Path, step: str, kind: str, seed: int) -> None:
        from portal.management.commands import sequencer, signer

        from .steps import Broken, Fault

        self.dice = random.Random(f"{step} {kind} {seed}")
        nth = 1 if step in AT_START else self.dice.randint(1, 3)
        self.fault = Fault(step, kind, nth=nth, dice=self.dice)
        self.broken, self.folder = Broken(self.fault), folder
        self.sequencer, self.command, self.signer = sequencer.Command(), signer.Command(), cast(Any, None)
        self.acknowledged: list[str] = []
        self.seen: dict[int, tuple[str, bytes]] = {}  # leaves, as somebody saw them between two steps
        self.deaths, self.wrong = 0, list[str]()

    def run(self) -> list[str]:
        """What went wrong, in sentences; nothing when the log stands as it must."""
        from .steps import breaking

        with breaking(self.broken):
            self.write(self.dice.choice([0, 1, 3, 250, 255, 256, 510]))
            for turn in itertools.count(1):
                self.write(self.dice.choice([0, 1, 1, 2, 5, 40]) if turn <= ROUNDS else turn % 2)
                for act in self.dice.sample((self.seal, self.sign, self.sign), 3):
                    act()
                    self.look()
                if turn >= ROUNDS and (self.fault.hit or turn > 20):
                    break
            if not self.fault.hit:
                self.wrong.append("the step was never come to")
            self.come_to_an_end()
        if self.signer:
            self.signer.close()
        try:
            return self.wrong + self.compare()
        except Exception as error:  # what is left cannot even be read
            return [*self.wrong, f"{type(error).__name__}: {error}"]

    def write(self, many: int) -> None:
        """Events, committed and acknowledged."""
        from django.db import transaction

        from portal.audit.actions import record_many
        from portal.audit.events import Event

        told = [(Event.CASE_VIEWED, f"case:{self.dice.randint(1, 9)}", (), {"n": n}) for n in range(many)]
        if told:
            with transaction.atomic():
                self.acknowledged += [str(event.pk) for event in record_many(told, by="user:1")]

    def seal(self) -> None:
        """One round of the sequencer; it handles errors as its command does."""
        from django.db import OperationalError, connections

        try:
            self.sequencer._round()
        except OperationalError:
            connections["sequencer"].close()
        except BaseException as error:
            self.died(error)

    def sign(self) -> None:
        """One round of the signer, which is now and then stopped and started."""
        from portal.audit import signing

        if self.signer and self.dice.random() < 0.15:
            self.signer.close()
            self.signer = None
        try:
            self.signer = self.signer or signing.Signer()
            self.command._round(self.signer)
        except BaseException as error:
            self.died(error)

    def died(self, error: BaseException) -> None:
        """Whoever it was is gone, and is started again at its next turn; only a fault may kill, and only once."""
        from portal.audit import signing

        self.deaths += 1
        if isinstance(error, KeyboardInterrupt):
            raise error
        if isinstance(error, signing.RefusesToSign) or not self.fault.hit or self.deaths > 1:
            self.wrong.append(f"died {self.deaths} times: {type(error).__name__}: {error}")
        if self.fault.step.startswith("signer") and self.signer:
            self.signer.close()
        self.signer = None if self.fault.step.startswith("signer") else self.signer
        self.broken.die(power=self.fault.crashed and self.dice.random() < 0.5)

    def look(self) -> None:
        """What somebody outside sees between two steps may never change again."""
        from portal.audit.models import Leaf

        after = max(self.seen, default=-1)
        rows = Leaf.objects.filter(index__gt=after - 50).values_list("index", "event_id", "leaf")
        for index, event, leaf in rows:
            told = (str(event), bytes(leaf))
            if self.seen.setdefault(index, told) != told:
                self.wrong.append(f"the number {index} was given twice")

    def come_to_an_end(self) -> None:
        """With nothing broken any more, all must be sealed and signed soon."""
        from portal.audit.models import Checkpoint, Tree

        end = time.monotonic() + 20
        while time.monotonic() < end and len(self.wrong) < 9:
            self.seal()
            self.sign()
            newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
            if newest == Tree.objects.get().size == len(self.acknowledged):
                return
            time.sleep(0.01)  # the server has yet to notice that somebody is gone
        self.wrong.append("it never came to an end: not all is sealed and signed")

    def compare(self) -> list[str]:
        """The log against what was acknowledged, what was seen, and every signature that left."""
        from portal.audit import proving, sealing, tree
        from portal.audit.models import Alarm, Checkpoint, Leaf

        self.look()
        wrong, read = [], sealing.reader()
        leaves = dict(Leaf.objects.order_by("index").values_list("index", "event_id"))
        if list(leaves) != list(range(len(leaves))):
            wrong.append("there is a gap in the numbers")
        if sorted(map(str, leaves.values())) != sorted(self.acknowledged):
            wrong.append(f"{len(self.acknowledged)} events were acknowledged, and the leaves are of others")
        if {index: event for index, (event, _) in self.seen.items()} != {n: str(e) for n, e in leaves.items()}:
            wrong.append("leaves that were seen are others now")
        for told in self.broken.signatures:
            if told.size > len(leaves) or tree.root(told.size, read) != told.root:
                wrong.append(f"a fork: a signature over {told.size} leaves is not of this log")
        if self.broken.early:
            wrong.append(f"a signature left before its record was on the disk, at {self.broken.early}")
        if {one.size for one in self.broken.signatures} < set(Checkpoint.objects.values_list("size", flat=True)):
            wrong.append("there is a checkpoint that nobody signed")
        verdict = proving.verify(proving.public_key())
        if not verdict.sound or verdict.waiting or verdict.unplaced:
            wrong.append(f"not sound: {verdict}")
        wrong += [f"an alarm: {told}" for told in Alarm.objects.values_list("told", flat=True)]
        return wrong


def play(seeds: Sequence[int], *, steps: Sequence[str] = STEPS, kinds: Callable[[str], Sequence[str]]) -> Counter[str]:
    """Every step in its kinds with each seed; returns `{"step|kind": bad runs}` and prints what was bad."""
    from django.conf import settings

    bad: Counter[str] = Counter()
    before = settings.SIGNER_DIR
    for step in steps:
        for kind, seed in itertools.product(kinds(step), seeds):
            empty()
            with tempfile.TemporaryDirectory(prefix="reeve-signer-") as folder:
                settings.SIGNER_DIR = Path(folder)
                wrong = Play(Path(folder), step, kind, seed).run()
            settings.SIGNER_DIR = before
            bad[f"{step}|{kind}"] += bool(wrong)
            for line in wrong[:3]:
                print(f"  {step} {kind}, seed {seed}: {line}", file=sys.stderr)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=25, help="runs of each step in each way")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--only", default="", help="steps whose name holds this")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    steps = [step for step in STEPS if asked.only in step]
    with tempfile.TemporaryDirectory(prefix="reeve-steps-") as folder:
        stage = LogStage(Path(folder), durable=False)
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            begun = time.monotonic()
            seeds = range(asked.seed, asked.seed + asked.seeds)
            bad = play(seeds, steps=steps, kinds=lambda _step: KINDS)
            took = time.monotonic() - begun
        finally:
            stage.stop()
    told: dict[str, Any] = {"runs": len(bad) * asked.seeds, "bad": {name: n for name, n in bad.items() if n}}
    print(json.dumps(told) if asked.json else _table(steps, bad, asked.seeds, took))
    return 1 if told["bad"] else 0


def _table(steps: Sequence[str], bad: Counter[str], seeds: int, took: float) -> str:
    lines = [f"{'step':<40}" + "".join(f"{kind:>18}" for kind in KINDS)]
    for step in steps:
        cells = [seeds - bad[f"{step}|{kind}"] for kind in KINDS]
        lines.append(f"{step:<40}" + "".join(f"{f'{held}/{seeds}':>18}" for held in cells))
    runs = len(steps) * len(KINDS) * seeds
    lines.append(
        f"{len(steps)} steps x {len(KINDS)} ways x {seeds} seeds = {runs:,} runs in {took:,.0f} s: "
        f"{runs - sum(bad.values()):,} held; {sum(bad.values())} forked, reused a number, left a gap or stood still"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
