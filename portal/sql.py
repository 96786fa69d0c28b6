"""How is the database asked where composing a query costs more than its answer? In plain SQL, on the paths that run
hundreds of times a second; everywhere else the ORM asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection


def ask(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query. JSON comes as its text, times in UTC."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def tell(sql: str, values: Sequence[Any]) -> int:
    """How many rows a statement without rows of its own touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        touched: int = cursor.rowcount
    return touched
