"""How fast are pages, claims and decisions at 10,000, 100,000 and 1,000,000 cases, beside straight SQL?

    python -m tests.bench.pages --sizes 10000,100000 --rounds 100

Absolute figures move by half from hour to hour on a shared machine; the ratios at the end are of one run.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.bench.stage import HEAD, Took, Web, free_port, other_database, raw, web

QUEUE_SQL = """
SELECT c.id, a.platform, a.external_id, a.handle_shown, c.status, c.risk_type, c.shown, c.band, c.why, c.priority,
       c.opened_at, c.due_at
  FROM moderation_case c JOIN risk_account a ON a.id = c.account_id
 WHERE c.queue_id = (SELECT id FROM moderation_queue WHERE slug = 'spam') AND c.status = 'waiting'
 ORDER BY c.rank, c.due_at, c.opened_at, c.id LIMIT 50"""
# The event that names the case belongs to the claim: the database refuses it otherwise, in plain SQL too.
CLAIM_SQL = """
WITH taken AS (
    UPDATE moderation_case SET status = 'claimed', version = version + 1, claimed_by_id = %s, claimed_at = now(),
           claimed_until = now()
     WHERE id = (SELECT id FROM moderation_case
                  WHERE queue_id = (SELECT id FROM moderation_queue WHERE slug = 'bullying') AND status = 'waiting'
                  ORDER BY rank, due_at, opened_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
 RETURNING id, claimed_by_id)
INSERT INTO portal_auditevent (id, type, by, subjects, payload, payload_hash)
SELECT gen_random_uuid(), 'case.claimed', 'user:' || claimed_by_id, ARRAY['case:' || id], '{}', sha256('{}')
  FROM taken"""
HISTORY_SQL = """
SELECT id, type, by, told_at, payload FROM portal_auditevent WHERE subjects @> ARRAY[%s]::varchar[]
 ORDER BY coalesce(told_at, occurred_at, occurred_at) DESC, id DESC LIMIT 50"""  # three: see WHEN_OF_FEW in history.py


def prepare(size: int, urls: dict[str, str], say: Any) -> dict[str, Any]:
    """A database of this size: migrated, shipped, filled; and the keys and sessions to ask with."""
    import psycopg2
    from django.core.management import call_command
    from django.db import connections
    from django.utils import timezone

    name = f"reeve_bench_{size}"
    maintenance = psycopg2.connect(urls["owner"])
    maintenance.autocommit = True
    with maintenance.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    maintenance.close()
    for alias, url in (("default", "app"), ("owner", "owner")):
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
        os.environ["DATABASE_URL" if url == "app" else "MIGRATE_DATABASE_URL"] = other_database(urls[url], name)
    call_command("migrate", database="owner", verbosity=0)
    from tests.bench.fill import fill
    from tests.make import ship_settings

    now = timezone.now()
    ship_settings(now=now)
    told = people(now)
    owner = psycopg2.connect(os.environ["MIGRATE_DATABASE_URL"])
    owner.autocommit = True
    with owner.cursor() as cursor:
        fill(cursor, size, now=now, say=say)
        begun = time.perf_counter()
        cursor.execute("VACUUM (ANALYZE)")
        say(f"    {'':>10} {'vacuum':<12} {time.perf_counter() - begun:7.1f} s")
    owner.close()
    from moderation.insight import rollups

    rollups.fill(rollups.floor(now) - 28 * 24 * rollups.HOUR, rollups.floor(now) + rollups.HOUR, now=now)
    return told


def people(now: Any) -> dict[str, Any]:
    """Reviewers, a lead and an auditor with their keys, and the session of the lead."""
    from importlib import import_module

    from django.conf import settings

    from portal.people import actions as people
    from portal.people.models import User

    system = User.objects.service("system")
    told: dict[str, Any] = {"reviewers": []}
    for index in range(20):
        user = people.create_user(f"bench-{index}", by=system, now=now, languages=("en",))
        people.grant(user, "reviewer", by=system, now=now)
        told["reviewers"].append(people.issue_key(user, by=system, now=now, title="bench")[1])
    lead = people.create_user("bench-lead", by=system, now=now, languages=("en",))
    people.grant(lead, "lead", by=system, now=now)
    told["lead"] = lead.pk
    told["key"] = people.issue_key(lead, by=system, now=now, title="bench")[1]
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session["_auth_user_id"] = str(lead.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = lead.get_session_auth_hash()
    session["seen"] = now.timestamp()
    session.create()
    told["session"] = f"{settings.SESSION_COOKIE_NAME}={session.session_key}"
    return told


def reads(server: Web, told: dict[str, Any], size: int, rounds: int, connection: Any) -> list[Took]:
    """Lists, pages and histories, and the plain SQL of two of them."""
    import json

    key, page = {"Authorization": f"Bearer {told['key']}"}, {"Cookie": told["session"]}
    first = json.loads(server.ask("GET", "/api/v1/cases?queue=spam&state=waiting", **key)[1])
    cursor, middle = first["next"], size // 8 // 50 // 2  # half way down the waiting cases of one queue
    for _ in range(min(middle, 400)):
        if cursor:
            cursor = (
                json.loads(server.ask("GET", f"/api/v1/cases?queue=spam&state=waiting&cursor={cursor}", **key)[1])[
                    "next"
                ]
                or cursor
            )
    some = size // 8 * 8  # decided

    def get(path: str, headers: dict[str, str]) -> Any:
        def call(asked: Web) -> None:
            status, _ = asked.ask("GET", path, **headers)
            if status != 200:
                raise RuntimeError(f"{path}: {status}")

        return call

    def sql(statement: str, *told: Any) -> Any:
        def call() -> None:
            with connection.cursor() as database:
                database.execute(statement, told)
                database.fetchall()

        return call

    paths = [
        ("queue, first page of 50, JSON", "/api/v1/cases?queue=spam&state=waiting", key),
        ("queue, deep page, JSON", f"/api/v1/cases?queue=spam&state=waiting&cursor={cursor or ''}", key),
        ("queue by due time, JSON", "/api/v1/cases?queue=spam&state=waiting&order=due", key),
        ("queue page, HTML", "/queues/spam/", page),
        ("desk, HTML", "/", page),
        ("case page, HTML", f"/cases/{some}/", page),
        ("history of an account, JSON", f"/api/v1/accounts/main/b{some}", key),
        ("dashboard, 24 hours, HTML", "/dashboards/", page),
        ("dashboard, 28 days, HTML", "/dashboards/?range=28d", page),
        ("log, first page, HTML", "/log/", page),
        ("log of one case, HTML", f"/log/?case={some}", page),
        ("outbox, HTML", "/outbox/", page),
    ]
    taken = [
        raw("SQL: queue page of 50", rounds, sql(QUEUE_SQL)),
        raw("SQL: history of a case", rounds, sql(HISTORY_SQL, f"case:{some}")),
    ]
    return [*taken, *(server.measure(name, rounds, get(path, headers)) for name, path, headers in paths)]


def writes(server: Web, told: dict[str, Any], rounds: int, connection: Any) -> tuple[list[Took], dict[str, float]]:
    """Claims and decisions, by one client and by eight, and the plain SQL of a claim."""
    import json

    def claim(asked: Web, key: str) -> dict[str, Any] | None:
        status, body = asked.ask("POST", "/api/v1/queues/spam/claim", {}, Authorization=f"Bearer {key}")
        if status not in (200, 204):
            raise RuntimeError(body.decode()[:300])
        return json.loads(body) if status == 200 else None

    def decide(asked: Web, key: str, case: dict[str, Any]) -> None:
        body = {"outcome": "warn", "reason_code": "bulk_messages", "version": case["version"], "undo_seconds": 0}
        more = {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid4().hex}
        status, said = asked.ask("POST", f"/api/v1/cases/{case['id']}/decisions", body, **more)
        if status != 201:
            raise RuntimeError(said.decode()[:300])

    def sql() -> None:
        with connection.cursor() as database:
            database.execute(CLAIM_SQL, [told["lead"]])

    key = told["reviewers"][0]
    held: list[Any] = []
    taken = [raw("SQL: claim by SKIP LOCKED, event, one commit", rounds, sql)]
    taken.append(server.measure("claim over HTTP", rounds, lambda asked: held.append(claim(asked, key))))
    waiting = iter([case for case in held if case])
    taken.append(
        server.measure(
            "decision over HTTP, undo 0", max(1, rounds - 5), lambda asked: decide(asked, key, next(waiting))
        )
    )

    def client(index: int) -> list[int]:
        asked, mine, won = server.again(), told["reviewers"][index], []
        for _ in range(rounds):
            if case := claim(asked, mine):
                won.append(int(case["id"]))
                decide(asked, mine, case)
        return won

    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        won = [case for cases in pool.map(client, range(8)) for case in cases]
    spent = time.perf_counter() - begun
    return taken, {
        "claim and decide, 8 clients, pairs/s": len(won) / spent,
        "cases given twice": len(won) - len(set(won)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--port", type=int, default=0, help="of the web server; 0: any free one")
    parser.add_argument("--keep", action="store_true", help="keep the databases")
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="reeve-bench-") as folder:
        return _run(sizes, asked, Path(folder))


def _run(sizes: list[int], asked: argparse.Namespace, folder: Path) -> int:
    from portal.local.attach import new_secrets
    from portal.local.servers import start

    servers = None
    if "DATABASE_URL" not in os.environ:
        servers = start(folder)
        os.environ.update(servers.environment)
    for name, value in (
        {"API_RATE": "10000000/min", "API_LIMITS": "0", "LOG_LEVEL": "ERROR", "DATA_DIR": str(folder)} | new_secrets()
    ).items():
        os.environ.setdefault(name, value)
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    urls = {
        "app": os.environ["DATABASE_URL"],
        "owner": os.environ.get("MIGRATE_DATABASE_URL", os.environ["DATABASE_URL"]),
    }
    import django

    django.setup()
    try:
        found = {size: measure(size, urls, asked) for size in sizes}
        ratios(found)
        if not asked.keep:
            drop(sizes, urls)
    finally:
        if servers:
            servers.stop()
    return 0


def measure(size: int, urls: dict[str, str], asked: argparse.Namespace) -> dict[str, Took]:
    """Everything at one size, printed as it comes."""
    from django.db import connection

    print(f"\n{size:,} cases")
    told = prepare(size, urls, print)
    print(HEAD)
    with web(asked.port or free_port()) as server:
        taken = reads(server, told, size, asked.rounds, connection)
        written, rates = writes(server, told, asked.rounds, connection)
    for took in (*taken, *written):
        print(took.line())
    for name, rate in rates.items():
        print(f"  {name:<52}{rate:12,.0f}")
    connection.close()
    return {took.name: took for took in (*taken, *written)}


def ratios(found: dict[int, dict[str, Took]]) -> None:
    """What matters: the same page at the largest size against the smallest, and against its SQL."""
    small, large = min(found), max(found)
    print(f"\n  {'ratios of this run':<52}{'p50':>9}{'CPU':>9}")
    if small != large:
        for name, took in found[large].items():
            before = found[small][name]
            cpu = f"{took.cpu / before.cpu:9.2f}" if before.cpu else ""
            print(f"  {name + f', {large:,} ÷ {small:,}':<52}{took.p50 / before.p50:9.2f}{cpu}")
    deep, first = found[large]["queue, deep page, JSON"], found[large]["queue, first page of 50, JSON"]
    print(f"  {'deep page ÷ first page':<52}{deep.p50 / first.p50:9.2f}{deep.cpu / first.cpu:9.2f}")


def drop(sizes: list[int], urls: dict[str, str]) -> None:
    import psycopg2
    from django.db import connections

    for connection in connections.all():
        connection.close()
    maintenance = psycopg2.connect(urls["owner"])
    maintenance.autocommit = True
    with maintenance.cursor() as cursor:
        for size in sizes:
            cursor.execute(f'DROP DATABASE IF EXISTS "reeve_bench_{size}" WITH (FORCE)')
    maintenance.close()


if __name__ == "__main__":
    sys.exit(main())
