"""How long from a decision until the backend has the call? Beside one empty Celery task in the same run.

    python -m tests.bench.effect --rounds 200

Measured on an idle system, one after the other: from the begin of the transaction that releases and orders, and from
its commit, to the moment the platform wrote the effect down. Nothing is asserted about clocks.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.faults.kill_worker import prepare
from tests.faults.stage import ROOT, Stage, until


def empty_tasks(rounds: int, pause: float) -> list[float]:
    """Milliseconds from publishing an empty task to its running."""
    import redis
    from celery import current_app

    client, took = redis.Redis.from_url(os.environ["REDIS_URL"]), []
    for number in range(rounds):
        begun = time.time()
        current_app.send_task("tests.bench.empty.nothing", kwargs={"number": number}, queue="yardstick")
        _, ran = client.blpop([f"bench:ran:{number}"], timeout=30)
        took.append((float(ran) - begun) * 1000)
        time.sleep(pause)
    return took


def effects(stage: Stage, rounds: int, pause: float) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds: the transaction itself; its begin to the effect; its commit to the effect."""
    from django.db import transaction
    from django.utils import timezone

    from moderation.enforcement import actions
    from moderation.enforcement.models import Enforcement
    from tests.enforcement.world import released_decision

    moments = {}
    for _ in range(rounds):
        begun = time.time()
        with transaction.atomic():
            decision = released_decision()
            row = actions.order(
                decision_id=decision.pk, account=decision.account, kind="label", by=decision.made_by,
                now=timezone.now(), policy="SPM-1.2", reason_code="spam_run",
            )  # fmt: skip
        moments[str(row.pk)] = begun, time.time()
        until(lambda: not Enforcement.objects.open().exists(), within=60, every=0.02)
        time.sleep(pause)
    there = {row["key"]: datetime.fromisoformat(row["at"]).timestamp() for row in stage.ledger()}
    ours = [(end - begin) * 1000 for begin, end in moments.values()]
    whole = [(there[key] - begin) * 1000 for key, (begin, _) in moments.items()]
    after = [(there[key] - end) * 1000 for key, (_, end) in moments.items()]
    return ours, whole, after


def line(name: str, took: list[float]) -> None:
    took = sorted(took)
    p50, p99 = statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.99))]
    print(f"  {name:<44} {p50:8.1f} {p99:8.1f}  ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds of idling between two")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reeve-effect-") as folder:
        stage = Stage(Path(folder))
        words = [sys.executable, "-m", "celery", "-A", "tests.bench.empty", "worker", "--concurrency", "2"]
        words += ["--loglevel", "ERROR", "--without-mingle", "--without-gossip"]
        yardstick = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            prepare()
            stage.start("worker")
            stage.start("dispatcher")
            until(stage.worker_listens, within=60)
            empty_tasks(20, asked.pause)  # warm
            effects(stage, 20, asked.pause)
            empty = empty_tasks(asked.rounds, asked.pause)
            ours, whole, after = effects(stage, asked.rounds, asked.pause)
        finally:
            yardstick.terminate()
            yardstick.wait()
            stage.stop()
    print(f"  {'decision to effect, ' + str(asked.rounds) + ' rounds':<44} {'p50':>8} {'p99':>8}")
    line("an empty Celery task, sent to run", empty)
    line("the transaction that releases and orders", ours)
    line("commit to the backend's effect", after)
    line("begin to the backend's effect", whole)
    bound = statistics.median(ours) + 3 * statistics.median(empty)
    print(f"  goal: begin to effect p50 <= our transaction + 3 empty tasks = {bound:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
