"""Who was shown personal data this week, and what is unusual about it? One page of reveals, each with its marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date

from moderation.cases.models import Case
from moderation.desk.personal import word_of
from portal import cursor
from portal.audit.events import Event
from portal.audit.models import WHEN, AuditEvent
from portal.people.models import User
from portal.privacy import revealing
from portal.privacy.actions import open_values
from portal.privacy.models import Reveal
from portal.privacy.purposes import REASONS
from portal.refusal import Refused
from portal.wording import number
from risk.intake.models import Account

PAGE = 50
TIMES_OF_PEERS = 3  # more reveals than this many times the median of the others is marked
VERDICTS = {"in_order": ("in order", "ok"), "not_in_order": ("not in order", "danger")}


@dataclass(frozen=True)
class Week:
    """Monday to Sunday, where we are."""

    monday: date

    @property
    def start(self) -> datetime:
        return timezone.make_aware(datetime.combine(self.monday, time()))

    @property
    def end(self) -> datetime:
        return timezone.make_aware(datetime.combine(self.monday + timedelta(days=7), time()))


def week_of(given: str, *, now: datetime) -> Week:
    """The week a day is in; today's where none is given. Raises `Refused` (400) for what is no day."""
    try:
        day = parse_date(given) if given else timezone.localtime(now).date()
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year < 2100:
        raise Refused("Give a day such as 2026-11-16.", status=400)
    return Week(day - timedelta(days=day.weekday()))


def visible(user: User) -> QuerySet[Reveal]:
    """Reveals this person may know of: on no case, or on one of their lanes."""
    mine = Case.objects.filter(lane__in=user.lanes).values("pk")
    return Reveal.objects.filter(Q(case__isnull=True) | Q(case__in=mine))


def page_of(user: User, week: Week, *, only_open: bool, mark: str) -> tuple[list[dict[str, Any]], str | None]:
    """One page of the reveals of a week, newest first, and the mark of the next."""
    of_week = visible(user).filter(at__gte=week.start, at__lt=week.end)
    found = of_week.filter(verdict="") if only_open else of_week
    if mark:
        at, pk = cursor.decode(mark, datetime, UUID)
        found = found.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk), at__lte=at)
    page = list(found.select_related("by", "reviewed_by").order_by("-at", "-id")[: PAGE + 1])
    after = cursor.encode(page[PAGE - 1].at, page[PAGE - 1].pk) if len(page) > PAGE else None
    return _rows(page[:PAGE], _habits(of_week), by=user), after


def row_of(reveal: Reveal, *, by: User) -> dict[str, Any]:
    """One row, as the page shows it after it was reviewed."""
    week = week_of(timezone.localtime(reveal.at).date().isoformat(), now=reveal.at)
    return _rows([reveal], _habits(visible(by).filter(at__gte=week.start, at__lt=week.end)), by=by)[0]


def summary(user: User, week: Week) -> dict[str, int]:
    """How many, by how many people, how many not reviewed, and how often somebody was refused."""
    of_week = visible(user).filter(at__gte=week.start, at__lt=week.end)
    counted = of_week.aggregate(
        shown=Count("id"), people=Count("by", distinct=True), unseen=Count("id", filter=Q(verdict=""))
    )
    refused = AuditEvent.objects.annotate(when=WHEN).filter(
        type=Event.PII_REVEAL_REFUSED, when__gte=week.start, when__lt=week.end
    )
    return {**counted, "refused": refused.count()}


@dataclass(frozen=True)
class Habits:
    """What is usual in a week: reveals by person, by person and account, and by person and value."""

    by: Mapping[int, int]
    on_account: Mapping[tuple[int, Any], int]
    of_value: Mapping[tuple[int, Any], int]

    def marks(self, reveal: Reveal) -> list[str]:
        """What somebody who reviews should look at twice."""
        found = []
        if (same := self.of_value[reveal.by_id, reveal.value]) > 1:
            found.append(f"the same value {same} times")
        elif (on := self.on_account[reveal.by_id, reveal.subject]) > 1:
            found.append(f"{on} on this account")
        own = self.by[reveal.by_id]
        others = [n for person, n in self.by.items() if person != reveal.by_id]
        if others and own > TIMES_OF_PEERS * (usual := median(others)):
            found.append(f"{own} this week, others {usual:g}")
        return found


def _habits(of_week: QuerySet[Reveal]) -> Habits:
    rows = of_week.order_by().values_list("by", "subject", "value").annotate(n=Count("id"))
    by: Counter[int] = Counter()
    on_account: Counter[tuple[int, Any]] = Counter()
    of_value: Counter[tuple[int, Any]] = Counter()
    for person, subject, value, n in rows:
        by[person] += n
        on_account[person, subject] += n
        of_value[person, value] += n
    return Habits(by, on_account, of_value)


def _rows(reveals: list[Reveal], habits: Habits, *, by: User) -> list[dict[str, Any]]:
    accounts = {row.pk: row for row in Account.objects.filter(pk__in={one.subject for one in reveals})}
    texts = open_values([one.note for one in reveals] + [one.review_note for one in reveals])
    rows = []
    for one in reveals:
        account = accounts.get(one.subject)
        reason = REASONS.get(one.purpose)
        word, tone = VERDICTS.get(one.verdict, ("", ""))
        rows.append(
            {
                "pk": one.pk,
                "at": one.at,
                "by": one.by.username,
                "word": word_of(one.name),
                "data_class": one.data_class,
                "account": account,
                "account_url": reverse("account", args=[account.platform, account.external_id]) if account else "",
                "case": number(one.case) if one.case else "",
                "purpose": reason.words if reason else one.purpose,
                "note": texts.get(one.note, "(erased)") if one.note else "",
                "handed": one.handed_at is not None,
                "marks": habits.marks(one),
                "verdict": word,
                "tone": tone,
                "reviewed_by": one.reviewed_by.username if one.reviewed_by else "",
                "review_note": texts.get(one.review_note, "") if one.review_note else "",
                "why_not": revealing.why_not_review(one, by=by) or "",
            }
        )
    return rows
