"""Which promises does the database keep by trigger? Moves by the table, rows that never change, nothing unlogged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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


def logged(
    kind: str, *, key: str = "id", but: Sequence[str] = (), made: bool = True, ends: str = ""
) -> Callable[[M], M]:
    """Refuse at commit any row made, changed or deleted that no event of the same transaction names.

    The name is `kind:` and the column `key`, as in the model's `audit_name`. It must be that very name: were any event
    enough, an unrelated one would cover a thousand rows. `but` are columns that may change without an event; a change
    of these alone costs nothing. Where `made` is false, new rows need none. `ends` is a rule of retention that takes
    rows away by the thousand: its certificate stands for them. By whatever road else a change comes (bulk update, raw
    SQL, a shell), it is refused.
    """

    def decorate(model: M) -> M:
        model.logged_as = (kind, key)  # type: ignore[attr-defined]
        make = functools.partial(pgtrigger.Trigger, when=pgtrigger.After, timing=pgtrigger.Deferred, declare=_NAMED)
        column = f'"{key}"'
        there, gone = (f"'{kind}:' || {row}.{column}" for row in ("NEW", "OLD"))
        both = f"IF OLD.{column} IS DISTINCT FROM NEW.{column} THEN {_insist(gone)} END IF;"
        _register(
            model,
            make(
                name="is_logged",
                operation=pgtrigger.Insert | pgtrigger.Delete if made else pgtrigger.Delete,
                func=f"{_BY_THE_OWNER} {_insist(f'COALESCE({there}, {gone})', ends)} RETURN NULL;",
            ),
        )
        return _register(
            model,
            make(
                name="change_is_logged",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=list(but)),
                func=f"{_BY_THE_OWNER} {_insist(there)} {both} RETURN NULL;",
            ),
        )

    return decorate


_NAMED = [("named", "pg_catalog.text")]

# Tables and types are named with their schema: a temporary one of the same name would come first otherwise, and anybody
# may make one. Only who owns the table may set this aside, and must say so (`SET reeve.unlogged = '…'`): see ADR 8.
_BY_THE_OWNER = """
    IF current_setting('reeve.unlogged', true) <> '' THEN
        IF current_user = (SELECT pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c WHERE c.oid = TG_RELID) THEN
            RETURN NULL;
        END IF;
    END IF;"""


def _insist(name: str, ends: str = "") -> str:
    """SQL that raises unless an event of this transaction names this.

    One probe of an index. The minute is for a log that was restored into a new server, whose transactions are numbered
    anew: an old event of the same number says nothing about what is changed now.
    """
    swept = f"OR TG_OP = 'DELETE' AND 'retention:{ends}' = ANY (e.subjects)" if ends else ""
    return f"""
    named := {name};
    IF NOT EXISTS (
        SELECT 1 FROM public.portal_auditevent e
         WHERE e.xid = pg_current_xact_id()::pg_catalog.text::bigint AND (named = ANY (e.subjects) {swept})
           AND e.occurred_at > now() - interval '1 minute'
    ) THEN
        RAISE EXCEPTION USING
            MESSAGE = format('%s of %s: %s without an event that names it, so nothing was changed', named,
                TG_TABLE_NAME, CASE TG_OP WHEN 'INSERT' THEN 'made' WHEN 'DELETE' THEN 'deleted' ELSE 'changed' END),
            HINT = 'Write through the action that records an event in the same transaction, or name it there (also=).',
            TABLE = TG_TABLE_NAME;
    END IF;"""


def _register(model: M, trigger: pgtrigger.Trigger) -> M:
    pgtrigger.register(trigger)(model)
    return model
