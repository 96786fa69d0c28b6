"""What does my day look like? My queues, the most urgent cases, what I did, what came back to me."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from moderation.cases.models import Case, Draft, Queue
from moderation.decisions.models import Decision
from portal.people.models import User
from portal.wording import BAND_WORDS, capped, due, number, plain, span

CAP = 1000
HOURS = 7
LISTED = 12

# Per queue one short range of an index each: what waits (to the cap), the oldest, the soonest due, how many are late.
_QUEUES = """
SELECT mine.id,
  (SELECT count(*) FROM (SELECT 1 FROM moderation_case c
     WHERE c.queue_id = mine.id AND c.status = 'waiting' LIMIT %(cap)s) w),
  (SELECT c.opened_at FROM moderation_case c
     WHERE c.queue_id = mine.id AND c.status = 'waiting' ORDER BY c.opened_at LIMIT 1),
  (SELECT count(*) FROM (SELECT 1 FROM moderation_case c
     WHERE c.queue_id = mine.id AND c.status = 'waiting' AND c.due_at < %(now)s ORDER BY c.due_at LIMIT %(cap)s) l),
  (SELECT count(*) FROM (SELECT 1 FROM moderation_case c
     WHERE c.queue_id = mine.id AND c.status = 'waiting' AND c.due_at >= %(now)s AND c.due_at < %(soon)s
     LIMIT %(cap)s) s)
