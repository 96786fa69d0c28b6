"""What changes about an action? Ordering it, carrying it out under a lease, giving it up, sending it again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Value
from django.db.models.functions import Least, Now

from portal import metrics
from portal.audit.actions import Subject, record
from portal.audit.events import Event
from portal.people.models import User
from portal.privacy.actions import keep
from portal.refusal import Refused
from risk.intake.models import Account

from . import breaker, connector, counting, refusals, schedule, verdict
from .call import Answer, Call, Meaning
from .kinds import LIFTED_BY, OPPOSITE, family
from .models import Attempt, Backend, Enforcement, Finding

ENFORCEMENTS = UUID("0b0d1f0e-7c8c-5d0e-9b54-6f1f0a3c2d11")  # namespace of the keys: never change it
DRAIN_FOR = 25.0  # seconds after which a drain begins no further call; the task limit is 45, a call's 15
_log = logging.getLogger(__name__)

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


@transaction.atomic
def ship(by: User, now: datetime) -> None:
    """See that every described backend has its row; twice is once."""
    known = set(Backend.objects.values_list("name", flat=True))
    for name in connector.descriptions():
        if name not in known:
            record(Event.BACKEND_ADDED, by=by, of=Backend.objects.create(name=name), now=now)


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
    also: Iterable[Subject | str] = (),
) -> Enforcement:
    """Order an action, once per decision, kind and account, inside the transaction that releases the decision.

    A never-sent opposite one is superseded. With `heals` it is the parent's effect again, once per parent. Raises
    `Refused` when no backend serves the account's platform.
    """
    again = f":{parent.pk}" if heals and parent else ""
    key = uuid5(ENFORCEMENTS, f"{decision_id}:{kind}:{account.pk}{again}")
    overtaken = Q(account=account, kind=OPPOSITE.get(kind), scope=scope, status=Enforcement.Status.QUEUED, attempts=0)
    found = list(Enforcement.objects.filter(Q(pk=key) | overtaken))
    if existing := next((row for row in found if row.pk == key), None):
        return existing
    description = connector.serving(account.platform)
    if description is None:
        raise Refused(f"No backend serves the platform {account.platform}, so nothing can be ordered there.")
    seq, clock = _next_number(description.name, account.pk, by=by, now=now)
    due = min(now, clock)  # a told time may lie in the past; a clock that runs ahead must not delay
    row = Enforcement(
        id=key, account=account, decision_id=decision_id, backend_id=description.name, seq=seq, kind=kind, until=until,
        scope=scope, policy=policy, reason_code=reason_code, parent=parent, ordered_at=now, due_at=due,
        next_attempt_at=due, expires_at=until if kind in LIFTED_BY else None,
    )  # fmt: skip
    row.save(force_insert=True)
    also = (account, f"decision:{decision_id}", *also, *([parent] if parent else []))
    record(Event.ENFORCEMENT_ORDERED, by=by, of=row, also=also, now=now, **_facts(row, of_order=True))
    for earlier in found:
        fields = {"settled_at": due, "detail": f"overtaken by {kind}"}
        if Enforcement.objects.move(earlier, Enforcement.Status.SUPERSEDED, **fields):
            record(Event.ENFORCEMENT_SUPERSEDED, by=by, of=earlier, also=(row, *also), now=now, **_facts(earlier))
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


def drain(account_id: UUID, *, now: datetime | None = None) -> int:
    """Carry out what is due for an account, strictly in order, until nothing is; says how many calls were made.

    `now` is a told time (the seed); otherwise the database's clock counts. Leases are always by the database's clock.
    """
    calls, end = 0, time.monotonic() + DRAIN_FOR
    while time.monotonic() < end and (sent := _claim(account_id, now=now)) is not None:
        started = time.monotonic()
        answer = connector.carry_out(sent.description, sent.call, clock=sent.clock)
        ended = time.monotonic()
        took = ended - started
        metrics.CALL_SECONDS.labels(sent.row.backend_id).observe(took)
        metrics.ATTEMPTS.labels(sent.row.backend_id, str(answer.meaning)).inc()
        _settle(sent, answer, now=now, at=now or sent.clock + timedelta(seconds=ended - sent.asked))
        calls += 1
        if not Enforcement.objects.waits_for(account_id):  # what is ordered from now on rings by itself
            break
    return calls


class _Sent:
    """An action under our lease, with what there is to say about it; read by `head_of`."""

    def __init__(self, row: Any, at: datetime) -> None:
        self.row: Enforcement = row
        self.asked: float = row.asked  # by this process's own clock, before the database was asked for its clock
        self.by: str = _name_of_system(row)
        self.clock: datetime = row.clock
        self.probe: bool = row.open_until is not None
        self.description = connector.descriptions()[row.backend_id]
        first = row.first_sent_at or at
        self.call = Call(
            id=str(row.pk), seq=row.seq, platform=row.platform, account=row.external_id, kind=row.kind,
            until=row.until, scope=row.scope, policy=row.policy, reason_code=row.reason_code,
            repeat=row.attempts > 1, forgotten=at - first > schedule.GIVE_UP,
        )  # fmt: skip


@transaction.atomic
def _claim(account_id: UUID, *, now: datetime | None) -> _Sent | None:
    """Take the account's head action under a lease, if it is due and its backend may be called; counted before sent."""
    asked = time.monotonic()
    row: Any = Enforcement.objects.head_of(account_id)
    if row is None or row.status not in (Enforcement.Status.QUEUED, Enforcement.Status.RETRYING):
        return None
    row.asked = asked
    if row.next_attempt_at > (now or row.clock) or not _may_call(row, now=now):
        return None
    at: datetime = now or row.clock
    lease = {
        "attempts": row.attempts + 1,
        "first_sent_at": row.first_sent_at or at,
        "lease_token": uuid4(),
        "lease_until": row.clock + timedelta(seconds=settings.ENFORCEMENT_LEASE_SECONDS),
    }
    if not Enforcement.objects.move(row, Enforcement.Status.IN_FLIGHT, **lease):
        return None
    for name, value in lease.items():
        setattr(row, name, value)
    Attempt.objects.create(enforcement=row, number=row.attempts, at=at)
    sent = _Sent(row, at)
    facts = _facts(row) | {"attempt": row.attempts}
    record(Event.ENFORCEMENT_ATTEMPTED, by=sent.by, of=row, also=_also(row), now=now, **facts)
    return sent


