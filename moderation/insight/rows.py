"""Which rows are behind a number? One keyset page of cases, decisions or actions, cut as the number was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404
from django.urls import reverse

from moderation.cases.models import Queue
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal import cursor
from portal.people.models import User
from portal.people.permissions import Permission
from portal.wording import BAND_WORDS, due, plain, since
from risk.scoring.models import Reason

from .periods import Period
from .rollups import AGES
from .tiles import Cell, heads, text

PAGE = 50
MOST = 5000  # rows that a CSV of them holds; the whole history is for an export
IN_EFFECT = ("held", "released", "reversed")


@dataclass(frozen=True)
class Listing:
    """One page of rows: what they are, their columns, and the mark of the next page."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]
    next: str | None

    @property
    def heads(self) -> list[tuple[str, bool]]:
        return heads(self.columns, self.rows)


@dataclass(frozen=True)
class Cut:
    """What of a number is asked for: period, queue and the other words of the URL."""

    user: User
    period: Period
    queues: list[Queue]
    given: Mapping[str, str]
    now: datetime

    @property
    def after(self) -> str:
        return self.given.get("cursor", "")

    @property
    def queue_ids(self) -> list[int]:
        return [queue.pk for queue in self.queues]


# One index range per queue and status, merged: what waits is never sorted as a whole.
_OPEN = """
SELECT c.id, q.title, c.status, c.shown, c.band, c.why, c.opened_at, c.due_at, a.platform, a.external_id, a.handle_shown
  FROM unnest(%(queues)s::bigint[]) AS mine (id) JOIN moderation_queue q ON q.id = mine.id
 CROSS JOIN unnest(%(states)s::text[]) AS wanted (status)
 CROSS JOIN LATERAL (
   SELECT * FROM moderation_case
    WHERE queue_id = mine.id AND status = wanted.status AND lane = ANY(%(lanes)s) {cut}
      AND ({order}, id) > (%(when)s, %(id)s) ORDER BY {order}, id LIMIT %(most)s) AS c
  JOIN risk_account a ON a.id = c.account_id
 ORDER BY c.{order}, c.id LIMIT %(most)s
"""
_CASE_COLUMNS = ("Case", "Account", "Queue", "State", "Score", "Why", "Opened", "Due")
BEGINNING = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _open_cases(cut: Cut, title: str, *, order: str, states: list[str], where: str, **params: Any) -> Listing:
    when, pk = cursor.decode(cut.after, datetime, int) if cut.after else (BEGINNING, 0)
    sql = _OPEN.format(cut=where, order=order)
    scope = {
        "queues": cut.queue_ids,
        "states": states,
        "lanes": cut.user.lanes,
        "when": when,
        "id": pk,
        "most": PAGE + 1,
    }
    with connection.cursor() as database:
        database.execute(sql, {**scope, **params})
        found = database.fetchall()
    rows = [
        [
            _case(cut.user, found_pk),
            text(handle or f"{platform} {external}", _account_url(cut.user, platform, external)),
            text(queue),
            text(plain(status)),
            Cell(f"{shown} {BAND_WORDS.get(band, '')}", shown),
            text(why),
            Cell(since(opened, cut.now), opened.isoformat()),
            Cell(due(due_at, cut.now), due_at.isoformat(), late=due_at < cut.now),
        ]
        for found_pk, queue, status, shown, band, why, opened, due_at, platform, external, handle in found[:PAGE]
    ]
    last = found[PAGE - 1] if len(found) > PAGE else None
    mark = cursor.encode(last[6] if order == "opened_at" else last[7], last[0]) if last else None
    return Listing(title, _CASE_COLUMNS, rows, mark)


def waiting(cut: Cut) -> Listing:
    """Cases that wait now, oldest first; of one band or age where asked."""
    where, params = "", dict[str, Any]()
    if band := cut.given.get("of"):
        where, params = "AND band = %(band)s", {"band": band}
    if age := cut.given.get("age"):
        newest, oldest = _ages(age, cut.now)
        where += " AND opened_at <= %(newest)s AND opened_at > %(oldest)s"
        params |= {"newest": newest, "oldest": oldest}
    title = "Cases waiting" + (f", {BAND_WORDS.get(band, band)}" if band else "") + (f", {age}" if age else "")
    return _open_cases(cut, title, order="opened_at", states=["waiting"], where=where, **params)