FROM unnest(%(queues)s::bigint[]) AS mine(id)
"""

_INFLOW = """
SELECT queue_id, floor(extract(epoch FROM %(now)s - opened_at) / 3600)::int, count(*)
FROM moderation_case WHERE opened_at > %(from)s AND opened_at <= %(now)s AND queue_id = ANY(%(queues)s)
GROUP BY 1, 2
"""

# The best of each queue, then the best of those: as many index ranges as queues, never a sort of all that waits.
_URGENT = """
SELECT c.id, c.queue_id, c.shown, c.band, c.why, c.due_at, c.priority, c.language, a.handle_shown, a.external_id
FROM unnest(%(queues)s::bigint[]) AS mine(id)
CROSS JOIN LATERAL (
  SELECT * FROM moderation_case WHERE queue_id = mine.id AND status = 'waiting' {late}
  ORDER BY {order} LIMIT %(most)s
) AS c JOIN risk_account a ON a.id = c.account_id
ORDER BY {outer} LIMIT %(most)s
"""


def queue_rows(queues: Sequence[Queue], *, now: datetime) -> list[dict[str, Any]]:
    """One row of ready words per queue, in the order of the settings."""
    if not queues:
        return []
    ids = [queue.pk for queue in queues]
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES, {"queues": ids, "cap": CAP, "now": now, "soon": now + timedelta(minutes=60)})
        found = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute(_INFLOW, {"queues": ids, "now": now, "from": now - timedelta(hours=HOURS)})
        inflow: dict[int, list[int]] = defaultdict(lambda: [0] * HOURS)
        for queue_id, hours_ago, count in cursor.fetchall():
            if 0 <= hours_ago < HOURS:
                inflow[queue_id][HOURS - 1 - hours_ago] = count
    return [_queue_row(queue, *found[queue.pk], opened=inflow[queue.pk], now=now) for queue in queues]


def _queue_row(
    queue: Queue, waiting: int, oldest: datetime | None, late: int, soon: int, *, opened: list[int], now: datetime
) -> dict[str, Any]:
    state, tone = "on time", "ok"
    if late:
        state, tone = f"{capped(late, CAP)} late", "danger"
    elif soon:
        state, tone = f"{capped(soon, CAP)} due within the hour", "warn"
    hours = waiting * queue.lease_minutes / 60
    return {
        "slug": queue.slug,
        "title": queue.title,
        "lane": queue.lane,
        "count": waiting,
        "waiting": capped(waiting, CAP),
        "oldest": span(now - oldest) if oldest else "–",
        "hours": hours,
        "work": f"{number(hours, places=1)} h" + ("+" if waiting >= CAP else "") if waiting else "–",
        "state": state if waiting else "nothing waits",
        "tone": tone if waiting else "",
        "late": late,
        "opened": opened,
        "opened_says": f"opened by hour, last {HOURS} hours: " + ", ".join(map(str, opened)),
    }


def urgent(queues: Sequence[Queue], *, now: datetime, late: bool = False, most: int = LISTED) -> list[dict[str, Any]]:
    """The most urgent waiting cases over these queues, as ready words; `late`: those past their time, latest first."""
    titles = {queue.pk: queue.title for queue in queues}
    order = "due_at, id" if late else "rank, due_at, opened_at, id"
    outer = ", ".join(f"c.{column}" for column in order.split(", "))
    sql = _URGENT.format(late="AND due_at < %(now)s" if late else "", order=order, outer=outer)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"queues": list(titles), "now": now, "most": most})
        rows = cursor.fetchall()
    return [
        {
            "id": pk,
            "queue": titles[queue_id],
            "queue_id": queue_id,
            "score": shown,
            "band": band,
            "word": BAND_WORDS.get(band, ""),
            "why": why,
            "due": due(due_at, now),
            "late": due_at < now,
            "priority": priority,
            "language": language,
            "account": handle or external_id,
            "number": number(pk),
            "due_at": timezone.localtime(due_at),
        }
        for pk, queue_id, shown, band, why, due_at, priority, language, handle, external_id in rows
    ]


def day_of(user: User, *, now: datetime) -> dict[str, int]:
    """What I did since midnight; never ranked, never compared."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FILTER (WHERE status IN ('held', 'released', 'reversed')),
                      count(*) FILTER (WHERE status = 'undone'),
                      count(*) FILTER (WHERE status = 'proposed')
               FROM moderation_decision WHERE made_by_id = %s AND made_at >= %s AND reverses_id IS NULL""",
            [user.pk, midnight],
        )
        decided, undone, proposed = cursor.fetchone()
    drafts = Draft.objects.filter(
        user=user, saved_at__gt=now - timedelta(hours=settings.DRAFT_HOURS), case__status__in=Case.OPEN
    )
    return {"decided": decided, "undone": undone, "proposed": proposed, "drafts": drafts.count()}


def held_by(user: User) -> list[dict[str, Any]]:
    """The cases I hold, with their leases."""
    rows = Case.objects.filter(claimed_by=user, status=Case.Status.CLAIMED).order_by("claimed_until")
    shown = ("id", "claimed_until", "queue__title", "why", "account__handle_shown", "account__external_id")
    return [dict(row) for row in rows.values(*shown)[:5]]


def given_back(user: User, *, now: datetime) -> list[dict[str, str]]:
    """What came back to me: proposals somebody declined, and cases with a draft of mine that nobody holds."""
    declined = Decision.objects.filter(
        made_by=user,
        status=Decision.Status.DECLINED,
        made_at__gt=now - timedelta(days=3),
        ended_at__gt=now - timedelta(days=1),
    )
    rows: list[dict[str, Any]] = [
        {
            "case": case,
            "number": number(case),
            "what": f"your {plain(outcome).lower()} was declined by {by or 'a second person'}",
        }
        for case, outcome, by in declined.order_by("-made_at").values_list(
            "case_id", "outcome", "approvals__by__username"
        )[:5]
    ]
    drafts = Draft.objects.filter(
        user=user,
        saved_at__gt=now - timedelta(hours=settings.DRAFT_HOURS),
        case__status__in=(Case.Status.WAITING, Case.Status.PENDING),
    )
    for case, status, pending_for, until in drafts.order_by("-saved_at").values_list(
        "case_id", "case__status", "case__pending_for", "case__pending_until"
    )[:5]:
        what = (
            f"waits for {pending_for} until {until:%A}"
            if status == Case.Status.PENDING
            else "your draft is kept, nobody holds it"
        )
        if all(row["case"] != case for row in rows):
            rows.append({"case": case, "number": number(case), "what": what})
    return rows


def undoable(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Decisions of mine that are not yet released, newest first: what U takes back."""
    held = Decision.objects.filter(made_by=user, status=Decision.Status.HELD, release_at__gt=now).order_by("-made_at")
    return [
        {
            "id": row["id"],
            "case": number(row["case_id"]),
            "outcome": plain(row["outcome"]),
            "release_at": row["release_at"],
            "account": row["account__handle_shown"] or row["account__external_id"],
            "left": max(1, round((row["release_at"] - now).total_seconds())),
        }
        for row in held.values(
            "id", "case_id", "outcome", "release_at", "account__handle_shown", "account__external_id"
        )[:3]
        if row["release_at"]
    ]
