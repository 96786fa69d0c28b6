"""How fast do signals come in, and how fast are accounts scored? Rates by the clock and by CPU, beside a plain COPY.

python -m tests.bench.risk --signals 1000000

The clock says what this machine does now, with whatever else runs on it; the CPU of this process and of its database
backend says what the work costs. Two cores can do at best the larger of both.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.stage import ticks

BATCH = 2000
TICK = os.sysconf("SC_CLK_TCK")
KINDS = ("login", "post", "message", "follow", "profile_view")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=1_000_000, help="signals in the store when accounts are scored")
    parser.add_argument("--deliveries", type=int, default=20_000, help="signals sent in for the intake figures")
    asked = parser.parse_args()
    from portal.local.servers import start

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start(Path(folder), pg_version=18)
        try:
            os.environ |= servers.environment | {"VAULT_KEY": "A" * 43 + "=", "INDEX_KEY": "B" * 43 + "="}
            os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", database="owner", verbosity=0)
            measure(asked.signals, asked.deliveries)
        finally:
            servers.stop()
    return 0


def measure(signals: int, deliveries: int) -> None:
    """All tables, in order."""
    from django.utils import timezone

    from portal.people.models import User
    from risk.strategy import actions as strategy

    system, now = User.objects.service("system"), timezone.now()
    strategy.ship(by=system, now=now)
    print(f"\n  {'':<58}{'per s':>10}{'CPU µs':>10}{'of it PG':>10}")
    intake(deliveries, system, now)
    fill(signals, now)
    scoring(signals, system, now)


def intake(count: int, system: Any, now: datetime) -> None:
    """Bulk intake, stored; and the COPY that nothing can beat."""
    from risk.intake import actions

    timed("COPY into the table of signals with its indexes", count, lambda: copy(count, now))
    for name, make in (
        ("plain: numbers and codes, ten signals an account", plain),
        ("mixed: one in ten with handle, mail and a device", mixed),
        ("texts: each with a report's words and a reporter", worded),
    ):
        raw = [make(at, now) for at in range(count)]

        def deliver(raw: list[Any] = raw) -> None:
            for start in range(0, len(raw), BATCH):
                receipt = actions.ingest(raw[start : start + BATCH], by=system, now=now, door="file")
                assert not receipt.rejected, receipt.rejected[:1]

        timed(f"intake, stored; {name}", count, deliver)
        timed("  the same again: all duplicates", count, deliver)


def scoring(signals: int, system: Any, now: datetime) -> None:
    """Features and rules in batches of 1,000 accounts; with results stored; again when nothing changed."""
    from django.db import connection

    from risk.intake.models import Account
    from risk.scoring import actions, running

    ids = list(Account.objects.filter(external_id__startswith="f").values_list("pk", flat=True)[:200_000])
    random.Random(5).shuffle(ids)
    batches = [ids[start : start + 1000] for start in range(0, min(10_000, len(ids)), 1000)]
    machine = running.engine()
    running.run(machine, batches[0], {}, now=now)
    name = f"{signals:,} signals stored: features and rules, by 1,000"
    total = sum(map(len, batches))

    def store() -> None:
        while actions.score_stale(now=now):
            pass

    def spoil() -> None:
        Account.objects.update(stale_at=None)
        Account.objects.filter(pk__in=[pk for some in batches for pk in some]).update(stale_at=now)

    timed(name, total, lambda: [running.run(machine, some, {}, now=now) for some in batches])
    spoil()
    timed("  with results stored", total, store)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), (SELECT count(*) FROM risk_reason) FROM risk_score")
        scores, reasons = cursor.fetchone()
    print(f"  {scores / total:.1f} scores and {reasons / total:.1f} reasons an account")
    spoil()
    timed("  again, nothing changed", total, store)
    timed("  one account at a time", 200, lambda: [actions.score([pk], by=system, now=now) for pk in ids[-200:]])


def timed(name: str, count: int, work: Callable[[], Any]) -> None:
    """Do it once and print what it took."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    began, cpu, theirs = time.perf_counter(), time.process_time(), ticks(backend)
    work()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    theirs = (ticks(backend) - theirs) / TICK
    cost = f"{(cpu + theirs) / count * 1e6:>10.0f}{theirs / count * 1e6:>10.0f}"
    print(f"  {name:<58}{count / took:>10,.0f}{cost}", flush=True)


