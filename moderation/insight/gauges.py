"""How full is everything right now? Queue depth, oldest wait and outbox age, asked when Prometheus comes."""

from __future__ import annotations

from django.db import connection
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from portal.sql import ask

CAP = 10_001  # depths are exact up to 10,000; counting a million rows for a gauge helps nobody

DEPTHS = """
SELECT q.slug,
       (SELECT count(*) FROM
         (SELECT 1 FROM moderation_case c WHERE c.queue_id = q.id AND c.status = 'waiting' LIMIT %s) few),
       (SELECT extract(epoch FROM now() - min(c.due_at))
          FROM (SELECT due_at FROM moderation_case c WHERE c.queue_id = q.id AND c.status = 'waiting'
                 ORDER BY due_at, id LIMIT 1) c)
  FROM moderation_queue q
"""
OUTBOX = """
SELECT status, count(*), coalesce(extract(epoch FROM now() - min(ordered_at)), 0)
  FROM moderation_enforcement WHERE status IN ('queued', 'in_flight', 'retrying', 'stopped', 'unsure') GROUP BY status
"""

FEEDS = "SELECT name, extract(epoch FROM now() - pulled_at) FROM risk_feed WHERE pulled_at IS NOT NULL"

DRIFT = """
SELECT b.name, s.found, count(*) FROM moderation_backend b
  JOIN moderation_accountsequence s ON s.backend_id = b.name AND s.found IN ('lost', 'foreign', 'untold')
 GROUP BY b.name, s.found
"""
COMPARED = """
SELECT b.name,
       (SELECT count(*) FROM (SELECT 1 FROM moderation_accountsequence s WHERE s.backend_id = b.name
           AND s.looked_at > now() - interval '24 hours' LIMIT %s) few),
       (SELECT extract(epoch FROM now() - min(s.look_at)) FROM moderation_accountsequence s
         WHERE s.backend_id = b.name AND s.look_at < now())
  FROM moderation_backend b
"""


def gauges() -> bytes:
    """The gauges in Prometheus' text format: `reeve_queue_waiting`, `reeve_queue_late_seconds`, `reeve_outbox_*`,
    `reeve_feed_read_seconds`, `reeve_drift_*`."""
    registry = CollectorRegistry()
    waiting = Gauge("reeve_queue_waiting", "Cases waiting, exact up to 10,000.", ["queue"], registry=registry)
    late = Gauge(
        "reeve_queue_late_seconds",
        "Seconds the first due case is late; negative: time left.",
        ["queue"],
        registry=registry,
    )
    actions = Gauge("reeve_outbox_actions", "Actions not yet in a final state.", ["state"], registry=registry)
    oldest = Gauge("reeve_outbox_oldest_seconds", "Age of the oldest such action.", ["state"], registry=registry)
    feeds = Gauge("reeve_feed_read_seconds", "Seconds since a feed was last read whole.", ["feed"], registry=registry)
    with connection.cursor() as cursor:
        cursor.execute(DEPTHS, [CAP])
        for slug, depth, lateness in cursor.fetchall():
            waiting.labels(slug).set(depth)
            if lateness is not None:
                late.labels(slug).set(float(lateness))
        cursor.execute(OUTBOX)
        for state, depth, age in cursor.fetchall():
            actions.labels(state).set(depth)
            oldest.labels(state).set(float(age))
        cursor.execute(FEEDS)
        for name, seconds in cursor.fetchall():
            feeds.labels(name).set(float(seconds))
    _drift(registry)
    return generate_latest(registry)


def _drift(registry: CollectorRegistry) -> None:
    """How the platforms stand beside what should be true."""
    stands = Gauge("reeve_drift_accounts", "Accounts that differ now, by how.", ["backend", "found"], registry=registry)
    looked = Gauge(
        "reeve_drift_compared", "Accounts compared in 24 h, exact up to 10,000.", ["backend"], registry=registry
    )
    late = Gauge(
        "reeve_drift_late_seconds",
        "How long the first due account waits to be compared.",
        ["backend"],
        registry=registry,
    )
    for name, found, count in ask(DRIFT, []):
        stands.labels(name, found).set(count)
    for name, count, waits in ask(COMPARED, [CAP]):
        looked.labels(name).set(count)
        late.labels(name).set(float(waits or 0))