def _may_call(row: Any, *, now: datetime | None) -> bool:
    """Not paused, not full; and while the breaker is open one probe per rest. Waiting costs no attempt."""
    if row.paused_at is not None or (row.open_until is not None and row.open_until > (now or row.clock)):
        return False
    if not counting.is_room(row):
        return False
    if row.open_until is None:
        return True
    mine = Backend.objects.filter(pk=row.backend_id, open_until=row.open_until)
    return mine.update(open_until=(now or row.clock) + breaker.REST) == 1


@transaction.atomic
def _settle(sent: _Sent, answer: Answer, *, now: datetime | None, at: datetime) -> None:
    """Write down what came of it, if the lease is still ours; a late answer is dropped, for the same key asks again."""
    row = sent.row
    since = max(row.first_sent_at or at, row.due_at)
    said = verdict.after_answer(answer, attempt=row.attempts, since=since, now=at, draw=random.random())
    fields = {"detail": answer.detail, "next_attempt_at": said.next_try or at, "effect_id": answer.effect_id}
    if not _conclude(row, said, at=at, **fields):
        _log.warning("The lease of %s was lost before its answer came; it is asked for again.", row.audit_name)
        return
    _tell(row, said, why=answer.why, by=sent.by, now=now, at=at)
    if answer.meaning == Meaning.PAUSE:
        _pause(row.backend_id, by=User.objects.service("system"), why=answer.why, now=at)
    counting.count(row.backend_id, answer, probe=sent.probe, now=at)