def plain(at: int, now: datetime) -> dict[str, Any]:
    return {
        "source": "plain",
        "external_id": f"p{at}",
        "kind": "login",
        "occurred_at": (now - timedelta(seconds=at % 90_000)).isoformat(),
        "account": {"platform": "main", "id": f"p{at // 10}"},
        "data": {"network": "residential", "new_device": False, "mfa": at % 3 == 0},
    }


def mixed(at: int, now: datetime) -> dict[str, Any]:
    raw = plain(at, now) | {"source": "mixed", "account": {"platform": "main", "id": f"m{at // 10}"}}
    if at % 10 == 0:
        raw["account"]["attributes"] = {
            "handle": f"some.body.{at}", "email": f"b{at}@mail.example",
            "followers_count": at % 500, "created_on": "2026-10-01",
        }  # fmt: skip
        raw["links"] = [{"kind": "device", "value": f"d{at // 30}"}, {"kind": "ip", "value": f"203.0.113.{at % 250}"}]
    return raw


def worded(at: int, now: datetime) -> dict[str, Any]:
    data = {"reason": "spam", "reporter": f"r{at}", "text": f"they sent me this {at} times today", "language": "en"}
    return plain(at, now) | {"source": "texts", "kind": "user_report", "data": data}


def copy(count: int, now: datetime) -> None:
    """Straight rows through COPY, into a table with the same indexes."""
    from django.db import connections

    body = json.dumps({"network": "residential", "new_device": False, "mfa": True})
    line = f"login\tgeneral\t{now.isoformat()}\t{now.isoformat()}"
    rows = "".join(f"{at}\tcopy\tc{at}\t{line}\t{at % 1000}\t{body}\n" for at in range(count))
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_copy (id bigint PRIMARY KEY, source text, external_id text, kind text, lane text, "
            "occurred_at timestamptz, received_at timestamptz, account bigint, data jsonb)"
        )
        cursor.execute("CREATE UNIQUE INDEX ON bench_copy (source, external_id)")
        cursor.execute("CREATE INDEX ON bench_copy (account, occurred_at, id)")
        cursor.copy_expert("COPY bench_copy FROM STDIN", io.StringIO(rows))


def fill(signals: int, now: datetime) -> None:
    """Accounts with ten signals each, by SQL: what a store looks like after a while."""
    from django.db import connections

    accounts = signals // 10
    began = time.perf_counter()
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """INSERT INTO risk_account (id, platform, external_id, handle_shown, attributes, country, lang,
                 first_seen_at, last_seen_at, attributes_at)
               SELECT gen_random_uuid(), 'main', 'f' || n, '',
                 jsonb_build_object('followers_count', n %% 700, 'following_count', n %% 900, 'posts_count', n %% 300,
                   'likes_given_count', n %% 90, 'default_profile_image', n %% 4 = 0,
                   'created_on', to_char(%s::timestamptz - (n %% 2000) * interval '1 day', 'YYYY-MM-DD')),
                 '', 'en', %s, %s, %s
               FROM generate_series(1, %s) n""",
            [now, now, now, now, accounts],
        )
        cursor.execute(
            """INSERT INTO risk_signal (source, external_id, kind, lane, occurred_at, account_id, data, attributes,
                 scores, opens)
               SELECT 'fill', a.external_id || '-' || k, (%s::text[])[1 + k %% 5], 'general',
                 %s::timestamptz - (k * 7919 + abs(hashtext(a.external_id)) %% 86400) * interval '1 second', a.id,
                 jsonb_build_object('posts', k, 'links', k %% 3, 'sent', k * 3, 'distinct_targets', k * 2,
                   'replies', k, 'near_duplicates', k, 'views', k * 5, 'requests', k * 5, 'writes', 1,
                   'network', 'residential', 'mfa', true,
                   'accepted', 1, 'refused', 0), '{}', '[]', false
               FROM risk_account a CROSS JOIN generate_series(1, 10) k WHERE a.external_id LIKE 'f%%'""",
            [list(KINDS), now],
        )
        cursor.execute(
            """INSERT INTO risk_link (account_id, kind, digest, first_at, last_at, times)
               SELECT id, 'device', sha256((abs(hashtext(external_id)) %% %s)::text::bytea), %s, %s, 1
               FROM risk_account WHERE external_id LIKE 'f%%'""",
            [max(1, accounts * 2 // 3), now, now],
        )
        for table in ("risk_account", "risk_signal", "risk_link"):
            cursor.execute(f"ANALYZE {table}")
    print(
        f"  (filled {accounts:,} accounts and {signals:,} signals in {time.perf_counter() - began:.0f} s)", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
