"""Does the schema need anything but PostgreSQL itself? No extension: the servers in our wheels carry none."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from .source import ROOT, tracked

ASKS = re.compile(r"CREATE\s+EXTENSION|\b(?:Create|Trigram|Unaccent|HStore|Crypto|CIText|Btree\w+)Extension\b", re.I)


def test_nothing_in_the_project_asks_for_an_extension():
    asking = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in {".py", ".sql", ".yml", ".yaml", ".toml"}
        and path != ROOT / "tests/house/test_extensions.py"
        and ASKS.search(path.read_text(encoding="utf-8"))
    ]

    assert asking == []


@pytest.mark.django_db
def test_the_migrated_database_has_none():
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname FROM pg_extension")
        assert {name for (name,) in cursor.fetchall()} == {"plpgsql"}
