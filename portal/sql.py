"""How is the database asked where composing a query costs more than its answer? In plain SQL, on the paths that run
hundreds of times a second; everywhere else the ORM asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, Model

M = TypeVar("M", bound=Model)


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


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as one value, for `jsonb_to_recordset`: a batch is one statement, whatever its length."""
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=_text)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def columns(model: type[Model], alias: str) -> str:
    """The columns of a model as `load` wants them, for a SELECT in which its table goes by this name."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def load(model: type[M], values: Sequence[Any]) -> M | None:
    """A row of a model from what `columns` selected; None where an outer join found none."""
    fields = model._meta.concrete_fields
    if values[fields.index(model._meta.pk)] is None:
        return None
    told = [
        field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in fields], told)


def insert(row: M) -> M:
    """Insert a row, as `save(force_insert=True)` does without signals; the database may give it its key."""
    sql, fields, returns = _insert_of(type(row))
    straight = connections[DEFAULT_DB_ALIAS]  # `connection` looks itself up anew for each field
    values = [field.get_db_prep_save(field.pre_save(row, True), connection=straight) for field in fields]
    with straight.cursor() as cursor:
        cursor.execute(sql, values)
        if returns:
            row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return row


def change(model: type[Model], values: Mapping[str, Any], also: str, where: str, told: Sequence[Any]) -> int:
    """How many rows an UPDATE touched: `values` by field name, `also` further assignments, `where` with what it tells.

    The names of tables and columns come from the model; `also` and `where` are SQL and never made from input.
    """
    fields: list[Field[Any, Any]] = [model._meta.get_field(name) for name in values]  # type: ignore[misc]
    sets = ", ".join([*(f'"{field.column}" = %s' for field in fields), *([also] if also else [])])
    straight = connections[DEFAULT_DB_ALIAS]
    prepared = [
        field.get_db_prep_save(value.pk if isinstance(value, Model) else value, connection=straight)
        for field, value in zip(fields, values.values(), strict=True)
    ]
    return tell(f'UPDATE "{model._meta.db_table}" SET {sets} WHERE {where}', [*prepared, *told])


@cache
def _insert_of(model: type[Model]) -> tuple[str, list[Field[Any, Any]], bool]:
    """The statement, the fields it tells, and whether the database gives the key."""
    given = model._meta.auto_field
    fields = [field for field in model._meta.concrete_fields if field is not given]
    names = ", ".join(f'"{field.column}"' for field in fields)
    back = f' RETURNING "{given.column}"' if given else ""
    told = ", ".join(["%s"] * len(fields))
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({told}){back}', fields, given is not None
