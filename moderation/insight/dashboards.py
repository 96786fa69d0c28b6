"""What do the rollups say? The numbers, tables and series of the dashboards, each with its definition.

A page asks a fixed number of queries, whatever the number of cases: rollups, names, backends.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from moderation.cases.models import Queue
from moderation.decisions.models import Policy
from moderation.enforcement.models import Backend
from portal.people.models import User
from risk.strategy.models import Rule

from . import rollups
from .figures import percentile
from .periods import Period

PLACE = re.compile(r"\{[^{}]*\}")
WORKDAY = 8 * 3600
ENOUGH = 5  # decisions of today from which on today's handling time is used

SUMS = """
SELECT measure, queue, of, sum(n)::bigint FROM moderation_hourlyrollup
 WHERE measure = ANY(%(measures)s) AND hour >= %(start)s AND hour < %(end)s AND lane = ANY(%(lanes)s)
   AND queue = ANY(%(queues)s) GROUP BY 1, 2, 3
"""
SERIES = """
SELECT measure, floor(extract(epoch FROM hour - %(start)s::timestamptz) / %(step)s)::int, sum(n)::bigint
  FROM moderation_hourlyrollup
 WHERE measure IN ('opened', 'closed') AND hour >= %(start)s AND hour < %(end)s AND lane = ANY(%(lanes)s)
   AND queue = ANY(%(queues)s) GROUP BY 1, 2
"""
STOCK = """
SELECT measure, queue, of, n FROM moderation_hourlyrollup
 WHERE measure = ANY(%(measures)s) AND lane = ANY(%(lanes)s) AND queue = ANY(%(queues)s)
   AND hour = (SELECT max(hour) FROM moderation_hourlyrollup WHERE measure = 'stock')
"""
AS_OF = "SELECT max(n) FROM moderation_hourlyrollup WHERE measure = 'stock' AND hour >= %s"


@dataclass
class Board:
    """All that a dashboard shows of one period and one or all queues, as one person may see it."""

    period: Period
    queues: list[Queue]
    queue: Queue | None
    as_of: datetime | None
    sums: dict[str, dict[tuple[str, str], int]]  # measure → (queue, of) → n
    stock: dict[str, dict[tuple[str, str], int]]
    series: dict[str, list[int]]
    handling: dict[str, float] = field(default_factory=dict)  # seconds of work a case takes, by queue

    def total(self, measure: str) -> int:
        return sum(self.sums[measure].values())

    def by(self, measure: str) -> dict[str, int]:
        """A measure of the period by what it is of, over all queues."""
        return _fold(self.sums[measure])

    def now(self, measure: str) -> int:
        return sum(self.stock[measure].values())

    def now_by(self, measure: str) -> dict[str, int]:
        return _fold(self.stock[measure])

    def waiting(self, queue: str | None = None, band: str | None = None) -> int:
        """Cases waiting, in all queues or one, of all bands or one."""
        return sum(n for (slug, of), n in self.stock["waiting"].items() if queue in (None, slug) and band in (None, of))

    def work(self, queue: str | None = None) -> float:
        """Seconds of work that wait, at the handling time of each queue."""
        slugs = [queue] if queue else [one.slug for one in self.queues]
        return sum(self.waiting(slug) * self.handling.get(slug, 0) for slug in slugs)

    def of_queue(self, measure: str, slug: str) -> int:
        """A stock measure of one queue."""
        return sum(n for (queue, _), n in self.stock[measure].items() if queue == slug)

    def effect_time(self, share: float) -> timedelta | None:
        """The time from receipt to effect within which this share of effects came."""
        seconds = percentile(((int(of), n) for of, n in self.by("effect_time").items()), share)
        return None if seconds is None else timedelta(seconds=seconds)

    def oldest(self, slug: str | None = None) -> datetime | None:
        """When the oldest waiting case was opened."""
        found = [n for (queue, _), n in self.stock["oldest"].items() if slug in (None, queue)]
        return datetime.fromtimestamp(min(found), UTC) if found else None


def board(user: User, period: Period, *, queue: Queue | None, now: datetime) -> Board:
    """Read one board. What the person's lanes do not hold is in no sum."""
    rollups.freshen_for_reader(period.start, now=now)
    queues = list(Queue.objects.visible_to(user))
    # A case stays in its lane when it is moved to a queue of another: both must be the person's.
    scope: dict[str, Any] = {
        "start": period.start,
        "end": period.end,
        "lanes": user.lanes,
        "step": period.step.total_seconds(),
        "queues": [queue.slug] if queue else [one.slug for one in queues],
    }
    with connection.cursor() as cursor:
        cursor.execute(SUMS, {**scope, "measures": list(rollups.FLOWS)})
        sums = _table(cursor.fetchall())
        cursor.execute(STOCK, {**scope, "measures": list(rollups.STOCK_MEASURES)})
        stock = _table(cursor.fetchall())
        cursor.execute(SERIES, scope)
        series = _series(cursor.fetchall(), len(period.steps))
        cursor.execute(AS_OF, [rollups.floor(now) - timedelta(days=1)])
        counted = cursor.fetchone()[0]
        month = {**scope, "start": now - timedelta(days=28), "end": now, "measures": ["handled", "handled_seconds"]}
        cursor.execute(SUMS, month)
        handled = _table(cursor.fetchall())
    as_of = datetime.fromtimestamp(counted, UTC) if counted else None
    shown = Board(period, queues, queue, as_of, sums, stock, series)
    shown.handling = {one.slug: _handling(one, sums, handled) for one in queues}
    return shown


