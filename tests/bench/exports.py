"""How fast is an export that proves itself, beside a plain COPY of the same events in the same run?

    python -m tests.bench.exports --events 100000 --rounds 3

The whole way as a worker goes it: from taking the export to the signed bundle on the disk. Rounds alternate, medians
are told; only the ratios say something about another machine.
"""

from __future__ import annotations

import argparse
import csv
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2

EVENTS_A_CASE = 2.5  # that `fill` writes
SPREAD = "SELECT id, type, by, subjects, payload FROM portal_auditevent ORDER BY coalesce(told_at, occurred_at), id"
FORMS: dict[str, tuple[str, ...]] = {
    "events.jsonl and proof": (),
    "and CSV": ("csv",),
    "and XLSX": ("xlsx",),
    "and Parquet": ("parquet",),
    "and all three": ("csv", "xlsx", "parquet"),
}


def prepare(events: int, folder: Path) -> Any:
    """So many events, sealed and signed; returns who seals and signs."""
    from django.core.management import call_command
    from django.utils import timezone

    from tests.make import ship_settings
    from tests.provers import Provers

    from .fill import fill
    from .pages import people

    call_command("migrate", database="owner", verbosity=0)
    now = timezone.now()
    ship_settings(now=now)
    people(now)
    owner = psycopg2.connect(os.environ["MIGRATE_DATABASE_URL"])
    owner.autocommit = True
    with owner.cursor() as cursor:
        fill(cursor, round(events / EVENTS_A_CASE), now=now)
        provers = Provers(folder / "signer")
        provers.prove()
        cursor.execute("VACUUM (ANALYZE)")
    owner.close()
    return provers


def bundle(provers: Any, formats: tuple[str, ...], **filter: str) -> Any:
    """One export, as a worker makes it."""
    from django.utils import timezone

    from moderation.insight import actions, exports, history
    from moderation.insight.models import Export
    from portal.people.models import User

    lead = User.objects.get(username="bench-lead")
    asked = actions.request_export(
        history.read(filter, wanted_by=lead), formats=formats, purpose="bench", by=lead, now=timezone.now()
    )
    done = exports.make(asked.pk, clock=timezone.now, pause=provers.prove)
    made = Export.objects.get(pk=asked.pk)
    if not done:
        raise SystemExit(made.detail)
    return made


def copy(path: Path) -> int:
    """COPY TO STDOUT of the same events; returns the rows."""
    with psycopg2.connect(os.environ["DATABASE_URL"]) as app, app.cursor() as cursor, path.open("wb") as file:
        cursor.copy_expert(f"COPY ({SPREAD}) TO STDOUT WITH (FORMAT csv)", file)
        return int(cursor.rowcount)


def cursor_and_writer(path: Path) -> int:
    """A server-side cursor and csv.writer, as a script would do it; returns the rows."""
    with psycopg2.connect(os.environ["DATABASE_URL"]) as app, app.cursor("spread") as cursor:
        cursor.itersize = 5000
        cursor.execute(SPREAD)
        rows = 0
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            for row in cursor:
                writer.writerow(row)
                rows += 1
        return rows


def verified(path: Path, folder: Path) -> float:
    """Seconds that the bundle's own verify.py takes, in a process of its own."""
    with zipfile.ZipFile(path) as found:
        (folder / "verify.py").write_bytes(found.read("verify.py"))
    begun = time.perf_counter()
    words = [sys.executable, "-I", "-S", str(folder / "verify.py"), str(path), "--key", str(folder / "signer/log.vkey")]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stdout + said.stderr)
    return time.perf_counter() - begun


def measure(provers: Any, folder: Path, rounds: int) -> None:
    """Everything, printed as it comes."""
    from django.conf import settings

    took: dict[str, list[tuple[int, float, float]]] = {}

    def timed(name: str, do: Callable[[], int]) -> None:
        begun, own = time.perf_counter(), time.process_time()
        rows = do()
        took.setdefault(name, []).append((rows, time.perf_counter() - begun, time.process_time() - own))

    sizes: dict[str, int] = {}

    def of(name: str, formats: tuple[str, ...], **filter: str) -> int:
        made = bundle(provers, formats, **filter)
        sizes[name] = made.size
        return int(made.done)

    for _ in range(rounds):
        timed("COPY TO STDOUT", lambda: copy(folder / "copy.csv"))
        timed("cursor and csv.writer", lambda: cursor_and_writer(folder / "cursor.csv"))
        for name, formats in FORMS.items():
            timed(name, functools.partial(of, name, formats))
        timed("of one actor, and CSV", lambda: of("of one actor, and CSV", ("csv",), actor="bench-3"))
    last = max((Path(settings.DATA_DIR) / "exports").glob("*.zip"), key=lambda path: path.stat().st_size)
    base = statistics.median(rows / spent for rows, spent, _ in took["COPY TO STDOUT"])
    print(f"  {'':<26}{'rows':>9}{'rows/s':>10}{'s':>8}{'CPU s here':>12}{'of COPY':>9}{'MiB':>8}")
    for name, all_of in took.items():
        rate = statistics.median(rows / spent for rows, spent, _ in all_of)
        spent, own = (statistics.median(one[column] for one in all_of) for column in (1, 2))
        size = f"{sizes[name] / 2**20:8.1f}" if name in sizes else ""
        print(f"  {name:<26}{all_of[0][0]:>9,}{rate:>10,.0f}{spent:>8.2f}{own:>12.2f}{rate / base:>9.3f}{size}")
    print(f"  verify.py on the largest: {verified(last, folder):.2f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reeve-bench-") as folder:
        return _run(Path(folder), asked)


def _run(folder: Path, asked: argparse.Namespace) -> int:
    from portal.local.attach import new_secrets
    from portal.local.servers import start

    servers = start(folder)
    try:
        os.environ.update(servers.environment, **new_secrets())
        os.environ.update(DATA_DIR=str(folder), SIGNER_DIR=str(folder / "signer"), LOG_LEVEL="ERROR")
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        import django

        django.setup()
        provers = prepare(asked.events, folder)
        measure(provers, folder, asked.rounds)
        provers.close()
    finally:
        servers.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
