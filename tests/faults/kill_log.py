"""Does the log lose, double or fork anything when its processes die? Writes, kills at random moments, then checks all.

    python -m tests.faults.kill_log --kills 100 --seed 1
    python -m tests.faults.kill_log --kills 0 --seconds 30      # how soon is an event signed when nobody dies?

Kills writers, sequencers (two stand ready), the signer and PostgreSQL with all its children. Prints a table; exit 0
when every line of it holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from portal.local.attach import new_secrets
from portal.local.servers import Servers, start

from .stage import ROOT, until

ACTS = ("writer-1", "writer-2", "sequencer-1", "sequencer-2", "signer", "signer", "postgres")


def write(acknowledged: Path, name: str) -> None:
    """Write events for ever, one transaction after the other; what was committed is told in a file."""
    import django

    django.setup()
    from django.db import DatabaseError, connection, transaction

    from portal.audit.actions import record_many
    from portal.audit.events import Event

    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    dice, turn = random.Random(name), 0
    while True:
        turn += 1
        many = dice.choice([1, 1, 2, 5, 40])
        told = [(Event.CASE_VIEWED, f"case:{dice.randint(1, 50)}", (), {"turn": turn, "n": n}) for n in range(many)]
        try:
            with transaction.atomic():
                events = record_many(told, by=f"user:{name}")
            os.write(file, "".join(f"{event.pk}\n" for event in events).encode())
        except DatabaseError:
            connection.close()
            time.sleep(0.1)
        time.sleep(0.004)


class LogStage:
    """Servers whose commits are kept, and the processes that write, seal and sign."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.servers: Servers = start(folder / "servers", durable=durable)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        os.environ.update(self.servers.environment, **new_secrets())
        os.environ.update(DATA_DIR=str(folder), LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="portal.settings")

    def start(self, name: str) -> None:
        """Start a writer, a sequencer or the signer; or PostgreSQL again."""
        if name == "postgres":
            self.servers.start_postgres()
            return
        kind = name.partition("-")[0]
        words = [sys.executable, str(ROOT / "manage.py"), kind]
        if kind == "writer":
            words = [sys.executable, "-m", "tests.faults.kill_log", "--write", str(self.folder / name)]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def kill(self, name: str) -> None:
        """SIGKILL to the process and all its children."""
        child = self.servers.postgres if name == "postgres" else self.children.pop(name)
        assert child is not None
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def stop(self) -> None:
        """End everything that was started here."""
        for name in list(self.children):
            self.kill(name)
        self.servers.stop()

    def acknowledged(self) -> list[str]:
        """The ids of all events whose commit was answered; a line that was cut off was told by nobody."""
        lines = [line for path in self.folder.glob("writer-?") for line in path.read_text().split("\n")]
        return [line for line in lines if len(line) == 36]


def play(stage: LogStage, *, kills: int, seed: int, seconds: float) -> dict[str, int]:
    """Write and kill; returns how often each died."""
    dice = random.Random(seed)
    died: dict[str, int] = {}
    for name in dict.fromkeys(ACTS):
        if name != "postgres":
            stage.start(name)
    until(lambda: len(stage.acknowledged()) > 50, within=30)
    for _ in range(kills):
        time.sleep(dice.uniform(0.1, 1.2))
        name = dice.choice(ACTS)
        stage.kill(name)
        died[name] = died.get(name, 0) + 1
        time.sleep(dice.uniform(0, 0.2))
        stage.start(name)
    time.sleep(seconds)
    for name in ("writer-1", "writer-2"):
        stage.kill(name)
    return died


def check(stage: LogStage) -> dict[str, tuple[bool, str]]:
    """What must hold at the end: `{line: (whether, figures)}`."""
    from django.db import connection

    from portal.audit import proving
    from portal.audit.models import AuditEvent, Checkpoint, Leaf, Pending, Tree

    def done() -> bool:
        newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
        return not Pending.objects.exists() and newest == Tree.objects.get().size

    caught_up = until(done, within=60, every=0.2)
    told = set(stage.acknowledged())
    sealed = {str(pk) for pk in Leaf.objects.values_list("event_id", flat=True)}
    events = AuditEvent.objects.count()
    verdict = proving.verify(proving.public_key())
    with connection.cursor() as cursor:  # the time from writing to the first checkpoint that holds it
        cursor.execute(
            "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM c.at - e.occurred_at))"
            " FROM portal_leaf l JOIN portal_auditevent e ON e.id = l.event_id"
            " CROSS JOIN LATERAL (SELECT min(created_at) AS at FROM portal_checkpoint WHERE size > l.index) AS c"
        )
        middle, late = cursor.fetchone()[0]
    signs = Checkpoint.objects.count()
    return {
        "all is sealed and signed at the end": (caught_up, f"{Pending.objects.count()} waiting"),
        "nothing acknowledged is lost": (told <= sealed, f"{len(told)} acknowledged, {len(told - sealed)} lost"),
        "every event has one leaf": (events == len(sealed), f"{events} events, {len(sealed)} leaves"),
        "the log is sound, no fork": (verdict.sound, verdict.why or f"{verdict.size} leaves, {signs} checkpoints"),
        "from writing to the checkpoint": (True, f"p50 {middle:.2f} s, p99 {late:.2f} s"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1, help="how long to write on after the last kill")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write(asked.write, asked.write.name)
    with tempfile.TemporaryDirectory(prefix="reeve-log-") as folder:
        stage = LogStage(Path(folder))
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            died = play(stage, kills=asked.kills, seed=asked.seed, seconds=asked.seconds)
            holds = check(stage)
        finally:
            stage.stop()
    told: dict[str, Any] = {"died": died, "holds": holds}
    print(json.dumps(told) if asked.json else _table(asked.kills, died, holds))
    return 0 if all(held for held, _ in holds.values()) else 1


def _table(kills: int, died: dict[str, int], holds: dict[str, tuple[bool, str]]) -> str:
    lines = [f"{kills} kills: " + ", ".join(f"{name} {n}" for name, n in sorted(died.items()))]
    lines += [f"  {'holds' if held else 'FAILS':<6} {line:<38} {figures}" for line, (held, figures) in holds.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
