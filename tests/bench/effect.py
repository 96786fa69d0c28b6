"""How long from a decision until the backend has the call? Beside one empty Celery task in the same run.

    python -m tests.bench.effect --rounds 200

On an idle system, one after the other: a decision over HTTP with no undo window, from the moment it is sent to the
moment the platform wrote the effect down. Nothing is asserted about clocks.
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

import requests
from django.utils import timezone

from tests.faults.stage import ROOT, Stage, until

WARM = 15


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


def claimed_cases(rounds: int) -> tuple[str, list[tuple[int, int]]]:
    """A reviewer's key, and cases they hold: `(id, version)`."""
    from portal.people import actions as people
    from portal.people.models import User
    from tests.make import NOON, make_case

    system = User.objects.service("system")
    ada = people.create_user("ada", by=system, now=NOON, password=None, languages=("en",))
    people.grant(ada, "reviewer", by=system, now=NOON)
    _, key = people.issue_key(ada, by=system, now=NOON, title="bench")
    cases = [make_case(at="claimed", by=ada, now=timezone.now()) for _ in range(rounds)]
    return key, [(case.pk, case.version) for case in cases]


def effects(stage: Stage, key: str, cases: list[tuple[int, int]], pause: float) -> tuple[list[float], list[float]]:
    """Milliseconds: the decision itself, sent to answered; sent to the platform's effect."""
    from moderation.enforcement.models import Enforcement

    session, moments = requests.Session(), {}
    session.headers["Authorization"] = f"Bearer {key}"
    for pk, version in cases:
        told = {"outcome": "warn", "reason_code": "bulk_messages", "version": version, "undo_seconds": 0}
        url = f"http://127.0.0.1:{stage.web_port}/api/v1/cases/{pk}/decisions"
        begun = time.time()
        answer = session.post(url, json=told, headers={"Idempotency-Key": f"bench-{pk}"}, timeout=30)
        end = time.time()
        assert answer.status_code == 201, answer.text
        [action] = answer.json()["enforcements"]
        moments[action["id"] if isinstance(action, dict) else action] = begun, end
        until(lambda: not Enforcement.objects.open().exists(), within=60, every=0.02)
        time.sleep(pause)
    there = {row["key"]: datetime.fromisoformat(row["at"]).timestamp() for row in stage.ledger()}
    ours = [(end - begun) * 1000 for begun, end in moments.values()]
    return ours, [(there[key] - begun) * 1000 for key, (begun, _) in moments.items()]


def answers(stage: Stage) -> bool:
    """Whether the web is there."""
    try:
        return requests.get(f"http://127.0.0.1:{stage.web_port}/livez", timeout=2).ok
    except requests.RequestException:
        return False


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
            stage.prepare()
            key, cases = claimed_cases(asked.rounds + WARM)
            for name in ("worker", "dispatcher", "web"):
                stage.start(name)
            until(stage.worker_listens, within=60)
            until(lambda: answers(stage), within=60)
            empty_tasks(WARM, asked.pause)
            effects(stage, key, cases[:WARM], asked.pause)
            empty = empty_tasks(asked.rounds, asked.pause)
            ours, whole = effects(stage, key, cases[WARM:], asked.pause)
        finally:
            yardstick.terminate()
            yardstick.wait()
            stage.stop()
    print(f"  {'decision to effect, ' + str(asked.rounds) + ' rounds':<44} {'p50':>8} {'p99':>8}")
    line("an empty Celery task, sent to run", empty)
    line("the decision over HTTP, sent to answered", ours)
    line("decision sent to the backend's effect", whole)
    bound = statistics.median(ours) + 3 * statistics.median(empty)
    print(f"  goal: p50 to the effect <= our decision + 3 empty tasks = {bound:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