def late(cut: Cut) -> Listing:
    """Open cases past their time, latest first."""
    states = ["waiting", "claimed", "proposed"]
    return _open_cases(cut, "Cases late now", order="due_at", states=states, where="AND due_at < %(now)s", now=cut.now)


def due_soon(cut: Cut) -> Listing:
    """Open cases due within the hour."""
    return _open_cases(
        cut,
        "Cases due within the hour",
        order="due_at",
        states=["waiting", "claimed", "proposed"],
        where="AND due_at >= %(now)s AND due_at < %(soon)s",
        now=cut.now,
        soon=cut.now + timedelta(hours=1),
    )


_DECISION_COLUMNS = ("When", "Case", "Account", "Outcome", "Policy", "Reason", "By", "State")


def decided(cut: Cut) -> Listing:
    """Decisions of the period that stand."""
    found = _decisions(cut).filter(reverses__isnull=True, status__in=IN_EFFECT)
    return _decision_page(cut, found, "Decisions")


def reversed_(cut: Cut) -> Listing:
    """Reversals of the period, by what they reverse."""
    found = _in_period(cut, Decision.objects.filter(reverses__isnull=False))
    if policy := cut.given.get("policy"):
        found = found.filter(reverses__policy__code=policy) if policy != "none" else found.filter(reverses__policy=None)
    if name := _who(cut):
        found = found.filter(reverses__made_by__username=name)
    return _decision_page(cut, found, "Reversals")


def proposed(cut: Cut) -> Listing:
    """Proposals that wait for a second person, newest first."""
    found = Decision.objects.proposed().filter(case__queue__in=cut.queue_ids, case__lane__in=cut.user.lanes)
    return _decision_page(cut, found, "Proposals that wait for a second person")


def rule(cut: Cut) -> Listing:
    """Decisions on cases where a rule gave points and the answer was yes or no."""
    name = cut.given.get("rule", "")
    if name.count(" ") < 2:
        raise Http404
    risk_type, version, key = name.split(" ", 2)
    fired = Reason.objects.filter(
        score=OuterRef("case__score"),
        rule=key,
        points__gt=0,
        score__risk_type=risk_type,
        score__version__number=int(version[1:]) if version[1:].isdigit() else 0,
    )
    found = _decisions(cut).filter(
        Exists(fired), reverses__isnull=True, status__in=IN_EFFECT, label__in=("positive", "negative")
    )
    if cut.given.get("of") == "confirmed":
        found = found.filter(label="positive").exclude(status="reversed")
    return _decision_page(cut, found, f"Decisions where {key} fired")


def effects(cut: Cut) -> Listing:
    """Actions in one state: settled ones of the period, others as they stand."""
    state = cut.given.get("state", "applied")
    found = Enforcement.objects.filter(
        status=state, decision__queue__in=cut.queue_ids, decision__case__lane__in=cut.user.lanes
    )
    if backend := cut.given.get("backend"):
        found = found.filter(backend=backend)
    if state not in Enforcement.OPEN:
        found = found.filter(settled_at__gte=cut.period.start, settled_at__lt=cut.period.end)
    field = "ordered_at" if state in Enforcement.OPEN else "settled_at"
    columns = (
        "id",
        field,
        "kind",
        "status",
        "attempts",
        "detail",
        "decision__case_id",
        "account__platform",
        "account__external_id",
    )
    page, mark = _page(cut, found, field, columns)
    rows = [
        [
            Cell(since(when, cut.now), when.isoformat()),
            _case(cut.user, case_id),
            text(f"{platform} {external}", _account_url(cut.user, platform, external)),
            text(plain(kind)),
            text(plain(status)),
            Cell(str(attempts), attempts),
            text(detail),
        ]
        for _, when, kind, status, attempts, detail, case_id, platform, external in page
    ]
    return Listing(
        f"Actions {plain(state).lower()}",
        ("When", "Case", "Account", "Action", "State", "Tries", "Last answer"),
        rows,
        mark,
    )


