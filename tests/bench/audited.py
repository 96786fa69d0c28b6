"""What does the proof of the log cost? Decisions a second through the real action, with and without sealing.

    python -m tests.bench.audited --seconds 20 --pairs 5

Eight processes decide cases they hold. Rounds alternate: with the sequencer and the signer at work, and without them
and without the trigger that lets events wait for the tree. CPU is that of everything: the deciders, PostgreSQL, and
in the first kind of round the sequencer and the signer until all is sealed and signed. Only the ratio says something
about another machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from tests.faults.stage import ROOT, until

from .stage import TICK

PROCESSES = 8
AT_HAND = 50  # cases read at once by a decider
TOLD = {"outcome": "warn", "reason_code": "bulk_messages", "undo_seconds": 10, "limits": False}
_HOLD = """
UPDATE moderation_case c SET status = 'claimed', claimed_by_id = u.id, claimed_at = now(),
       claimed_until = now() + interval '1 day'
  FROM portal_user u
 WHERE c.status = 'waiting' AND c.risk_type = 'spam' AND u.username = 'bench-' || (c.id / 8) %% %s
RETURNING c.id, c.version, u.username
"""


@dataclass
class Round:
    """One round: decisions made, seconds it took, milliseconds of CPU for each decision."""

    sealed: bool
    decisions: int
    seconds: float
    cpu: dict[str, float]  # milliseconds a decision: "deciders", "database", "provers"

    @property
    def rate(self) -> float:
        return self.decisions / self.seconds

    @property
    def each(self) -> float:
        return sum(self.cpu.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {ms:.2f}" for name, ms in self.cpu.items())
        kind = "sealed" if self.sealed else "bare"
        return f"  {kind:<7}{self.decisions:>7} decisions {self.rate:7.0f} /s {self.each:8.2f} ms CPU each ({parts})"


def decide(name: str, seconds: float) -> None:
    """Decide as `name` until the time is over, the cases told on standard input; say how many and the CPU it took."""
    import django

    django.setup()
    from django.utils import timezone

    from moderation.cases.models import Case
    from moderation.decisions import actions
    from portal.people.models import User

    by = User.objects.get(username=name)
    cases: list[tuple[int, int]] = json.loads(sys.stdin.readline())
    print("ready", flush=True)
    sys.stdin.readline()
    begun, before, made = time.monotonic(), time.process_time(), 0
    while made < len(cases) and time.monotonic() - begun < seconds:
        if made % AT_HAND == 0:  # a person has the case before them when they decide: reading it is no part of that
            ids = [key for key, _ in cases[made : made + AT_HAND]]
            at_hand = Case.objects.select_related("account", "queue", "score").in_bulk(ids)
        key, version = cases[made]
        case = at_hand[key]
        request = f"bench-{key}-{version}"
        actions.decide(case, by=by, now=timezone.now(), version=version, request_key=request, **TOLD)  # type: ignore[arg-type]
        made += 1
    print(json.dumps([made, time.process_time() - before, time.monotonic() - begun]), flush=True)


def one_round(held: list[tuple[int, int, str]], *, sealed: bool, seconds: float, postmaster: int) -> Round:
    """Eight deciders at once on the cases they hold; takes the cases it used off the list."""
    with provers(sealed) as proving:
        if len(held) < PROCESSES:
            raise SystemExit("no case is left to decide: begin again with more --cases, or fewer --seconds or --pairs")
        deciders = [_decider(n, held, seconds) for n in range(PROCESSES)]
        before = _database_cpu(postmaster), sum(_cpu(one.pid) for one in proving)
        for one in deciders:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        told = [json.loads(one.stdout.readline()) for one in deciders if one.stdout]
        for one in deciders:
            one.communicate()
        if sealed and not until(_all_signed, within=60, every=0.1):
            raise SystemExit("what was decided was not sealed and signed within a minute")
        after = _database_cpu(postmaster), sum(_cpu(one.pid) for one in proving)
    made = sum(n for n, _, _ in told)
    for n, (count, _, _) in enumerate(told):
        mine = [case for case in held if case[2] == f"bench-{n}"][:count]
        used = {case[0] for case in mine}
        held[:] = [case for case in held if case[0] not in used]
    cpu = {
        "deciders": sum(used for _, used, _ in told) * 1000 / made,
        "database": (after[0] - before[0]) / made,
        "provers": (after[1] - before[1]) / made,
    }
    return Round(sealed, made, max(took for _, _, took in told), cpu)


def _decider(n: int, held: Sequence[tuple[int, int, str]], seconds: float) -> subprocess.Popen[str]:
    name = f"bench-{n}"
    words = [sys.executable, "-m", "tests.bench.audited", "--decide", name, "--seconds", str(seconds)]
    child = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps([case[:2] for case in held if case[2] == name]) + "\n")
    child.stdin.flush()
    if child.stdout.readline() != "ready\n":
        raise SystemExit("a decider did not start")
    return child


@contextmanager
def provers(wanted: bool) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The sequencer and the signer at work, or neither and nothing that waits for them."""
    with psycopg2.connect(os.environ["MIGRATE_DATABASE_URL"]) as owner, owner.cursor() as cursor:
        how = "ENABLE" if wanted else "DISABLE"
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'portal_auditevent'::regclass AND NOT tgisinternal"
            " AND pg_get_triggerdef(oid) LIKE '%events_wait_for_the_tree%'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE portal_auditevent {how} TRIGGER "{name}"')
    running = []
    if wanted:
        running = [
            subprocess.Popen([sys.executable, "manage.py", name], cwd=ROOT, stderr=subprocess.DEVNULL)
            for name in ("sequencer", "signer")
        ]
        if not until(_all_signed, within=300, every=0.1):
            raise SystemExit("the sequencer and the signer did not come up")
    try:
        yield running
    finally:
        for child in running:
            child.terminate()
            child.wait(20)


