"""How is a whole database set back, as by a restore? By a copy of it that PostgreSQL makes from the files."""

from __future__ import annotations

import time
from typing import Any

import psycopg2
from django.conf import settings
from django.db import connections


class Copies:
    """Copies of the database of this run, by name; all are dropped at the end."""

    def __init__(self) -> None:
        self.name = connections["owner"].settings_dict["NAME"]
        self.taken: list[str] = []

    def take(self, name: str) -> None:
        """Keep the database as it is now."""
        self._run(f'CREATE DATABASE "{self.name}_{name}" TEMPLATE "{self.name}" STRATEGY FILE_COPY')
        self.taken.append(name)

    def restore(self, name: str) -> None:
        """Set everything back to that moment."""
        self._run(
            f'DROP DATABASE "{self.name}" WITH (FORCE)',
            f'CREATE DATABASE "{self.name}" TEMPLATE "{self.name}_{name}" STRATEGY FILE_COPY',
        )

    def drop(self) -> None:
        """Drop the copies."""
        self._run(*(f'DROP DATABASE "{self.name}_{name}" WITH (FORCE)' for name in self.taken))
        self.taken.clear()

    def _run(self, *statements: str) -> None:
        for connection in connections.all():
            connection.close()
        maintenance: Any = psycopg2.connect(settings.MIGRATE_DATABASE_URL)
        maintenance.autocommit = True
        try:
            for statement in statements:
                _execute(maintenance, statement)
        finally:
            maintenance.close()


def _execute(maintenance: Any, statement: str) -> None:
    """While the server's own vacuum is in a database nobody but a superuser can drop it, so ask again for a while."""
    for last in [False] * 100 + [True]:
        try:
            with maintenance.cursor() as cursor:
                cursor.execute(statement)
            return
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ObjectInUse):
            if last:
                raise
            time.sleep(0.2)
