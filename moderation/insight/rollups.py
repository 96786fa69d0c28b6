"""How do a million rows become a few numbers? SQL that fills the hourly rollups, idempotent by hour.

Flows (what was opened, decided, reversed, applied) are counted by the hour in which they happened; stock (what waits)
is counted at the moment and kept under its hour, so that the last count of an hour stays as its history. A page reads
rollups only: what it costs does not grow with the cases.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from .figures import BUCKET_RATIO

HOUR = timedelta(hours=1)
LOCK = 0x7265657665  # "reeve": one process at a time fills
FRESH = timedelta(seconds=20)  # a page that finds older stock counts again
ON_READ = 72  # hours that were never counted are counted by the reader up to this many; a task fills the rest
HISTORY = timedelta(days=92)

# Each answers (hour, lane, queue, of, n) for start <= time < end. A measure named here is deleted and filled anew.
_DECIDED = "d.reverses_id IS NULL AND d.status IN ('held', 'released', 'reversed')"
# from claim to decision; a claim kept over four hours says nothing about work and is left out
_OF_HANDLED = f"""
          FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
          JOIN moderation_queue q ON q.id = d.queue_id
         WHERE d.made_at >= %(start)s AND d.made_at < %(end)s AND {_DECIDED}
           AND d.made_at - d.claimed_at BETWEEN interval '0' AND interval '4 hours'"""
_BY_RULE = f"""
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug,
               s.risk_type || ' v' || v.number || ' ' || r.rule, count(*)
          FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
          JOIN moderation_queue q ON q.id = d.queue_id JOIN risk_score s ON s.id = c.score_id
          JOIN risk_version v ON v.id = s.version_id JOIN risk_reason r ON r.score_id = s.id AND r.points > 0
         WHERE d.made_at >= %(start)s AND d.made_at < %(end)s AND {_DECIDED}"""
_RECEIPT_TO_EFFECT = "extract(epoch FROM e.settled_at - c.opened_at)"
FLOWS: dict[str, str] = {
    "opened": """
        SELECT date_trunc('hour', c.opened_at), c.lane, q.slug, c.opened_by, count(*)
          FROM moderation_case c JOIN moderation_queue q ON q.id = c.queue_id
         WHERE c.opened_at >= %(start)s AND c.opened_at < %(end)s GROUP BY 1, 2, 3, 4""",
    "closed": """
        SELECT date_trunc('hour', c.ended_at), c.lane, q.slug, c.status, count(*)
          FROM moderation_case c JOIN moderation_queue q ON q.id = c.queue_id
         WHERE c.ended_at >= %(start)s AND c.ended_at < %(end)s GROUP BY 1, 2, 3, 4""",
    "decided": f"""
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug, coalesce(p.code, ''), count(*)
          FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
          JOIN moderation_queue q ON q.id = d.queue_id LEFT JOIN moderation_policy p ON p.id = d.policy_id
         WHERE d.made_at >= %(start)s AND d.made_at < %(end)s AND {_DECIDED} GROUP BY 1, 2, 3, 4""",
    "decided_by": f"""
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug, d.made_by_id::text, count(*)
          FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
          JOIN moderation_queue q ON q.id = d.queue_id
         WHERE d.made_at >= %(start)s AND d.made_at < %(end)s AND {_DECIDED} GROUP BY 1, 2, 3, 4""",
    "outcome": f"""
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug, d.outcome, count(*)
          FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
          JOIN moderation_queue q ON q.id = d.queue_id
         WHERE d.made_at >= %(start)s AND d.made_at < %(end)s AND {_DECIDED} GROUP BY 1, 2, 3, 4""",
    "undone_by": """
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug, d.made_by_id::text, count(*)
          FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
          JOIN moderation_queue q ON q.id = d.queue_id
         WHERE d.made_at >= %(start)s AND d.made_at < %(end)s AND d.status = 'undone' GROUP BY 1, 2, 3, 4""",
    "reversed": """
        SELECT date_trunc('hour', r.made_at), c.lane, q.slug, coalesce(p.code, ''), count(*)
          FROM moderation_decision r JOIN moderation_decision d ON d.id = r.reverses_id
          JOIN moderation_case c ON c.id = d.case_id JOIN moderation_queue q ON q.id = d.queue_id
          LEFT JOIN moderation_policy p ON p.id = d.policy_id
         WHERE r.made_at >= %(start)s AND r.made_at < %(end)s GROUP BY 1, 2, 3, 4""",
    "reversed_by": """
        SELECT date_trunc('hour', r.made_at), c.lane, q.slug, d.made_by_id::text, count(*)
          FROM moderation_decision r JOIN moderation_decision d ON d.id = r.reverses_id
          JOIN moderation_case c ON c.id = d.case_id JOIN moderation_queue q ON q.id = d.queue_id
         WHERE r.made_at >= %(start)s AND r.made_at < %(end)s GROUP BY 1, 2, 3, 4""",
    "handled": f"""
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug, '', count(*) {_OF_HANDLED} GROUP BY 1, 2, 3""",
    "handled_seconds": f"""
        SELECT date_trunc('hour', d.made_at), c.lane, q.slug, '',
               sum(extract(epoch FROM d.made_at - d.claimed_at))::bigint {_OF_HANDLED} GROUP BY 1, 2, 3""",
    "rule_decided": f"""
        {_BY_RULE}
           AND d.label IN ('positive', 'negative') GROUP BY 1, 2, 3, 4""",
    "rule_confirmed": f"""
        {_BY_RULE}
           AND d.status <> 'reversed' AND d.label = 'positive' GROUP BY 1, 2, 3, 4""",
    # from receipt (the case opened) to the effect applied, in buckets 5 % wide
    "effect_time": f"""
        SELECT date_trunc('hour', e.settled_at), c.lane, q.slug,
               floor(ln(greatest({_RECEIPT_TO_EFFECT}, 0) + 1) / ln({BUCKET_RATIO}))::int::text, count(*)
          FROM moderation_enforcement e JOIN moderation_decision d ON d.id = e.decision_id
          JOIN moderation_case c ON c.id = d.case_id JOIN moderation_queue q ON q.id = d.queue_id
         WHERE e.settled_at >= %(start)s AND e.settled_at < %(end)s AND e.status = 'applied'
           AND e.parent_id IS NULL AND d.reverses_id IS NULL GROUP BY 1, 2, 3, 4""",
    "effect_late": """
        SELECT date_trunc('hour', e.settled_at), c.lane, q.slug, '', count(*)
          FROM moderation_enforcement e JOIN moderation_decision d ON d.id = e.decision_id
          JOIN moderation_case c ON c.id = d.case_id JOIN moderation_queue q ON q.id = d.queue_id
         WHERE e.settled_at >= %(start)s AND e.settled_at < %(end)s AND e.status = 'applied'
           AND e.parent_id IS NULL AND d.reverses_id IS NULL AND e.settled_at > c.due_at GROUP BY 1, 2, 3""",
    "settled": """
        SELECT date_trunc('hour', e.settled_at), c.lane, q.slug, e.backend_id || ' ' || e.status, count(*)
          FROM moderation_enforcement e JOIN moderation_decision d ON d.id = e.decision_id
          JOIN moderation_case c ON c.id = d.case_id JOIN moderation_queue q ON q.id = d.queue_id
         WHERE e.settled_at >= %(start)s AND e.settled_at < %(end)s
           AND e.status IN ('applied', 'skipped', 'superseded', 'cancelled', 'moot') GROUP BY 1, 2, 3, 4""",
}

AGES = (("under 1 h", 1), ("1–4 h", 4), ("4–12 h", 12), ("12–24 h", 24), ("over 24 h", None))
_AGE = (
    "CASE "
    + " ".join(
        f"WHEN c.opened_at > %(now)s - interval '{limit} hours' THEN '{words}'" for words, limit in AGES if limit
    )
    + f" ELSE '{AGES[-1][0]}' END"
)

# One look at the open cases, then its sums; one look at the actions that are not settled.
STOCK = f"""
WITH open AS MATERIALIZED (
    SELECT c.lane, q.slug AS queue, c.status, c.band, {_AGE} AS age,
           CASE WHEN c.due_at < %(now)s THEN 'late'
                WHEN c.due_at < %(now)s + interval '1 hour' THEN 'hour' ELSE '' END AS due,
           count(*) AS n, min(c.opened_at) AS oldest
      FROM moderation_case c JOIN moderation_queue q ON q.id = c.queue_id
     WHERE c.status IN ('waiting', 'claimed', 'proposed', 'pending') GROUP BY 1, 2, 3, 4, 5, 6
), counted (measure, lane, queue, of, n) AS (
    SELECT 'waiting', lane, queue, band, sum(n) FROM open WHERE status = 'waiting' GROUP BY 2, 3, 4
    UNION ALL SELECT 'open', lane, queue, status, sum(n) FROM open GROUP BY 2, 3, 4
    UNION ALL SELECT 'late', lane, queue, '', sum(n)
                FROM open WHERE due = 'late' AND status <> 'pending' GROUP BY 2, 3
    UNION ALL SELECT 'due_soon', lane, queue, '', sum(n)
                FROM open WHERE due = 'hour' AND status <> 'pending' GROUP BY 2, 3
    UNION ALL SELECT 'age', lane, queue, age, sum(n) FROM open WHERE status = 'waiting' GROUP BY 2, 3, 4
    UNION ALL SELECT 'oldest', lane, queue, '', extract(epoch FROM min(oldest))
                FROM open WHERE status = 'waiting' GROUP BY 2, 3
    UNION ALL SELECT 'outbox', c.lane, q.slug, e.backend_id || ' ' || e.status, count(*)
                FROM moderation_enforcement e JOIN moderation_decision d ON d.id = e.decision_id
                JOIN moderation_case c ON c.id = d.case_id JOIN moderation_queue q ON q.id = d.queue_id
               WHERE e.status IN ('queued', 'in_flight', 'retrying', 'stopped', 'unsure') GROUP BY 2, 3, 4
)
INSERT INTO moderation_hourlyrollup (hour, measure, lane, queue, of, n)
SELECT date_trunc('hour', %(now)s::timestamptz), measure, lane, queue, of, n::bigint FROM counted
"""
STOCK_MEASURES = ("waiting", "open", "late", "due_soon", "age", "oldest", "outbox")
MARKS = ("filled", "stock")  # of which moment the numbers of an hour are: n is seconds since 1970


def fill(start: datetime, end: datetime, *, now: datetime) -> None:
    """Count the flows of all hours from `start` to `end` (whole hours) and write them over what stood there."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(
            "DELETE FROM moderation_hourlyrollup WHERE measure = ANY(%s) AND hour >= %s AND hour < %s",
            [[*FLOWS, "filled"], start, end],
        )
        for measure, select in FLOWS.items():
            cursor.execute(
                "INSERT INTO moderation_hourlyrollup (measure, hour, lane, queue, of, n)"
                f" SELECT %(measure)s, rolled.* FROM ({select}) AS rolled",
                {"measure": measure, "start": start, "end": end},
            )
        cursor.execute(
            "INSERT INTO moderation_hourlyrollup (measure, hour, lane, queue, of, n)"
            " SELECT 'filled', hour, 'general', '', '', extract(epoch FROM %s::timestamptz)::bigint"
            "   FROM generate_series(%s::timestamptz, %s::timestamptz - interval '1 hour', interval '1 hour') AS hour",
            [now, start, end],
        )