def _all_signed() -> bool:
    from portal.audit.models import Checkpoint, Pending, Tree

    newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
    return not Pending.objects.exists() and newest == Tree.objects.get().size


def _cpu(pid: int, *, children: bool = False) -> float:
    """Milliseconds of CPU of a process, with those of its children that ended if asked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(one) for one in fields[11 : 15 if children else 13]) * 1000 / TICK


def _database_cpu(postmaster: int) -> float:
    total = _cpu(postmaster, children=True)
    for task in Path(f"/proc/{postmaster}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                total += _cpu(int(child))
            except OSError:
                continue
    return total


def prepare(cases: int) -> list[tuple[int, int, str]]:
    """Fill the database; returns the cases held, as (id, version, who)."""
    from django.core.management import call_command
    from django.utils import timezone

    from tests.make import ship_settings

    from .fill import fill
    from .pages import people

    call_command("migrate", database="owner", verbosity=0)
    now = timezone.now()
    ship_settings(now=now)
    people(now)
    with psycopg2.connect(os.environ["MIGRATE_DATABASE_URL"]) as owner, owner.cursor() as cursor:
        fill(cursor, cases, now=now)
        cursor.execute(_HOLD, [PROCESSES])
        held: list[tuple[int, int, str]] = [(case, version, name) for case, version, name in cursor.fetchall()]
    with provers(True):  # what was filled in is sealed first, so that no round pays for it
        pass
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    owner.close()
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of one round")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cases", type=int, default=400_000, help="an eighth of them can be decided")
    parser.add_argument("--decide", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.decide:
        decide(asked.decide, asked.seconds)
        return 0
    with tempfile.TemporaryDirectory(prefix="reeve-bench-") as folder:
        return _run(Path(folder), asked)


def _run(folder: Path, asked: Any) -> int:
    from portal.local.attach import new_secrets
    from portal.local.servers import start

    servers = start(folder)
    try:
        os.environ.update(servers.environment, **new_secrets())
        os.environ.update(DATA_DIR=str(folder), LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="portal.settings")
        import django

        django.setup()
        held = prepare(asked.cases)
        assert servers.postgres is not None
        rounds: list[Round] = []
        for pair in range(asked.pairs):
            for sealed in (True, False) if pair % 2 else (False, True):
                rounds.append(one_round(held, sealed=sealed, seconds=asked.seconds, postmaster=servers.postgres.pid))
                print(rounds[-1], flush=True)
        print(_verdict(rounds))
    finally:
        servers.stop()
    return 0


def _verdict(rounds: Sequence[Round]) -> str:
    pairs = list(zip(rounds[::2], rounds[1::2], strict=True))
    ratios = [(a if a.sealed else b).each / (b if a.sealed else a).each for a, b in pairs]
    rate = statistics.median(one.rate for one in rounds if one.sealed)
    return (
        f"  {PROCESSES} processes, sealed: median {rate:.0f} decisions/s\n"
        f"  CPU a decision, with sealing against without: {', '.join(f'{one:.3f}' for one in ratios)};"
        f" median {statistics.median(ratios):.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