def _handling(
    queue: Queue, today: dict[str, dict[tuple[str, str], int]], month: dict[str, dict[tuple[str, str], int]]
) -> float:
    """Seconds per case: as measured in the period, else in the last 28 days, else what the queue is staffed for."""
    key = (queue.slug, "")
    for measured in (today, month):
        n = measured["handled"].get(key, 0)
        if n >= ENOUGH:
            return measured["handled_seconds"].get(key, 0) / n
    return WORKDAY / max(1, queue.capacity)


def policy_names(codes: Iterable[str]) -> dict[str, str]:
    """Titles of policies in force, by code."""
    return dict(Policy.objects.filter(code__in=list(codes), in_force=True).values_list("code", "title"))


def people_names(keys: Iterable[str]) -> dict[str, str]:
    """User names by the text of their id."""
    ids = [int(key) for key in keys if key.isdigit()]
    return {str(pk): name for pk, name in User.objects.filter(pk__in=ids).values_list("pk", "username")}


def rule_sentences(names: Iterable[str]) -> dict[str, str]:
    """What the rules `risk_type vN key` say, by that name; where a value of the account would stand: …"""
    wanted = set(names)
    keys = {name.split(" ", 2)[2] for name in wanted if name.count(" ") == 2}
    rules = Rule.objects.filter(key__in=keys).values_list(
        "version__strategy__risk_type", "version__number", "key", "says"
    )
    found = {f"{risk_type} v{number} {key}": PLACE.sub("…", says) for risk_type, number, key, says in rules}
    return {name: says for name, says in found.items() if name in wanted}


def backends(shown: Board, *, now: datetime) -> list[dict[str, Any]]:
    """One row per backend: whether it is applied to, and what of the period's actions became of it."""
    settled, open_ = shown.by("settled"), shown.now_by("outbox")
    rows = []
    for backend in Backend.objects.select_related("paused_by").order_by("name"):

        def mine(found: dict[str, int], name: str = backend.name) -> dict[str, int]:
            return {of.partition(" ")[2]: n for of, n in found.items() if of.partition(" ")[0] == name}

        state, tone = "applying", "ok"
        if backend.paused_at:
            state, tone = f"paused by {backend.paused_by}", "danger"
        elif backend.open_until and backend.open_until > now:
            state, tone = "not answering, tried again soon", "warn"
        rows.append(
            {
                "name": backend.name,
                "state": state,
                "tone": tone,
                "settled": mine(settled),
                "open": mine(open_),
                "why": backend.paused_why,
            }
        )
    return rows


def _fold(found: dict[tuple[str, str], int]) -> dict[str, int]:
    folded: dict[str, int] = defaultdict(int)
    for (_, of), n in found.items():
        folded[of] += n
    return dict(folded)


def _table(rows: Iterable[tuple[str, str, str, int]]) -> dict[str, dict[tuple[str, str], int]]:
    table: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for measure, queue, of, n in rows:
        table[measure][queue, of] = n
    return table


def _series(rows: Iterable[tuple[str, int, int]], length: int) -> dict[str, list[int]]:
    series = {"opened": [0] * length, "closed": [0] * length}
    for measure, index, n in rows:
        if 0 <= index < length:
            series[measure][index] += n
    return series
