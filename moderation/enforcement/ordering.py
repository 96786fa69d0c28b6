"""How does a decision become an action? With the next number of its account, inside the deciding transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.db import connection
from django.db.models import F, Q

from portal.audit.actions import Subject, record
from portal.audit.events import Event
from portal.refusal import Refused
from risk.intake.models import Account

from . import connector
from .kinds import LIFTED_BY, OPPOSITE
from .models import Enforcement, Notice

ENFORCEMENTS = UUID("0b0d1f0e-7c8c-5d0e-9b54-6f1f0a3c2d11")  # namespace of the keys: never change it

# One statement: the next number under the account's row lock, the backend's row if it is the first, and the bell that
# rings at commit. The clock is the database's. A quarter of an hour later the account is compared with its platform.
_NEXT = """
WITH first AS (
    INSERT INTO moderation_backend (name, paused_why, window_calls, window_failures) VALUES (%s, '', 0, 0)
    ON CONFLICT (name) DO NOTHING RETURNING name
)
INSERT INTO moderation_accountsequence AS it (account_id, last, backend_id, look_at)
VALUES (%s, 1, %s, statement_timestamp() + interval '15 minutes')
ON CONFLICT (account_id) DO UPDATE SET last = it.last + 1, backend_id = excluded.backend_id, look_at = excluded.look_at
RETURNING last, statement_timestamp(), (SELECT count(*) FROM first), pg_notify('reeve_enforcement', account_id::text)
"""


def order(
    *,
    decision_id: UUID,
    account: Account,
    kind: str,
    by: Subject | str,
    now: datetime,
    until: datetime | None = None,
    scope: str = "",
    policy: str = "",
    reason_code: str = "",
    parent: Enforcement | None = None,
    heals: bool = False,
    delay: timedelta | None = None,
    also: Iterable[Subject | str] = (),
) -> Enforcement:
    """Order an action, once per decision, kind and account, inside the transaction that releases the decision.

    A never-sent opposite one is superseded. With `heals` it is the parent's effect again, once per parent. With `delay`
    it waits that long; what is ordered without one waits for no delay either, so those before it are sent at once.
    Raises `Refused` when no backend serves the account's platform.
    """
    again = f":{parent.pk}" if heals and parent else ""
    key = uuid5(ENFORCEMENTS, f"{decision_id}:{kind}:{account.pk}{again}")
    overtaken, delayed = Q(kind=OPPOSITE.get(kind), scope=scope), Q(due_at__gt=F("ordered_at"))
    unsent = Q(account=account, status=Enforcement.Status.QUEUED, attempts=0)
    found = list(Enforcement.objects.filter(Q(pk=key) | unsent & (overtaken | delayed)))
    if existing := next((row for row in found if row.pk == key), None):
        return existing
    description = connector.serving(account.platform)
    if description is None:
        raise Refused(f"No backend serves the platform {account.platform}, so nothing can be ordered there.")
    seq, clock = _next_number(description.name, account.pk, by=by, now=now)
    at = min(now, clock)  # a told time may lie in the past; a clock that runs ahead must not delay
    due = at + (delay or timedelta())
    row = Enforcement(
        id=key, account=account, decision_id=decision_id, backend_id=description.name, seq=seq, kind=kind, until=until,
        scope=scope, policy=policy, reason_code=reason_code, parent=parent, ordered_at=now, due_at=due,
        next_attempt_at=due, expires_at=until if kind in LIFTED_BY else None,
    )  # fmt: skip
    row.save(force_insert=True)
    also = (account, f"decision:{decision_id}", *also, *([parent] if parent else []))
    _clear_the_way(row, found, by=by, also=also, now=now, at=at)
    return row


def _clear_the_way(
    row: Enforcement, found: list[Enforcement], *, by: Subject | str, also: tuple[Subject | str, ...], now: datetime,
    at: datetime,
) -> None:  # fmt: skip
    """Tell of an order, let what it overtakes be superseded, and what it would have to wait for go now."""
    opposite = [one for one in found if one.kind == OPPOSITE.get(row.kind) and one.scope == row.scope]
    patient = row.due_at > at or row.kind == "notify"
    hastened = _hasten([] if patient else [one for one in found if one not in opposite], at=at)
    facts = facts_of(row, of_order=True)
    record(Event.ENFORCEMENT_ORDERED, by=by, of=row, also=(*also, *hastened), now=now, **facts)
    for earlier in opposite:
        fields = {"settled_at": at, "detail": f"overtaken by {row.kind}"}
        if Enforcement.objects.move(earlier, Enforcement.Status.SUPERSEDED, **fields):
            record(Event.ENFORCEMENT_SUPERSEDED, by=by, of=earlier, also=(row, *also), now=now, **facts_of(earlier))


def _hasten(rows: list[Enforcement], *, at: datetime) -> list[Enforcement]:
    """Let what still waits by its policy's delay go now: order is strict, and nothing behind it may wait for that."""
    found = []
    for row in rows:
        waiting = Enforcement.objects.filter(pk=row.pk, status=Enforcement.Status.QUEUED, attempts=0, due_at__gt=at)
        if waiting.update(due_at=at, next_attempt_at=at):
            found.append(row)
    return found


def send_notice(
    notice: Notice, *, by: Subject | str, now: datetime, after: Enforcement, also: Iterable[Subject | str] = ()
) -> Enforcement:
    """Order a notice, once, behind the action that it follows."""
    row = order(
        decision_id=notice.decision_id, account=after.account, kind="notify", by=by, now=now, policy=after.policy,
        parent=after, also=also,
    )  # fmt: skip
    Notice.objects.filter(pk=notice.pk, order__isnull=True).update(order=row)
    return row


def _next_number(backend: str, account_id: UUID, *, by: Subject | str, now: datetime) -> tuple[int, datetime]:
    if not connection.in_atomic_block:
        raise RuntimeError("order() belongs inside the transaction that releases the decision")
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [backend, account_id, backend])
        seq, clock, first, _ = cursor.fetchone()
    if first:
        record(Event.BACKEND_ADDED, by=by, of=f"backend:{backend}", now=now)
    return seq, clock


def facts_of(row: Enforcement, *, of_order: bool = False) -> dict[str, str | int]:
    """What every event of an action says of it; its order says also until when, and what it heals, ends or follows."""
    facts: dict[str, str | int] = {"kind": row.kind, "seq": row.seq, "backend": row.backend_id}
    if row.scope:
        facts["scope"] = row.scope
    if of_order and row.due_at > row.ordered_at:
        facts["waits_until"] = row.due_at.isoformat()
    if of_order and row.until:
        facts["until"] = row.until.isoformat()
    if of_order and row.parent_id:
        again = row.parent is not None and row.parent.kind == row.kind
        how = "follows" if row.kind == "notify" else "heals" if again else "ends"
        facts[how] = f"enforcement:{row.parent_id}"
    return facts
