"""B6: PostgreSQL dies, is cut off or locked, while people decide over HTTP and actions are ordered.

What was answered is kept; who could not be answered hears 503 as a problem, never a false 2xx and never a page of an
error. The lock is shorter than the design's 30 s, and longer than the web waits. A full disk cannot be had without
rights over the machine.
"""

from __future__ import annotations

import collections
import signal
import threading
import time
from typing import Any

import psycopg2
import requests

from tests.faults.kill_house import answers, held_cases
from tests.faults.stage import Stage, until

from .broker import PLAIN, ended
from .invariants import check
from .orders import Orders
from .scene import Run, Scene


class Person(threading.Thread):
    """Decides one held case after the other by HTTP, each under one key until it is answered."""

    def __init__(self, run: Run, url: str, key: str, cases: list[tuple[int, int]]) -> None:
        super().__init__(daemon=True)
        self.run_, self.url, self.key, self.cases = run, url, key, cases
        self.told: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.kept: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        for pk, version in self.cases:
            self._decide(pk, version)
            if self.over.wait(self.run_.size["pause"]):
                return

    def _decide(self, pk: int, version: int) -> None:
        told = {"outcome": "warn", "reason_code": "bulk_messages", "version": version, "undo_seconds": 0}
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": f"b6-{pk}"}
        url, end = f"{self.url}/api/v1/cases/{pk}/decisions", time.monotonic() + 120
        while time.monotonic() < end:
            try:
                answer = requests.post(url, json=told, headers=headers, timeout=40)
            except requests.RequestException as lost:
                self.told[type(lost).__name__] += 1
            else:
                if self._heard(answer):
                    return
            time.sleep(0.2)
        self.wrong.append(f"case {pk} was not answered in 120 s")

    def _heard(self, answer: requests.Response) -> bool:
        """Whether that was the end of it; anything but a decision or a proper 503 is wrong."""
        self.told[str(answer.status_code)] += 1
        if answer.status_code == 201:
            told = answer.json()
            self.kept.add(told["id"])
            for action in told["enforcements"]:
                self.run_.history.add("ordered", action=action["id"] if isinstance(action, dict) else action)
            return True
        problem = answer.headers.get("Content-Type") == "application/problem+json" and "Retry-After" in answer.headers
        if answer.status_code == 503 and problem:
            return False
        self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
        return answer.status_code < 500


def play(run: Run) -> None:
    """Everybody works; one thing after the other breaks, in an order that the seed draws."""
    stage, size = run.stage(durable=True), run.size
    told = held_cases(size["cases"])
    orders = Orders(run, accounts=size["accounts"], plan=lambda n: (n % size["accounts"], PLAIN[n % 3], {}))
    for name in ("worker", "dispatcher", "web"):
        stage.start(name)
    until(stage.worker_listens, within=60)
    until(lambda: answers(stage), within=60)
    crowd = [Person(run, f"http://127.0.0.1:{stage.web_port}", key, cases) for key, cases in told]
    reader = Reader(f"http://127.0.0.1:{stage.web_port}")
    for one in (*crowd, reader):
        one.start()
    over = threading.Event()
    ordering = threading.Thread(target=order, args=(orders, size["rate"], over), daemon=True)
    ordering.start()
    break_all(run, stage)
    over.set()
    for one in (*crowd, reader):
        one.over.set()
    for one in (*crowd, reader, ordering):
        one.join(150)
    settle(run, crowd, reader)
    check(run, stage)


