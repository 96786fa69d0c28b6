"""How does something get into the log? `record()` and `record_many()` are the only writers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from .canonical import canonical, payload_hash
from .events import Event
from .models import AuditEvent

INSERTED_AT_ONCE = 1000
_INSERT = "INSERT INTO portal_auditevent (id, told_at, type, by, subjects, payload, payload_hash) VALUES "
_VALUES = "(%s, %s, %s, %s, %s, %s, %s)"
_held = threading.local()  # what `together()` holds back, and in which savepoint


class Subject(Protocol):
    """Anything an event can be about: it knows its own name in the log, such as `case:4128`."""

    @property
    def audit_name(self) -> str: ...


def record(
    event: Event,
    *,
    by: Subject | str,
    of: Subject | str,
    also: Iterable[Subject | str] = (),
    now: datetime | None = None,
    **facts: Any,
) -> AuditEvent:
    """Write one event inside the transaction it describes. Returns the row.

    `of` is what it is about, `also` the other things it touches (an account, a policy). `facts` are codes, ids, numbers
    and times as text, never personal values: those stand in the vault, and a commitment stands here. `now` is the
    domain time of the action; the log keeps the database's clock beside it. Raises `RuntimeError` outside a
    transaction.
    """
    return _insert([_row(event, by=by, of=of, also=also, now=now, facts=facts)])[0]


def record_many(
    entries: Iterable[tuple[Event, Subject | str, Iterable[Subject | str], dict[str, Any]]],
    *,
    by: Subject | str,
    now: datetime | None = None,
) -> list[AuditEvent]:
    """Write many events `(event, of, also, facts)` by one actor in one round; the same rules as `record()`."""
    return _insert([_row(event, by=by, of=of, also=also, now=now, facts=facts) for event, of, also, facts in entries])


@contextmanager
def together() -> Iterator[None]:
    """Write what is recorded inside by one statement at its end, in the order in which it was recorded.

    For what is done hundreds of times a second. Inside, nobody may read the events; an error takes them all. What is
    recorded in a savepoint of its own is written there and then, for the savepoint may be taken back alone.
    """
    if getattr(_held, "rows", None) is not None:
        raise RuntimeError("audit.together() is not for use inside another")
    rows: list[AuditEvent] = []
    _held.rows, _held.savepoints = rows, list(connection.savepoint_ids)
    try:
        yield
    finally:
        _held.rows = None
    if rows:
        _insert(rows)


@transaction.atomic
def state_heads(
    *,
    by: Subject | str,
    of: Subject | str,
    size: int,
    entries: int,
    root: bytes,
    bundle: str,
    now: datetime,
    **told: Any,
) -> AuditEvent:
    """State in the log itself how many leaves named whom at a size, and what a bundle made over it holds.

    `of` is the export; `root` the root of the heads (`heads.py`); `bundle` the keyed hash of the manifest, so that the
    log vouches for each file and gives away no name. `told`: how many leaves and payloads it holds, and where a range
    begins and ends, so that what is missing can be named.
    """
    return record(
        Event.LOG_HEADS, by=by, of=of, now=now, size=size, entries=entries, root=root.hex(), bundle=bundle, **told
    )


def open_epoch(log: str, *, by: Subject | str, now: datetime, **facts: Any) -> AuditEvent:
    """State that a log goes on under a new name: what was signed before, what of it is still there, why and by which
    ticket. The signer signs under the new name only once this event has its place in the tree.
    """
    return record(Event.LOG_EPOCH_OPENED, by=by, of=f"log:{log}", now=now, **facts)


def name_of(thing: Subject | str) -> str:
    """The name of a thing in the log: itself if it is text, else its `audit_name`."""
    return thing if isinstance(thing, str) else thing.audit_name


def _row(
    event: Event,
    *,
    by: Subject | str,
    of: Subject | str,
    also: Iterable[Subject | str],
    now: datetime | None,
    facts: dict[str, Any],
) -> AuditEvent:
    subjects = list(dict.fromkeys([name_of(of), *(name_of(thing) for thing in also)]))
    event_id = uuid7()
    actor = name_of(by)
    body: dict[str, Any] = {
        "v": 1,
        "id": str(event_id),
        "type": str(event),
        "by": actor,
        "of": subjects,
        "facts": facts,
    }
    if now is not None:
        body["told"] = now.isoformat()
    payload = canonical(body)
    return AuditEvent(
        id=event_id,
        told_at=now,
        type=str(event),
        by=actor,
        subjects=subjects,
        payload=payload,
        payload_hash=payload_hash(payload),
    )


def _insert(rows: list[AuditEvent]) -> list[AuditEvent]:
    """Straight SQL: every change of the system comes by here, and the ORM takes five times as long over a row."""
    if not connection.in_atomic_block:
        raise RuntimeError("audit.record() belongs inside the transaction it describes")
    held: list[AuditEvent] | None = getattr(_held, "rows", None)
    if held is not None and connection.savepoint_ids == _held.savepoints:
        held += rows
        return rows
    with connection.cursor() as cursor:
        for start in range(0, len(rows), INSERTED_AT_ONCE):
            page = rows[start : start + INSERTED_AT_ONCE]
            values = ", ".join([_VALUES] * len(page))
            cursor.execute(_INSERT + values, [one for row in page for one in _columns(row)])
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias
    return rows


def _columns(row: AuditEvent) -> tuple[Any, ...]:
    return row.id, row.told_at, row.type, row.by, row.subjects, bytes(row.payload), bytes(row.payload_hash)
