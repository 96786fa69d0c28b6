"""What does every test stand on? Real PostgreSQL and Valkey, the shipped settings, and Ada, Ben and Cleo."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chromium import chromium  # noqa: F401 - a fixture of every folder

ALIASES = ("default", "owner", "sequencer", "signer")


def pytest_configure(config: pytest.Config) -> None:
    """Passwords of tests guard nothing: a hash made to be slow would only make the suite slow."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# --- The database of a run: made and migrated by the owner, used by the application's role
# -------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any, worker_id: str) -> Iterator[None]:
    """A database of its own, migrated as the owner; "default" then works in it as `reeve_app`, as in real life."""
    import psycopg2
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    name = f"test_{settings.DATABASES['owner']['NAME']}_{worker_id}_{os.getpid()}"
    maintenance = psycopg2.connect(settings.MIGRATE_DATABASE_URL)
    maintenance.autocommit = True
    with maintenance.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    for alias in ALIASES:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
        settings.DATABASES[alias]["NAME"] = name
    with django_db_blocker.unblock():
        call_command("migrate", database="owner", verbosity=0)
        connections["owner"].close()
    yield
    with django_db_blocker.unblock():
        for alias in ALIASES:
            connections[alias].close()
    _drop(maintenance, name)
    maintenance.close()


def _drop(maintenance: Any, name: str) -> None:
    """Drop a database; while the server's own vacuum is in it, nobody but a superuser can, so ask again for a while.

    What is then still there ends with the servers of the run; a full disk would show in the tests, not here.
    """
    import psycopg2

    for _ in range(50):
        try:
            with maintenance.cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ObjectInUse):
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """`main`, or the xdist worker's name."""
    workerinput = getattr(request.config, "workerinput", None)
    return workerinput["workerid"] if workerinput else "main"


@pytest.fixture
def real_commits(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A test whose transactions really commit (races, workers, browsers).

    The tables are emptied afterwards by their owner.
    """
    from django.db import connections

    with django_db_blocker.unblock():
        _empty_tables()
        yield
        for connection in connections.all():
            connection.close()
        _empty_tables()


@pytest.fixture
def provers(real_commits: None, tmp_path: Any, settings: Any) -> Iterator[Any]:
    """Who seals and signs the log of a test: `exports.make(…, pause=provers.prove)`."""
    from tests.provers import Provers

    settings.SIGNER_DIR = tmp_path / "signer"
    both = Provers(settings.SIGNER_DIR)
    yield both
    both.close()


@pytest.fixture
def platform(tmp_path: Any, settings: Any) -> Iterator[Any]:
    """The stand-in platform, and our settings pointing at it."""
    from portal.local.platform import Platform

    with Platform(data=tmp_path / "platform.jsonl", secret="s", port=0) as running:
        settings.PLATFORM_URL, settings.PLATFORM_SECRET = running.url, "s"
        settings.ENFORCEMENT_HOSTS = [running.url.removeprefix("http://")]
        yield running


FEW = 2000  # rows of a table that are deleted faster than all tables are truncated


def _empty_tables() -> None:
    """Leave every table as the migrations left it. Most tests touch few tables and write few rows: those are deleted,
    since to truncate makes a new file for each table and index there is.
    """
    from django.apps import apps
    from django.core.cache import cache
    from django.db import connections, transaction

    models = [model for model in apps.get_models() if model._meta.managed]
    tables = [model._meta.db_table for model in models if model._meta.db_table != "django_content_type"]
    counts = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM (SELECT FROM \"{table}\" LIMIT {FEW}) AS t" for table in tables
    )
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(counts)
        full = {table: count for table, count in cursor.fetchall() if count}
        if max(full.values(), default=0) >= FEW:
            cursor.execute("ALTER TABLE portal_auditevent DISABLE TRIGGER USER")
            cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
            cursor.execute("ALTER TABLE portal_auditevent ENABLE TRIGGER USER")
        elif full:
            _delete_from(full, cursor)
        cursor.execute(
            "INSERT INTO portal_tree (id, size) VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET size = 0, sealed_at = NULL"
        )
    connections["owner"].close()
    cache.clear()


def _delete_from(tables: Iterable[str], cursor: Any) -> None:
    """Delete all rows of these tables and begin their numbers anew; the others are empty, so nothing points here."""
    cursor.execute("".join(f'ALTER TABLE "{table}" DISABLE TRIGGER USER;' for table in tables))
    cursor.execute("".join(f'DELETE FROM "{table}";' for table in tables))
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    cursor.execute("".join(f'ALTER TABLE "{table}" ENABLE TRIGGER USER;' for table in tables))
    names = ", ".join(f"'{table}'::regclass" for table in tables)
    cursor.execute(
        "SELECT setval(sequence.oid::regclass, 1, false) FROM pg_depend JOIN pg_class sequence ON sequence.oid = objid"
        f" WHERE sequence.relkind = 'S' AND deptype IN ('a', 'i') AND refobjid IN ({names})"
    )


# --- People and times
# ---------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    """Friday, 20 November 2026, 12:00 UTC."""
    return NOON


@pytest.fixture
def person(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Make somebody: `person("ada", "reviewer")`. The roles are granted by the service user `system`."""
    if "real_commits" not in request.fixturenames:
        request.getfixturevalue("db")
    from portal.people import actions
    from portal.people.models import User

    def make(username: str, *roles: str, **settings: Any) -> User:
        system = User.objects.service("system")
        user = actions.create_user(username, by=system, now=NOON, password=None, languages=("en",))
        for role in roles:
            actions.grant(user, role, by=system, now=NOON)
        if settings:
            actions.change_profile(user, by=user, now=NOON, **settings)
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def ada(person: Callable[..., Any]) -> Any:
    """Ada decides: a reviewer."""
    return person("ada", "reviewer")


@pytest.fixture
def ben(person: Callable[..., Any]) -> Any:
    """Ben approves: a team lead."""
    return person("ben", "lead")


@pytest.fixture
def ruth(person: Callable[..., Any]) -> Any:
    """Ruth is a specialist: minors and safety too."""
    return person("ruth", "specialist")


@pytest.fixture
def vera(person: Callable[..., Any]) -> Any:
    """Vera audits."""
    return person("vera", "auditor")


@pytest.fixture
def pia(person: Callable[..., Any]) -> Any:
    """Pia is the privacy officer."""
    return person("pia", "privacy")


@pytest.fixture
def cleo(person: Callable[..., Any]) -> Any:
    """Cleo may not look: signed in, no role."""
    return person("cleo")


@pytest.fixture
def system(db: None) -> Any:
    """The service user that acts where no person does."""
    from portal.people.models import User

    return User.objects.service("system")