class Reader(threading.Thread):
    """Looks at a page that asks the database who reads it."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.told, self.over = url, collections.Counter[str](), threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.3):
            try:
                answer = requests.get(f"{self.url}/", cookies={"session": "x" * 32}, timeout=40, allow_redirects=False)
                self.told[str(answer.status_code)] += 1
            except requests.RequestException as lost:
                self.told[type(lost).__name__] += 1


def order(orders: Orders, rate: float, over: threading.Event) -> None:
    """So many a second, where the database lets us."""
    while not over.wait(1 / rate):
        orders.some(1)


def break_all(run: Run, stage: Stage) -> None:
    """Each kind as often as the size says; in between a moment in which all is well."""
    dice, names = run.dice(6), [name for name, count in run.size["breaks"].items() for _ in range(count)]
    dice.shuffle(names)
    done = collections.Counter[str]()
    for name in names:
        time.sleep(0.2 + dice.random() if name == "drop" else 1 + dice.random())
        away = run.size["lock"] if name == "lock" else 0.3 + dice.random()
        run.history.add("broken", name=name, away=away)
        done[name] += BREAKS[name](stage, away)
        run.history.add("mended", name=name)
    time.sleep(2)
    figures = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
    run.hold("broken", all(done[name] == count for name, count in run.size["breaks"].items()), figures)


def kill(stage: Stage, away: float) -> bool:
    stage.kill("postgres")
    time.sleep(away)
    stage.start("postgres")
    return True


def stop_at_once(stage: Stage, away: float) -> bool:
    """The server's own immediate shutdown."""
    assert stage.servers.postgres
    stage.servers.postgres.send_signal(signal.SIGQUIT)
    stage.servers.postgres.wait(30)
    time.sleep(away)
    stage.start("postgres")
    return True


def drop(stage: Stage, _away: float) -> bool:
    """Every connection of the product is ended."""
    asked = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'postgres' AND pid <> pg_backend_pid()"
    )
    return told(stage, asked) is not None


def lock(stage: Stage, away: float) -> bool:
    """Somebody holds what everybody needs."""
    asked = "SET lock_timeout = '20s'; LOCK TABLE moderation_decision, moderation_enforcement IN ACCESS EXCLUSIVE MODE"
    return told(stage, f"{asked}; SELECT pg_sleep({away})") is not None


def told(stage: Stage, statements: str) -> list[Any] | None:
    """What the superuser is told in the product's database; the transaction ends with it."""
    line = psycopg2.connect(stage.servers.url("postgres"))
    try:
        with line.cursor() as cursor:
            cursor.execute(statements)
            return list(cursor.fetchall())
    finally:
        line.close()


BREAKS = {"kill": kill, "stop": stop_at_once, "drop": drop, "lock": lock}


def settle(run: Run, crowd: list[Person], reader: Reader) -> None:
    """What people were told, and whether it is so."""
    from django.db import connections

    from moderation.decisions.models import Decision

    connections.close_all()  # ours died too
    kept_back = len(run.history.read("unanswered"))
    figures = f"{len(run.history.read('ordered'))} orders answered, {kept_back} not"
    run.hold("all ordered actions were carried out", ended(within=120), figures)
    kept = {decision for person in crowd for decision in person.kept}
    there = {str(pk) for pk in Decision.objects.values_list("pk", flat=True)}
    said = sum((person.told for person in crowd), collections.Counter[str]())
    lost = kept - there
    run.hold("no answered decision is lost", bool(kept) and not lost, f"{len(kept)} answered, {len(lost)} lost")
    wrong = [line for person in crowd for line in person.wrong]
    figures = ", ".join(f"{name} {count}" for name, count in sorted(said.items()))
    run.hold("programs hear 201, or 503 as a problem", not wrong and said["503"] > 0, "; ".join([figures, *wrong[:2]]))
    figures = ", ".join(f"{name} {count}" for name, count in sorted(reader.told.items()))
    run.hold(
        "people hear a page, or 503", not [name for name in reader.told if name[0] == "5" and name != "503"], figures
    )


SCENE = Scene(
    "B6",
    "PostgreSQL breaks",
    play,
    small={
        "breaks": {"kill": 1, "stop": 1, "drop": 3, "lock": 0}, "lock": 4, "cases": 25, "accounts": 20,
        "rate": 3, "pause": 0.4,
    },
    full={
        "breaks": {"kill": 10, "stop": 10, "drop": 100, "lock": 3}, "lock": 20, "cases": 220,
        "accounts": 200, "rate": 5, "pause": 1.0,
    },
)  # fmt: skip