def take_stock(*, now: datetime) -> None:
    """Count what waits and what is not settled, and write it as the state of this hour."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(
            "DELETE FROM moderation_hourlyrollup"
            " WHERE measure = ANY(%s) AND hour = date_trunc('hour', %s::timestamptz)",
            [[*STOCK_MEASURES, "stock"], now],
        )
        cursor.execute(STOCK, {"now": now})
        cursor.execute(
            "INSERT INTO moderation_hourlyrollup (measure, hour, lane, queue, of, n)"
            " SELECT 'stock', date_trunc('hour', now), 'general', '', '', extract(epoch FROM now)::bigint"
            " FROM (SELECT %s::timestamptz AS now) AS told",
            [now],
        )


def freshen(*, now: datetime) -> None:
    """Count this hour and the last again, and the stock."""
    this = floor(now)
    fill(this - HOUR, this + HOUR, now=now)
    take_stock(now=now)


def freshen_for_reader(start: datetime, *, now: datetime) -> None:
    """Before a page is drawn: count again if the stock is older than `FRESH`, and hours never counted since `start`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(n) FROM moderation_hourlyrollup WHERE measure = 'stock' AND hour >= %s", [floor(now) - HOUR]
        )
        counted = cursor.fetchone()[0]
    # Somebody else counting right now is as good as counting ourselves: their numbers are in the next page.
    if (counted is None or now.timestamp() - counted >= FRESH.total_seconds()) and _nobody_counts():
        freshen(now=now)
    missing = unfilled(max(start, floor(now) - ON_READ * HOUR), now=now)
    if missing:
        fill(missing[0], missing[-1] + HOUR, now=now)


def unfilled(start: datetime, *, now: datetime) -> list[datetime]:
    """The hours from `start` to now that were never counted, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT hour FROM generate_series(%s::timestamptz, %s::timestamptz, interval '1 hour') AS hour"
            " WHERE NOT EXISTS"
            " (SELECT 1 FROM moderation_hourlyrollup r WHERE r.measure = 'filled' AND r.hour = hour.hour)"
            " ORDER BY hour",
            [floor(start), floor(now)],
        )
        return [hour for (hour,) in cursor.fetchall()]


def floor(when: datetime) -> datetime:
    """The full hour at or before a time."""
    return when.replace(minute=0, second=0, microsecond=0)


def _nobody_counts() -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])
