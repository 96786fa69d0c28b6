"""What changes about an action? Ordering it, carrying it out under a lease, giving it up, sending it again."""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Least, Now

from portal import metrics
from portal.audit.actions import Subject, record
from portal.audit.events import Event
from portal.people.models import User
from portal.privacy.actions import keep
from portal.refusal import Refused

from . import breaker, connector, counting, notices, refusals, schedule, verdict
from .call import Answer, Call, Meaning
from .kinds import LIFTED_BY, family
from .models import Attempt, Backend, Enforcement, Finding
from .ordering import facts_of
from .ordering import order as order
from .ordering import send_notice as send_notice

DRAIN_FOR = 25.0  # seconds after which a drain begins no further call; the task limit is 45, a call's 15
_log = logging.getLogger(__name__)


@transaction.atomic
def ship(by: User, now: datetime) -> None:
    """See that every described backend has its row; twice is once."""
    known = set(Backend.objects.values_list("name", flat=True))
    for name in connector.descriptions():
        if name not in known:
            record(Event.BACKEND_ADDED, by=by, of=Backend.objects.create(name=name), now=now)


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
            notice=notices.said(row.pk) if row.kind == "notify" else None,
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
    facts = facts_of(row) | {"attempt": row.attempts}
    record(Event.ENFORCEMENT_ATTEMPTED, by=sent.by, of=row, also=_also(row), now=now, **facts)
    return sent


def _may_call(row: Any, *, now: datetime | None) -> bool:
    """Not paused, not full; and while the breaker is open one probe per rest. Waiting costs no attempt."""
    if _rests(row, now=now) or not counting.is_room(row) or _rests(row, now=now):  # is_room may wait, and read anew
        return False
    if row.open_until is None:
        return True
    mine = Backend.objects.filter(pk=row.backend_id, open_until=row.open_until)
    return mine.update(open_until=(now or row.clock) + breaker.REST) == 1


def _rests(row: Any, *, now: datetime | None) -> bool:
    return row.paused_at is not None or (row.open_until is not None and row.open_until > (now or row.clock))


@transaction.atomic
def _settle(sent: _Sent, answer: Answer, *, now: datetime | None, at: datetime) -> None:
    """Write down what came of it, if the lease is still ours; a late answer is dropped, for the same key asks again."""
    row = sent.row
    since = max(row.first_sent_at or at, row.due_at)
    makes_way = row.kind == "notify" and answer.meaning == Meaning.LATER and notices.makes_way(row, at=at)
    said = verdict.after_answer(
        answer, attempt=row.attempts, since=since, now=at, draw=random.random(), makes_way=makes_way
    )
    fields = {
        "detail": (said.because + answer.detail)[:500],
        "next_attempt_at": said.next_try or at,
        "effect_id": answer.effect_id,
    }
    applied = answer.meaning == Meaning.APPLIED
    told_of = applied and row.kind != "notify" and notices.waits(row)
    if not _conclude(row, said, at=at, **fields):
        _log.warning("The lease of %s was lost before its answer came; it is asked for again.", row.audit_name)
        return
    facts = {}
    if applied and row.kind == "notify":
        facts["delivered_at"] = notices.delivered(row, told=answer.delivered_at, at=at).isoformat()
    _tell(row, said, why=said.because + answer.why, by=sent.by, now=now, at=at, **facts)
    if told_of and (notice := notices.due(row, by=sent.by, now=now, at=at)):
        send_notice(notice, by=sent.by, now=now or at, after=row, also=_also(row)[2:])
    if answer.meaning == Meaning.PAUSE:
        _pause(row.backend_id, by=User.objects.service("system"), why=answer.why, now=at)
    if row.kind != "notify" or sent.probe:  # where a backend sends no mail it may well suspend
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
        record(Event.ENFORCEMENT_LAPSED, by=by, of=row, also=_also(row), now=now, **facts_of(row))
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
    overtaken = enforcement.kind == "notify" and notices.overtaken(enforcement)
    if reason := refusals.retry(enforcement, overtaken=overtaken):
        raise Refused(reason, state=enforcement.status)
    fields = {"due_at": now, "next_attempt_at": _not_ahead(now), "lost_leases": 0}
    if not Enforcement.objects.move(enforcement, Enforcement.Status.QUEUED, **fields):
        raise _too_late(enforcement)
    record(Event.ENFORCEMENT_RETRIED, by=by, of=enforcement, also=_also(enforcement), now=now, **facts_of(enforcement))
    _ring(enforcement.account_id)


@transaction.atomic
def skip(enforcement: Enforcement, *, by: User, now: datetime, reason: str) -> None:
    """Give up a stopped or unsure action, so that what follows for its account can go on. The reason is kept sealed."""
    if why_not := refusals.skip(enforcement, reason=reason):
        raise Refused(why_not, state=enforcement.status)
    if not Enforcement.objects.move(enforcement, Enforcement.Status.SKIPPED, settled_at=now):
        raise _too_late(enforcement)
    note = keep(enforcement.account_id, "enforcement.skip", reason.strip(), data_class="staff")
    facts = facts_of(enforcement) | {"note": str(note.pk), "commitment": bytes(note.commitment).hex()}
    record(Event.ENFORCEMENT_SKIPPED, by=by, of=enforcement, also=_also(enforcement), now=now, **facts)
    _ring(enforcement.account_id)


@transaction.atomic
def cancel(enforcement: Enforcement, *, by: User, now: datetime) -> None:
    """Take back an action that was never sent."""
    if reason := refusals.cancel(enforcement):
        raise Refused(reason, state=enforcement.status)
    if not Enforcement.objects.filter(attempts=0).move(enforcement, Enforcement.Status.CANCELLED, settled_at=now):
        raise _too_late(enforcement)
    record(
        Event.ENFORCEMENT_CANCELLED, by=by, of=enforcement, also=_also(enforcement), now=now, **facts_of(enforcement)
    )
    _ring(enforcement.account_id)


@transaction.atomic
def call_back(enforcement: Enforcement, *, by: User, now: datetime) -> bool:
    """Cancel what was never sent, for the decision behind it is taken back; False when it was on its way already."""
    mine = Enforcement.objects.filter(attempts=0)
    if enforcement.attempts or not mine.move(enforcement, Enforcement.Status.CANCELLED, settled_at=now):
        return False
    facts = facts_of(enforcement)
    record(Event.ENFORCEMENT_CANCELLED, by=by, of=enforcement, also=_also(enforcement), now=now, **facts)
    _ring(enforcement.account_id)
    return True


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
    row: Enforcement, said: verdict.Verdict, *, why: str, by: Subject | str, now: datetime | None, at: datetime,
    **more: str,
) -> None:  # fmt: skip
    facts = facts_of(row) | {"attempt": row.attempts, "detail": why} | more
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
