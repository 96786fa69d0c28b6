"""What needs a person now? New scores, and signals that must be looked at, become cases or join open ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from risk.intake import actions as intake
from risk.intake.models import Account, Signal
from risk.scoring import actions as scoring
from risk.scoring.models import Reason, Score

from .catalogue import routes
from .models import Case, Queue
from .moving import NOT_PENDING, move, names
from .retrying import again_after_deadlock
from .routing import TOP, Facts, Route, priority, risk_type_of, route

ONE_TAKER = 0x5265_6576  # advisory lock: one process makes cases of what is new, so that joining never races opening
AGE_KINDS = ("age_report", "age_statement")
ANSWERS = ("age_check_result",)  # what a pending case waits for: brings it back, opens none
# After a person looked, our points for the same thing must rise before they are asked again.
REST = timedelta(days=7)
REST_FROM_OTHERS = timedelta(hours=24)
MUST_RISE = 10
GO_BY_THEMSELVES = ("stopped", "unsure")  # an action stands still: withdrawn when it does no more


@dataclass(frozen=True)
class Want:
    """One reason to look at an account: where it leads, how urgent it is, and what to say."""

    account: UUID
    queue: Queue
    risk_type: str
    score: Score | None
    urgency: int
    must_review: bool
    why: str
    opened_by: str
    at: datetime
    opens: bool = True
    answers: bool = False


@again_after_deadlock
@transaction.atomic
def take_new(*, now: datetime, limit: int = 500) -> int:
    """Take what is new and make cases of it, in one transaction; returns how many scores and signals were taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_TAKER])
        if not cursor.fetchone()[0]:
            return 0  # somebody else is at it; their next round sees the rest
    rules = routes()
    if not rules:
        return 0  # nothing ships before the settings do: what is new waits for them
    scores = scoring.take(now=now, limit=limit)
    signals = intake.take_signals(now=now, limit=limit)
    if not scores and not signals:
        return 0
    queues = {queue.slug: queue for queue in Queue.objects.all()}
    wants = [*_of_scores(scores, rules, queues), *_of_signals(signals, rules, queues)]
    system = User.objects.service("system")
    entries = _open_or_join(wants, now=now)
    entries.append(
        (Event.SCORES_TAKEN, "cases:new", [], {"scores": len(scores), "signals": len(signals), "cases": len(entries)})
    )
    audit.record_many(entries, by=system, now=now)
    return len(scores) + len(signals)


@transaction.atomic
def open_case(
    account: Account,
    *,
    queue: Queue,
    lane: str,
    risk_type: str,
    score: Score | None,
    why: str,
    opened_by: str,
    by: User,
    now: datetime,
) -> Case:
    """Open a case in a queue, or join the one that is open in its lane."""
    assert lane == queue.lane
    want = Want(account.pk, queue, risk_type, score, score.urgency if score else 0, score is None, why, opened_by, now)
    entries = _open_or_join([want], now=now, rests=lambda *_: False)
    audit.record_many(entries, by=by, now=now)
    return Case.objects.select_related("account", "queue").get(pk=entries[0][1].pk)


def _of_scores(scores: list[Score], rules: tuple[Route, ...], queues: dict[str, Queue]) -> list[Want]:
    strongest = dict(
        Reason.objects.filter(score__in=[score for score in scores if score.opens])
        .order_by("score", "points")
        .values_list("score", "title")
    )
    told = _age_kinds([score.account_id for score in scores if score.opens and score.risk_type == "underage"])
    wants = []
    for score in scores:
        # the kind counts only where a signal about age stands behind the score: such signals open nothing by themselves
        kind = told.get(score.account_id) if score.risk_type == "underage" else None
        found = route(rules, Facts(kind=kind, risk_type=score.risk_type, strategy_opens=score.opens))
        if found is None:
            continue
        why = f"{score.model} says {score.shown}" if score.model else strongest.get(score.pk, "")
        urgency = priority(score.urgency, found.priority_floor)
        wants.append(
            Want(
                score.account_id,
                queues[found.to],
                score.risk_type,
                score,
                urgency,
                found.must_review,
                why,
                "score",
                score.at,
                score.opens,
            )
        )
    return wants


def _age_kinds(accounts: list[UUID]) -> dict[UUID, str]:
    if not accounts:
        return {}
    rows = Signal.objects.filter(account__in=accounts, kind__in=AGE_KINDS).order_by("occurred_at", "id")
    return dict(rows.values_list("account_id", "kind"))


def _of_signals(signals: list[Signal], rules: tuple[Route, ...], queues: dict[str, Queue]) -> list[Want]:
    wants = []
    for signal in signals:
        told = {name: value for name, value in signal.data.items() if isinstance(value, str)}
        facts = Facts(kind=signal.kind, reason=told.get("reason"), confidential_until=told.get("confidential_until"))
        answers = signal.kind in ANSWERS
        found = Route(0, "", "minors") if answers else route(rules, facts)
        if found is None:
            continue
        risk_type = "underage" if answers else risk_type_of(rules, found.to)
        why = signal.kind.replace("_", " ").capitalize()
        floor = priority(0, found.priority_floor)
        wants.append(
            Want(
                signal.account_id, queues[found.to], risk_type, None, floor, True, why, signal.kind, signal.received_at,
                opens=not answers, answers=answers,
            )
        )  # fmt: skip
    return wants


