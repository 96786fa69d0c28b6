"""Which promises does the database keep by trigger? Status moves by the table, rows and fields that never change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pgtrigger
from django.db.models import Model

M = TypeVar("M", bound=type[Model])


def moves_by_its_table(model: M) -> M:
    """Refuse any change of `status` that the model's `COMES_FROM` does not name, by whatever road it comes."""
    table: dict[str, set[str]] = model.COMES_FROM  # type: ignore[attr-defined]
    moves = sorted((str(start), str(to)) for to, starts in table.items() for start in starts if start != to)
    return _register(model, pgtrigger.FSM(name="moves_by_its_table", field="status", transitions=moves))


def never_changes(model: M) -> M:
    """Refuse every change of a row once written; taking it away is left to who owns the table."""
    return _register(model, pgtrigger.Protect(name="never_changes", operation=pgtrigger.Update))


def keeps(*fields: str) -> Callable[[M], M]:
    """Refuse a change of these fields once a row is written."""

    def decorate(model: M) -> M:
        return _register(model, pgtrigger.ReadOnly(name="keeps_what_was_said", fields=list(fields)))

    return decorate


def _register(model: M, trigger: pgtrigger.Trigger) -> M:
    pgtrigger.register(trigger)(model)
    return model
