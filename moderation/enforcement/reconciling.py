"""Is it still so? Compares accounts with their platform, orders our lost effects again, and reports other hands.

Each account says in its own row when it is looked at next: a quarter of an hour after something was ordered for it,
else once a day. Whoever looks pushes that time ahead first, so two never look at one account, and what a lost process
had in hand comes back by itself. Nothing is compared while an action of the account is open.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from portal import peer
from portal.audit.actions import Subject, record
from portal.audit.events import Event
from portal.people.models import User
from portal.sql import ask, tell

from . import actions, breaker, connector, counting, drift
from .call import Answer, Call, Meaning
from .description import Description
from .drift import Done, Standing, Verdict
from .kinds import LIFTED_BY, LIFTS
from .models import AccountSequence, Backend, Enforcement, EnforcementQuerySet, Finding

AGAIN = timedelta(hours=24)  # between two looks at an account that nothing was ordered for
BUSY = timedelta(minutes=15)
SETTLING = timedelta(minutes=1)  # a platform may need a moment until what it has done can be read
LEASE = timedelta(minutes=2)  # longer than a run and its last call
RUN_FOR = 5.0  # seconds after which no further account is looked at: who stops a dispatcher waits for this
BATCH = 20
PACE = 0.01  # seconds at least between two looks at a backend's accounts
PATIENCE = 3  # answers that were none, after which a run leaves a backend alone
Found = AccountSequence.Found
_log = logging.getLogger(__name__)

_TAKE = """
WITH due AS MATERIALIZED (
    SELECT account_id FROM moderation_accountsequence
    WHERE backend_id = %s AND look_at <= COALESCE(%s, statement_timestamp())
    ORDER BY look_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE moderation_accountsequence s SET look_at = COALESCE(%s, statement_timestamp()) + %s
FROM due JOIN risk_account a ON a.id = due.account_id
WHERE s.account_id = due.account_id
RETURNING s.account_id, s.last, s.look_at, a.platform, a.external_id, a.erased_at IS NOT NULL
"""
_GIVE_BACK = """
UPDATE moderation_accountsequence SET look_at = COALESCE(%s, statement_timestamp())
WHERE account_id = ANY(%s) AND look_at = %s
"""
_MAY_ASK = """
SELECT b.paused_at, b.open_until, statement_timestamp(), (SELECT count(*) FROM moderation_enforcement u
    WHERE u.backend_id = b.name AND u.status = 'in_flight')
FROM moderation_backend b WHERE b.name = %s
"""


@dataclass(frozen=True)
class Taken:
    """An account in our hands until `until`, with the last number given when we took it."""

    account: UUID
    last: int
    until: datetime
    platform: str
    external_id: str
    erased: bool


def can_be_read(description: Description) -> bool:
    """Whether a backend can be compared at all: it says where to look and what shows that something is in force."""
    return bool(description.read_path) and any(request.reading for request in description.requests.values())


def reconcile(now: datetime | None = None) -> int:
    """Look at the accounts that are due, backend by backend, for a while; returns how many were compared.

    `now` is a told time; otherwise the database's clock counts.
    """
    end, compared = time.monotonic() + RUN_FOR, 0
    for description in connector.descriptions().values():
        if can_be_read(description):
            compared += _run(description, now=now, end=end)
    return compared


def taken(finding: Finding, *, into: Subject, by: User, now: datetime) -> bool:
    """Say that a finding is in somebody's hands: a case's. False when another was first. Inside a transaction."""
    if not Finding.objects.filter(pk=finding.pk, taken_at__isnull=True).update(taken_at=now):
        return False
    also = (into, f"account:{finding.account_id}")
    record(Event.FINDING_TAKEN, by=by, of=finding, also=also, now=now, kind=finding.kind)
    return True


def _run(description: Description, *, now: datetime | None, end: float) -> int:
    compared = failed = 0
    while _may_ask(description, now=now, only_look=True) and (due := _take(description.name, now=now)):
        for place, one in enumerate(due):
            if time.monotonic() >= end:
                _give_back(due[place:], now=now)
                return compared
            if failed >= PATIENCE:
                return compared
            begun = time.monotonic()
            try:
                said = _look(description, one, now=now)
            except NoCall:
                return compared
            compared += said is None
            failed += said is not None
            time.sleep(max(0.0, PACE - (time.monotonic() - begun)))
    return compared


class NoCall(Exception):
    """The backend must not be called now; what was taken comes back when its time is up."""


def _take(name: str, *, now: datetime | None) -> list[Taken]:
    return [Taken(*row) for row in ask(_TAKE, [name, now, BATCH, now, LEASE])]


def _give_back(left: list[Taken], *, now: datetime | None) -> None:
    """What a run took and did not come to is due again at once, and not only when its lease is over."""
    tell(_GIVE_BACK, [now, [one.account for one in left], left[0].until])


def _may_ask(
    description: Description, *, now: datetime | None, only_look: bool = False
) -> tuple[datetime, bool] | None:
    """The time and whether this is the probe of an open breaker; None while it is paused, at rest or full."""
    rows = ask(_MAY_ASK, [description.name])
    if not rows:
        return None
    paused, open_until, clock, under_way = rows[0]
    at = now or clock
    if paused or under_way >= description.at_once or (open_until and open_until > at):
        return None
    if open_until and not only_look:
        mine = Backend.objects.filter(pk=description.name, open_until=open_until)
        if not mine.update(open_until=at + breaker.REST):
            return None
    return at, open_until is not None


def _look(description: Description, one: Taken, *, now: datetime | None) -> Answer | None:
    """Compare one account. Returns the answer when there was none to go by."""
    mine = AccountSequence.objects.filter(pk=one.account, last=one.last, look_at=one.until)
    if one.erased:  # nobody can be named there any more
        mine.update(look_at=None, found="", said="")
        return None
    may = _may_ask(description, now=now)
    if may is None:
        raise NoCall
    at, probe = may
    rows = _rows(one.account)
    if wait := _too_early(rows, at=at):
        mine.update(look_at=at + wait)
        return None
    call = Call(id="reconcile", seq=0, platform=one.platform, account=one.external_id, kind="reconcile")
    told = connector.read(description, call, clock=at)
    answer = told if isinstance(told, Answer) else Answer(Meaning.APPLIED, "read")
    with transaction.atomic():
        counting.count(description.name, answer, probe=probe, now=at)
    if answer.meaning in (Meaning.LATER, Meaning.PAUSE):
        _log.warning("%s could not be read: %s", description.name, answer.why)
        return answer
    if isinstance(told, Answer):
        found = Found.GONE if told.meaning == Meaning.GONE else Found.UNTOLD
        mine.update(found=found, said=told.why[:200], looked_at=at, look_at=at + AGAIN)
    else:
        _settle(description, one, _compared(description, one, told, rows, at=at), rows, now=now, at=at)
    return None


def _too_early(rows: list[dict[str, Any]], *, at: datetime) -> timedelta | None:
    """How long to wait: an action is under way, or one has just come to an end. A notice changes nothing there."""
    if any(row["status"] in Enforcement.OPEN and row["kind"] != "notify" for row in rows):
        return BUSY
    return SETTLING if any(row["settled_at"] and row["settled_at"] > at - SETTLING for row in rows) else None


def _compared(
    description: Description, one: Taken, told: dict[str, Any], rows: list[dict[str, Any]], *, at: datetime
) -> list[Standing]:
    done = _done(rows)
    number = peer.value_at(told, description.read_seq) if description.read_seq else None
    newest = number if isinstance(number, int) and not isinstance(number, bool) else None
    return drift.compare(done, seen_in(description, told, done), newest=newest, issued=one.last, now=at)


def seen_in(description: Description, told: dict[str, Any], done: Iterable[Done]) -> dict[drift.Thing, bool | None]:
    """Each thing that can be read there, and whether it is in force; None where the reading does not say."""
    seen: dict[drift.Thing, bool | None] = {}
    for measure, lift in LIFTED_BY.items():
        taking, lifting = description.requests.get(measure), description.requests.get(lift)
        if taking is None or taking.reading is None:
            continue
        there = peer.value_at(told, taking.reading.at)
        scopes = {one.scope for one in done if one.thing[0] == measure}
        if "{scope}" in str(taking.reading.wanted):
            scopes |= {value for value in there if isinstance(value, str)} if isinstance(there, list) else set()
        for scope in scopes or ({""} if "{scope}" not in str(taking.reading.wanted) else ()):
            call = Call(id="", seq=0, platform="", account="", kind=measure, scope=scope)
            yes = connector.holds(taking, call, told)
            no = not yes if lifting is None or lifting.reading is None else connector.holds(lifting, call, told)
            seen[measure, scope] = None if there is None or yes == no else yes
    return seen


def _rows(account: UUID) -> list[dict[str, Any]]:
    columns = (
        "id", "seq", "kind", "scope", "status", "until", "parent_id", "attempts", "settled_at", "decision_id",
        "decision__case_id", "decision__case__lane",
    )  # fmt: skip
    return list(Enforcement.objects.filter(account=account).order_by("seq").values(*columns))


def _done(rows: list[dict[str, Any]]) -> list[Done]:
    """What came to an end, and how sure that is: what was given up or found nobody there may still have happened."""
    heals: dict[UUID, int] = {}
    kinds = {row["id"]: row["kind"] for row in rows}
    found = []
    for row in rows:
        parent = row["parent_id"]
        heals[row["id"]] = heals.get(parent, 0) + 1 if parent and kinds.get(parent) == row["kind"] else 0
        sure = row["status"] == Enforcement.Status.APPLIED
        if sure or row["status"] in (Enforcement.Status.SKIPPED, Enforcement.Status.MOOT):
            about = (row["seq"], row["kind"], row["scope"], sure, row["until"], heals[row["id"]])
            found.append(Done(str(row["id"]), *about))
    return [one for one in found if one.kind in LIFTED_BY or one.kind in LIFTS]


@transaction.atomic
def _settle(
    description: Description, one: Taken, standings: list[Standing], rows: list[dict[str, Any]], *,
    now: datetime | None, at: datetime,
) -> None:  # fmt: skip
    """Write down what was found, unless something was ordered or sent again since we read; then it is looked at later.

    `order()` takes the same row's lock, so nothing is ordered between this look and what follows from it.
    """
    mine = AccountSequence.objects.select_for_update(no_key=True, of=("self",))
    row = mine.filter(pk=one.account, last=one.last, look_at=one.until).first()
    open_ones = Enforcement.objects.open().filter(account=one.account).exclude(kind="notify")
    if row is None or open_ones.exists():
        return
    verdict = drift.overall(standings)
    differ = [stands for stands in standings if stands.verdict in (Verdict.LOST, Verdict.FOREIGN)]
    said = "; ".join(stands.words for stands in differ)[:200]
    fields = {"found": verdict, "said": said, "looked_at": at, "look_at": at + AGAIN}
    AccountSequence.objects.filter(pk=one.account).update(**fields)
    by, of = User.objects.service("system"), f"account:{one.account}"
    facts: dict[str, Any] = {"by": by, "of": of, "also": _about(differ, rows), "now": now, "backend": description.name}
    if differ and (row.found, row.said) != (verdict, said):
        record(Event.DRIFT_FOUND, **facts, verdict=str(verdict), said=said)
        if verdict == Verdict.FOREIGN:
            _report(one, differ, rows, by=by, now=now, at=at)
    elif verdict == Verdict.SAME and row.found in (Found.LOST, Found.FOREIGN):
        record(Event.DRIFT_ENDED, **facts)
    if verdict == Verdict.LOST:
        _heal(differ, by=by, now=now, at=at)


def _about(differ: list[Standing], rows: list[dict[str, Any]]) -> list[str]:
    """What an event about the account is also about: the governing actions and their cases, or the newest action's."""
    ids = {stands.by.id for stands in differ if stands.by} or {str(rows[-1]["id"])}
    named = [row for row in rows if str(row["id"]) in ids]
    cases = dict.fromkeys(f"case:{row['decision__case_id']}" for row in named)
    return [*(f"enforcement:{row['id']}" for row in named), *cases]


def _heal(lost: list[Standing], *, by: User, now: datetime | None, at: datetime) -> None:
    """Order each lost effect again, in its old order, by the same road as any action; what it heals is its parent."""
    ids = [stands.by.id for stands in lost if stands.by]
    for row in Enforcement.objects.filter(pk__in=ids).select_related("account", "decision").order_by("seq"):
        actions.order(
            decision_id=row.decision_id, account=row.account, kind=row.kind, by=by, now=now or at, until=row.until,
            scope=row.scope, policy=row.policy, reason_code=row.reason_code, parent=row, heals=True,
            also=(f"case:{row.decision.case_id}",),
        )  # fmt: skip


def _report(
    one: Taken, differ: list[Standing], rows: list[dict[str, Any]], *, by: User, now: datetime | None, at: datetime
) -> None:
    """A finding for each lane whose measures differ, so that a case of one lane says nothing of another's."""
    of = {str(row["id"]): row for row in rows}
    lanes: dict[str, list[tuple[Standing, dict[str, Any]]]] = defaultdict(list)
    for stands in differ:
        row = of[stands.by.id] if stands.by else rows[-1]
        lanes[row["decision__case__lane"]].append((stands, row))
    for found in lanes.values():
        row = found[0][1]
        told = {"kind": "drift", "detail": "; ".join(stands.words for stands, _ in found)[:500]}
        finding = Finding.objects.create(account_id=one.account, enforcement_id=row["id"], raised_at=at, **told)
        also = (f"enforcement:{row['id']}", f"account:{one.account}", f"case:{row['decision__case_id']}")
        record(Event.FINDING_RAISED, by=by, of=finding, also=also, now=now, **told)


def healed(since: datetime) -> EnforcementQuerySet:
    """The heals ordered since a time: actions whose parent is of their own kind."""
    return Enforcement.objects.filter(ordered_at__gt=since, parent__kind=F("kind")).exclude(kind="notify")