def _open_or_join(wants: list[Want], *, now: datetime, rests: Callable[..., bool] | None = None) -> list[Any]:
    """Open or join, strongest first; returns the events to record, one per want that did something."""
    accounts = Account.objects.in_bulk({want.account for want in wants})
    standing = Case.objects.open().filter(account__in=accounts).select_related("queue").select_for_update(of=("self",))
    open_cases = {(case.account_id, case.lane): case for case in standing}
    rested = _ended(accounts.keys(), now=now)
    rests = rests or partial(_rests, now=now)
    fresh: dict[tuple[UUID, str], Case] = {}
    entries: list[Any] = []
    for want in sorted(wants, key=lambda want: (-want.urgency, want.at)):
        place = (want.account, want.queue.lane)
        if case := open_cases.get(place):
            if want.opens or want.answers or want.risk_type == case.risk_type:
                entries.append(_join(case, want))
        elif case := fresh.get(place):
            case.must_review |= want.must_review
            case.due_at = min(case.due_at, _due(want))
        elif want.opens and not rests(want, accounts[want.account], rested.get(place, ())):
            fresh[place] = _new(want, accounts[want.account], now=now)
    Case.objects.bulk_create(fresh.values())
    for case in fresh.values():
        facts = {
            "queue": case.queue.slug,
            "risk_type": case.risk_type,
            "priority": case.priority,
            "opened_by": case.opened_by,
        }
        entries.append((Event.CASE_OPENED, case, names(case), facts))
    return entries


def _new(want: Want, account: Account, *, now: datetime) -> Case:
    score = want.score
    return Case(
        account=account, lane=want.queue.lane, queue=want.queue, risk_type=want.risk_type, score=score,
        shown=score.shown if score else 0, band=score.band if score else "low", why=want.why[:200],
        opened_by=want.opened_by[:64], language=account.lang, priority=want.urgency, rank=TOP - want.urgency,
        must_review=want.must_review, opened_at=now, due_at=_due(want),
    )  # fmt: skip


def _join(case: Case, want: Want) -> Any:
    """Add a reason to an open case: its priority never falls; while it waits, a stronger reason takes it along."""
    facts: dict[str, Any] = {"signal": want.opened_by, "risk_type": want.risk_type}
    changes: dict[str, Any] = {"due_at": min(case.due_at, _due(want))} if want.opens else {}
    stronger = want.urgency > case.priority or (want.must_review and not case.must_review and want.opens)
    if want.score and (stronger or want.risk_type == case.risk_type):
        changes |= {"score": want.score, "shown": want.score.shown, "band": want.score.band, "why": want.why[:200]}
    if want.opens and (stronger or not case.risk_type):
        changes["risk_type"] = want.risk_type or case.risk_type
    if want.urgency > case.priority:
        changes |= {"priority": want.urgency, "rank": TOP - want.urgency}
    if want.opens and case.opened_by in GO_BY_THEMSELVES and want.opened_by not in GO_BY_THEMSELVES:
        changes |= {"opened_by": want.opened_by[:64], "why": want.why[:200]}  # it has a reason of its own now
    if want.opens:
        changes["must_review"] = case.must_review or want.must_review
    may_move = (
        case.status == Case.Status.WAITING
        and case.escalated_from_id is None
        and not (case.must_review and not want.must_review)
    )
    if want.opens and stronger and may_move and want.queue != case.queue:
        facts |= {"came_from": case.queue.slug, "to": want.queue.slug}
        changes["queue"] = want.queue
    if want.answers and case.status == Case.Status.PENDING:
        move(case, Case.Status.WAITING, **NOT_PENDING, why=want.why)
    for name, value in changes.items():
        setattr(case, name, value)
    if changes:
        Case.objects.filter(pk=case.pk).update(**changes)
    return Event.CASE_JOINED, case, names(case), facts | {"priority": case.priority}


def _due(want: Want) -> datetime:
    """From receipt to effect: the clock of the service level starts when we were told, not when we looked."""
    return want.at + timedelta(minutes=want.queue.sla_minutes)


def _ended(accounts: Iterable[UUID], *, now: datetime) -> dict[tuple[UUID, str], list[Case]]:
    decided = Case.objects.filter(account__in=accounts, status=Case.Status.DECIDED, ended_at__gte=now - REST)
    found: dict[tuple[UUID, str], list[Case]] = {}
    for case in decided.only("account_id", "lane", "risk_type", "shown", "priority", "ended_at"):
        found.setdefault((case.account_id, case.lane), []).append(case)
    return found


def _rests(want: Want, account: Account, ended: Iterable[Case], *, now: datetime) -> bool:
    """Whether our own points open no case again: a person has just looked at them, or snoozed the account.

    Points that rose without anybody telling something new (a strike of that very decision) ask nobody again. A signal
    that must be looked at, and a model's new verdict, always open a case.
    """
    if want.score is None or want.score.model or want.must_review:
        return False
    if account.snoozed_until and account.snoozed_until > now:
        return True
    return any(
        want.score.shown < case.shown + MUST_RISE
        or (case.ended_at is not None and account.last_seen_at <= case.ended_at)
        if case.risk_type == want.risk_type
        else case.ended_at is not None and case.ended_at > now - REST_FROM_OTHERS and want.urgency <= case.priority
        for case in ended
    )
