"""Is a decision that was answered ever lost, doubled or unlogged, whoever dies? People decide over HTTP; all is killed.

    python -m tests.faults.kill_house --kills 100 --seed 1

Kills the web, the worker, sequencers (two stand ready), the signer and PostgreSQL with all their children, at random
moments, while people send decisions and send them again with the same key until they are answered. Prints a table;
exit 0 when every line of it holds.
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
from pathlib import Path

import requests

from .stage import Stage, until

PEOPLE = 4
ACTS = ("web", "worker", "sequencer-1", "sequencer-2", "signer", "postgres")
OTHERS = ("dispatcher",)  # runs too: it does what a dead worker leaves


class Person(threading.Thread):
    """Decides one held case after the other; what was answered is remembered as `answered[request key] = decision`."""

    def __init__(self, url: str, key: str, cases: list[tuple[int, int]], pause: float) -> None:
        super().__init__(daemon=True)
        self.url, self.cases, self.pause = url, cases, pause
        self.headers = {"Authorization": f"Bearer {key}"}
        self.answered: dict[str, str] = {}
        self.refused: list[str] = []
        self.unanswered = 0
        self.over = threading.Event()

    def run(self) -> None:
        for pk, version in self.cases:
            if self.over.is_set():
                return
            self._decide(pk, version)
            time.sleep(self.pause)

    def _decide(self, pk: int, version: int) -> None:
        told = {"outcome": "warn", "reason_code": "bulk_messages", "version": version, "undo_seconds": 0}
        headers = self.headers | {"Idempotency-Key": f"kill-{pk}"}
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                answer = requests.post(
                    f"{self.url}/api/v1/cases/{pk}/decisions", json=told, headers=headers, timeout=20
                )
            except requests.RequestException:
                answer = None
            if answer is not None and answer.status_code == 201:
                self.answered[f"kill-{pk}"] = answer.json()["id"]
                return
            if answer is not None and answer.status_code < 500:
                self.refused.append(f"{answer.status_code} {answer.text[:200]}")
                return
            self.unanswered += 1
            time.sleep(0.2)
        self.refused.append("no answer in 90 s")


def held_cases(count: int) -> list[tuple[str, list[tuple[int, int]]]]:
    """People with their keys, each with this many cases they hold: `(key, [(id, version)])`."""
    from django.utils import timezone

    from portal.people import actions as people
    from portal.people.models import User
    from tests.make import NOON, make_case

    system, told = User.objects.service("system"), []
    for n in range(PEOPLE):
        person = people.create_user(f"person-{n}", by=system, now=NOON, password=None, languages=("en",))
        people.grant(person, "reviewer", by=system, now=NOON)
        _, key = people.issue_key(person, by=system, now=NOON, title="kill")
        cases = [make_case(at="claimed", by=person, now=timezone.now()) for _ in range(count)]
        told.append((key, [(case.pk, case.version) for case in cases]))
    return told


def play(house: Stage, crowd: list[Person], *, kills: int, seed: int) -> collections.Counter[str]:
    """Let them decide while one after the other dies; returns how often each did."""
    dice, died = random.Random(seed), collections.Counter[str]()
    for person in crowd:
        person.start()
    order: list[str] = []
    for _ in range(kills):
        order = order or dice.sample(ACTS, len(ACTS))  # everybody once before anybody twice
        name = order.pop()
        until(lambda: answers(house), within=60)  # else a web that starts slowly is never there to be killed
        time.sleep(dice.uniform(0.3, 2.0))
        house.kill(name)
        died[name] += 1
        time.sleep(dice.uniform(0, 0.3))
        house.start(name)
    until(lambda: answers(house), within=60)
    time.sleep(3)
    for person in crowd:
        person.over.set()
    for person in crowd:
        person.join(100)
    return died


def answers(house: Stage) -> bool:
    """Whether the web is there, and its database with it."""
    try:
        return requests.get(f"http://127.0.0.1:{house.web_port}/readyz", timeout=5).status_code in {200, 503}
    except requests.RequestException:
        return False


def check(house: Stage, crowd: list[Person]) -> dict[str, tuple[bool, str]]:
    """What must hold at the end: `{line: (whether, figures)}`."""
    from django.db import connections

    from moderation.decisions.models import Decision
    from moderation.enforcement.models import Enforcement
    from portal.audit import proving
    from portal.audit.models import AuditEvent, Checkpoint, Leaf, Pending, Tree

    connections.close_all()  # ours too died with PostgreSQL

    def sealed_and_signed() -> bool:
        newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
        return not Pending.objects.exists() and newest == Tree.objects.get().size

    carried_out = until(lambda: not Enforcement.objects.open().exists(), within=120, every=0.2)
    caught_up = until(sealed_and_signed, within=60, every=0.2)
    answered = {decision for person in crowd for decision in person.answered.values()}
    written = {
        str(pk) for pk in Decision.objects.filter(made_by__username__startswith="person-").values_list("pk", flat=True)
    }
    subjects = AuditEvent.objects.filter(type="decision.held").values_list("subjects", "id")
    logged = collections.Counter(named[0].partition(":")[2] for named, _ in subjects)
    leaves = {str(pk) for pk in Leaf.objects.values_list("event_id", flat=True)}
    unsealed = [pk for _, pk in subjects if str(pk) not in leaves]
    applied = {str(pk) for pk in Enforcement.objects.filter(status="applied").values_list("pk", flat=True)}
    keys = collections.Counter(row["key"] for row in house.ledger())
    refused = [line for person in crowd for line in person.refused]
    again = sum(person.unanswered for person in crowd)
    verdict = proving.verify(proving.public_key())
    events = AuditEvent.objects.count()
    once = set(logged) == written and set(logged.values()) <= {1}
    return {
        "no decision was refused": (not refused, "; ".join(refused[:3]) or f"{again} sent again"),
        "nothing answered is lost": (answered <= written, f"{len(answered)} answered, {len(answered - written)} lost"),
        "every decision has one event": (once, f"{len(written)} decisions, {sum(logged.values())} events"),
        "every event has one leaf": (events == len(leaves) and not unsealed, f"{events} events, {len(leaves)} leaves"),
        "each effect exactly once": (
            set(keys) == applied and set(keys.values()) <= {1}, f"{sum(keys.values())} effects, {len(applied)} applied"
        ),
        "all carried out, sealed and signed": (carried_out and caught_up, f"{Pending.objects.count()} waiting"),
        "the log is sound, no fork": (verdict.sound, verdict.why or f"{verdict.size} leaves"),
    }  # fmt: skip


def run(folder: Path, *, kills: int, seed: int) -> tuple[collections.Counter[str], dict[str, tuple[bool, str]]]:
    """Play it through; returns who died how often, and what held."""
    house = Stage(folder, durable=True)
    try:
        house.prepare()
        told = held_cases(12 * kills + 20)
        for name in (*ACTS, *OTHERS):
            if name != "postgres":  # it runs
                house.start(name)
        if not (until(lambda: answers(house), within=60) and until(house.worker_listens, within=60)):
            raise SystemExit("the web or the worker did not start; see its log")
        url = f"http://127.0.0.1:{house.web_port}"
        crowd = [Person(url, key, cases, pause=0.15) for key, cases in told]
        died = play(house, crowd, kills=kills, seed=seed)
        return died, check(house, crowd)
    finally:
        house.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line for programs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reeve-house-") as folder:
        died, holds = run(Path(folder), kills=asked.kills, seed=asked.seed)
        sound = all(held for held, _ in holds.values())
        if not sound:
            for log in sorted(Path(folder).glob("*.log")):
                print(f"--- {log.name}", *log.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
    if asked.json:
        print(json.dumps({"died": died, "holds": holds}))
    else:
        print(f"{asked.kills} kills: " + ", ".join(f"{name} {n}" for name, n in sorted(died.items())))
        for line, (held, figures) in holds.items():
            print(f"  {'holds' if held else 'FAILS':<6} {line:<36} {figures}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
