"""How fast is the whole log checked, how fast are proofs of it made, and with how much memory?

python -m tests.bench.prove --leaves 200000

Leaves a second of what `verify_audit` does; proofs a second; leaves a second of whole bundles. Each on one core, in a
process of its own; the CPU of PostgreSQL comes on top and is in the seconds, not in "CPU here".
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.faults.kill_log import LogStage


def fill(leaves: int, *, each: int) -> None:
    """Sealed and signed events: a batch of up to 5,000 at a time, a checkpoint after each `each` leaves."""
    from django.db import transaction

    from moderation.insight.history import lanes_of
    from portal.audit import sealing, signing
    from portal.audit.actions import record_many
    from portal.audit.events import Event

    signer = signing.Signer()
    for start in range(0, leaves, 5000):
        told = [
            (
                Event.CASE_VIEWED,
                f"case:{n // 6}",
                (f"account:{n // 9:032x}",),
                {"n": n, "of": "an event of usual length"},
            )
            for n in range(start, min(start + 5000, leaves))
        ]
        with transaction.atomic():
            record_many(told, by=f"user:{start // 5000 % 10}")
        while sealing.seal(lanes=lanes_of, limit=each):
            signer.sign()
    signer.close()


def check() -> None:
    """One walk, in a process of its own."""
    import django

    django.setup()
    from portal.audit import proving

    with timed("leaves checked") as many:
        verdict = proving.verify(proving.public_key())
        many.append(verdict.size)
    if not verdict.sound:
        raise SystemExit(f"not sound at {verdict.position}: {verdict.why}")


@contextmanager
def timed(what: str) -> Iterator[list[int]]:
    """Prints what was done in a second; whoever uses it says how many there were."""
    many: list[int] = []
    begun, own = time.perf_counter(), time.process_time()
    yield many
    took, own = time.perf_counter() - begun, time.process_time() - own
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{sum(many):>10,} {what:<42} {took:7.2f} s, {sum(many) / took:>8,.0f}/s; {own:.2f} s of it CPU here; {peak} MB"
    )


def build() -> None:
    """Proofs of single leaves, of growth, of many leaves at once, and whole bundles."""
    import django

    django.setup()
    from portal.audit import bundle, multiproof, sealing, tree
    from portal.audit.models import Checkpoint

    dice, size = random.Random(1), Checkpoint.objects.latest("size").size
    read = sealing.reader()
    with timed("proofs that a leaf is in the tree") as many:
        for index in dice.sample(range(size), min(size, 5000)):
            tree.inclusion(index, size, read)
            many.append(1)
    with timed("proofs that the tree only grew") as many:
        for old in dice.sample(list(Checkpoint.objects.values_list("size", flat=True)), min(size // 500, 2000)):
            tree.consistency(old, size, read)
            many.append(1)
    with timed("random leaves in one proof") as many:
        chosen = sorted(dice.sample(range(size), size // 20))
        many.append(len(chosen))
        sum(1 for _ in multiproof.prove(((at, at + 1) for at in chosen), size, read))
    for name, scope in (("the whole log", bundle.Scope("range")), ("one actor", bundle.Scope("actor", "user:0"))):
        with tempfile.TemporaryFile() as file, timed(f"leaves in a bundle of {name}") as many:
            many.append(_bundle(file, scope))


def _bundle(file: IO[bytes], scope: Any) -> int:
    """One bundle; returns its leaves. Who waits for seal and signature seals and signs."""
    from django.utils import timezone

    from moderation.insight.history import lanes_of
    from portal.audit import bundle, sealing, signing

    signer = signing.Signer()

    def pause(_seconds: float) -> None:
        sealing.seal(lanes=lanes_of)
        signer.sign()

    about = {"asked_by": "bench", "asked_at": timezone.now().isoformat(), "why": "bench", "filter": {}}
    asked: dict[str, Any] = {"may_have": lambda events: dict.fromkeys(events, "payload"), "about": about}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        made = bundle.write(target, scope=scope, by="user:1", of="export:1", now=timezone.now(), pause=pause, **asked)
    signer.close()
    return made.leaves


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=200_000)
    parser.add_argument("--each", type=int, default=500, help="leaves between two checkpoints")
    parser.add_argument("--part", choices=("check", "build"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        {"check": check, "build": build}[asked.part]()
        return 0
    with tempfile.TemporaryDirectory(prefix="reeve-prove-") as folder:
        stage = LogStage(Path(folder), durable=False)
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            fill(asked.leaves, each=asked.each)
            for part in ("check", "build", "check"):  # at the end with the statements of the bundles
                subprocess.run([sys.executable, "-m", "tests.bench.prove", "--part", part], check=True)
        finally:
            stage.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