def sweep(now: datetime | None = None) -> int:
    """Find actions whose worker was lost: tried again under the same key, or stopped when they keep killing workers."""
    by, found = User.objects.service("system"), 0
    for pk in list(Enforcement.objects.lost().values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            lost = (
                Enforcement.objects.lost().with_clock().select_for_update(of=("self",), skip_locked=True, no_key=True)
            )
            row = lost.filter(pk=pk).first()
            if row is None:
                continue
            at: datetime = now or row.clock  # type: ignore[attr-defined]
            said = verdict.after_loss(row.lost_leases + 1, now=at)
            why = "the worker was lost"
            if _conclude(row, said, at=at, detail=why, next_attempt_at=at, lost_leases=row.lost_leases + 1):
                _tell(row, said, why=why, by=by, now=now, at=at)
                found += 1
    return found


def end_due(now: datetime | None = None) -> int:
    """Lift the timed measures whose time is up, unless a later action governs; as the system, each once."""
    by, ended = User.objects.service("system"), 0
    for pk in list(Enforcement.objects.expired(now).values_list("pk", flat=True)[:1000]):
        with transaction.atomic():
            mine = (
                Enforcement.objects.expired(now)
                .with_clock()
                .select_for_update(of=("self",), skip_locked=True, no_key=True)
            )
            row = mine.filter(pk=pk).first()
            ended += row is not None and _end(row, by=by, now=now)
    return ended


def _end(row: Enforcement, *, by: User, now: datetime | None) -> bool:
    same_thing = Enforcement.objects.filter(account=row.account_id, kind__in=family(row.kind), scope=row.scope)
    later = same_thing.filter(seq__gt=row.seq)
    if later.open().exists():  # it will govern, or a person is looking at it
        return False
    Enforcement.objects.filter(pk=row.pk).update(expires_at=None)
    if later.filter(status=Enforcement.Status.APPLIED).exists():
        record(Event.ENFORCEMENT_LAPSED, by=by, of=row, also=_also(row), now=now, **_facts(row))
        return False
    at: datetime = now or row.clock  # type: ignore[attr-defined]
    order(
        decision_id=row.decision_id, account=row.account, kind=LIFTED_BY[row.kind], by=by, now=at, scope=row.scope,
        policy=row.policy, reason_code=row.reason_code, parent=row, also=_also(row)[2:],
    )  # fmt: skip
    return True


@transaction.atomic
def retry(enforcement: Enforcement, *, by: User, now: datetime) -> None:
    """Send a stopped or unsure action again, under the same key; its 23 hours begin anew."""
    if reason := refusals.retry(enforcement):
        raise Refused(reason, state=enforcement.status)
    fields = {"due_at": now, "next_attempt_at": _not_ahead(now), "lost_leases": 0}
    if not Enforcement.objects.move(enforcement, Enforcement.Status.QUEUED, **fields):
        raise _too_late(enforcement)
    record(Event.ENFORCEMENT_RETRIED, by=by, of=enforcement, also=_also(enforcement), now=now, **_facts(enforcement))
    _ring(enforcement.account_id)


@transaction.atomic
def skip(enforcement: Enforcement, *, by: User, now: datetime, reason: str) -> None:
    """Give up a stopped or unsure action, so that what follows for its account can go on. The reason is kept sealed."""
    if why_not := refusals.skip(enforcement, reason=reason):
        raise Refused(why_not, state=enforcement.status)
    if not Enforcement.objects.move(enforcement, Enforcement.Status.SKIPPED, settled_at=now):
        raise _too_late(enforcement)
    note = keep(enforcement.account_id, "enforcement.skip", reason.strip(), data_class="staff")
    facts = _facts(enforcement) | {"note": str(note.pk), "commitment": bytes(note.commitment).hex()}
    record(Event.ENFORCEMENT_SKIPPED, by=by, of=enforcement, also=_also(enforcement), now=now, **facts)
    _ring(enforcement.account_id)


@transaction.atomic
def cancel(enforcement: Enforcement, *, by: User, now: datetime) -> None:
    """Take back an action that was never sent."""
    if reason := refusals.cancel(enforcement):
        raise Refused(reason, state=enforcement.status)
    if not Enforcement.objects.filter(attempts=0).move(enforcement, Enforcement.Status.CANCELLED, settled_at=now):
        raise _too_late(enforcement)
    record(Event.ENFORCEMENT_CANCELLED, by=by, of=enforcement, also=_also(enforcement), now=now, **_facts(enforcement))
    _ring(enforcement.account_id)


@transaction.atomic
def pause(backend: Backend, *, by: User, now: datetime, why: str) -> None:
    """Call a backend no more until it is resumed; what is ordered keeps."""
    if reason := refusals.pause(backend, why=why):
        raise Refused(reason)
    if not _pause(backend.name, by=by, why=why.strip(), now=now):
        raise Refused(f"{backend.name} was paused by somebody else first.")


@transaction.atomic
def resume(backend: Backend, *, by: User, now: datetime) -> None:
    """Call a backend again; an open breaker closes, and the dispatcher finds what waits within a second."""
    if reason := refusals.resume(backend):
        raise Refused(reason)
    found = Backend.objects.filter(pk=backend.pk, paused_at__isnull=False)
    if not found.update(paused_at=None, paused_by=None, paused_why="", open_until=None, window_at=None):
        raise Refused(f"{backend.name} was resumed by somebody else first.")
    record(Event.BACKEND_RESUMED, by=by, of=backend, now=now)


def _conclude(row: Enforcement, said: verdict.Verdict, *, at: datetime, **fields: object) -> bool:
    """End the lease with what was said; False when it is not ours any more."""
    settled = {"settled_at": at} if said.final else {}
    if not Enforcement.objects.move(row, said.to, lease_token=None, lease_until=None, **settled, **fields):
        return False
    outcome = {"ended_at": at, "outcome": said.outcome, "detail": fields.get("detail", "")}
    Attempt.objects.filter(enforcement=row, number=row.attempts).update(**outcome)
    return True


def _tell(
    row: Enforcement, said: verdict.Verdict, *, why: str, by: Subject | str, now: datetime | None, at: datetime
) -> None:
    facts = _facts(row) | {"attempt": row.attempts, "detail": why}
    if said.next_try:
        facts["next_attempt_at"] = said.next_try.isoformat()
    record(said.event, by=by, of=row, also=_also(row), now=now, **facts)
    if said.finding:
        found = {"kind": said.finding, "detail": why}
        finding = Finding.objects.create(account_id=row.account_id, enforcement=row, raised_at=at, **found)
        record(Event.FINDING_RAISED, by=by, of=finding, also=(row, *_also(row)), now=now, **found)


def _pause(name: str, *, by: User, why: str, now: datetime) -> bool:
    fields = {"paused_at": now, "paused_by": by, "paused_why": why[:200]}
    if not Backend.objects.filter(pk=name, paused_at__isnull=True).update(**fields):
        return False
    record(Event.BACKEND_PAUSED, by=by, of=f"backend:{name}", now=now, why=why[:200])
    return True


def _facts(row: Enforcement, *, of_order: bool = False) -> dict[str, str | int]:
    facts: dict[str, str | int] = {"kind": row.kind, "seq": row.seq, "backend": row.backend_id}
    if row.scope:
        facts["scope"] = row.scope
    if of_order and row.until:
        facts["until"] = row.until.isoformat()
    if of_order and row.parent_id:
        again = row.parent is not None and row.parent.kind == row.kind
        facts["heals" if again else "ends"] = f"enforcement:{row.parent_id}"
    return facts


def _also(row: Enforcement) -> tuple[str, ...]:
    """The other things an action's events are about: its account, its decision, and the case behind it."""
    case = row.__dict__.get("case_id") or row.decision.case_id
    return f"account:{row.account_id}", f"decision:{row.decision_id}", f"case:{case}"


def _name_of_system(row: Any) -> str:
    """Read along with the action; made on first use."""
    return f"user:{row.system_id}" if row.system_id else User.objects.service("system").audit_name


def _ring(account_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('reeve_enforcement', %s)", [str(account_id)])


def _not_ahead(now: datetime) -> Least:
    return Least(Value(now), Now())


def _too_late(enforcement: Enforcement) -> Refused:
    enforcement.refresh_from_db(fields=["status"])
    return Refused("Somebody else was first with this action.", state=enforcement.status)
