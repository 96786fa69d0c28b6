"""How fast is the whole log checked, and with how much memory? Leaves a second of `verify_audit`, on one core.

python -m tests.bench.prove --leaves 200000
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
            record_many(told, by=f"user:{start % 50}")
        while sealing.seal(lanes=lanes_of, limit=each):
            signer.sign()
    signer.close()


def check() -> None:
    """One walk, in a process of its own."""
    import django

    django.setup()
    from portal.audit import proving

    before, begun, own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
    verdict = proving.verify(proving.public_key())
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = time.process_time() - own
    print(
        f"{verdict.size:>10,} leaves: {'sound' if verdict.sound else verdict.why}; {took:.2f} s, "
        f"{verdict.size / took:,.0f} leaves/s; {own:.2f} s of it CPU here; "
        f"memory {before // 1024} MB, then {after // 1024} MB"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=200_000)
    parser.add_argument("--each", type=int, default=500, help="leaves between two checkpoints")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.check:
        check()
        return 0
    with tempfile.TemporaryDirectory(prefix="reeve-prove-") as folder:
        stage = LogStage(Path(folder))
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            fill(asked.leaves, each=asked.each)
            for _ in range(2):
                subprocess.run([sys.executable, "-m", "tests.bench.prove", "--check"], check=True)
        finally:
            stage.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