LISTINGS: dict[str, Callable[[Cut], Listing]] = {
    "waiting": waiting,
    "late": late,
    "due": due_soon,
    "decided": decided,
    "reversed": reversed_,
    "proposed": proposed,
    "rule": rule,
    "effects": effects,
}
OWN = ("decided", "reversed")  # what somebody who sees only their own work may open


def all_of(what: str, cut: Cut, first: Listing) -> Iterator[list[Cell]]:
    """The rows from a first page on, page by page, up to `MOST`."""
    page = first
    for _ in range(MOST // PAGE - 1):
        yield from page.rows
        if page.next is None:
            return
        page = LISTINGS[what](replace(cut, given={**cut.given, "cursor": page.next}))
    yield from page.rows


def _decisions(cut: Cut) -> QuerySet[Decision]:
    """Decisions of the period, of the policy and person asked for."""
    found = _in_period(cut, Decision.objects.all())
    if policy := cut.given.get("policy"):
        found = found.filter(policy__code=policy) if policy != "none" else found.filter(policy=None)
    if name := _who(cut):
        found = found.filter(made_by__username=name)
    return found


def _who(cut: Cut) -> str:
    """Whose decisions: as asked, or one's own where no more may be seen."""
    return cut.given.get("by", "") if cut.user.may(Permission.DASHBOARD_READ) else cut.user.username


def _in_period(cut: Cut, found: QuerySet[Decision]) -> QuerySet[Decision]:
    return found.filter(
        made_at__gte=cut.period.start,
        made_at__lt=cut.period.end,
        queue__in=cut.queue_ids,
        case__lane__in=cut.user.lanes,
    )


def _decision_page(cut: Cut, found: QuerySet[Decision], title: str) -> Listing:
    fields = (
        "id",
        "made_at",
        "case_id",
        "account__platform",
        "account__external_id",
        "account__handle_shown",
        "outcome",
        "policy__code",
        "reason_code__text",
        "made_by__username",
        "status",
    )
    page, mark = _page(cut, found, "made_at", fields)
    rows = [
        [
            Cell(since(when, cut.now), when.isoformat()),
            _case(cut.user, case_id),
            text(handle or f"{platform} {external}", _account_url(cut.user, platform, external)),
            text(plain(outcome)),
            text(policy or "–"),
            text(reason),
            text(by),
            text(plain(status)),
        ]
        for _, when, case_id, platform, external, handle, outcome, policy, reason, by, status in page
    ]
    return Listing(title, _DECISION_COLUMNS, rows, mark)


def _page(cut: Cut, found: QuerySet[Any], field: str, columns: tuple[str, ...]) -> tuple[list[Any], str | None]:
    if cut.after:
        when, pk = cursor.decode(cut.after, datetime, UUID)
        found = found.filter(Q(**{f"{field}__lt": when}) | Q(**{field: when, "pk__lt": pk}), **{f"{field}__lte": when})
    page = list(found.order_by(f"-{field}", "-pk").values_list(*columns)[: PAGE + 1])
    mark = cursor.encode(page[PAGE - 1][1], page[PAGE - 1][0]) if len(page) > PAGE else None
    return page[:PAGE], mark


def _ages(words: str, now: datetime) -> tuple[datetime, datetime]:
    """The newest and oldest opening times of an age."""
    newest = now
    for name, limit in AGES:
        oldest = now - timedelta(hours=limit) if limit else BEGINNING
        if name == words:
            return newest, oldest
        newest = oldest
    raise Http404


def _case(user: User, pk: int) -> Cell:
    return Cell(f"case {pk}", pk, reverse("case", args=[pk]) if user.may(Permission.CASE_READ) else "", number=False)


def _account_url(user: User, platform: str, external_id: str) -> str:
    return reverse("account", args=[platform, external_id]) if user.may(Permission.ACCOUNT_READ) else ""
