"""How many calls to a backend are under way, and how did they go? Holds the cap, keeps the breaker in its row."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.db import connection

from . import breaker, connector
from .call import Answer
from .models import Backend, Enforcement

AT_A_TIME = 64  # below half of its cap and so far from it a backend's claims need not count each other
_STANDS = """
SELECT statement_timestamp(), paused_at, open_until,
       (SELECT count(*) FROM moderation_enforcement WHERE backend_id = backend.name AND status = %s)
FROM moderation_backend AS backend WHERE name = %s
"""
_successes = breaker.Tally()


def count(name: str, answer: Answer, *, probe: bool, now: datetime) -> None:
    """Keep the breaker, inside a transaction. Successes are tallied and added when something fails: no row is hot."""
    if not answer.unreached and not probe:
        _successes.add(name)
        return
    stands = Backend.objects.select_for_update(no_key=True).get(pk=name)
    before = breaker.Breaker(stands.window_at, stands.window_calls, stands.window_failures, stands.open_until)
    if answer.unreached:
        after = breaker.after_failure(before, now=now, successes=_successes.take(name))
    else:
        after = breaker.after_success(before)
    fields = {"window_at": after.window_at, "window_calls": after.calls, "window_failures": after.failures}
    Backend.objects.filter(pk=name).update(open_until=after.open_until, **fields)


def is_room(row: Any) -> bool:
    """Whether one more call may be under way, inside the claim's transaction; `under_way` was counted without a lock.

    Near the cap it is counted again, one claim of a backend after the other, until each is committed. A claim that had
    to wait for others begins only then, by the database's clock and by ours; and whether the backend may be called is
    read again too, for while it waited one of the others may have found that nobody is there.
    """
    at_once = connector.descriptions()[row.backend_id].at_once
    if row.under_way + max(AT_A_TIME, at_once // 2) < at_once:
        return True
    if row.under_way >= at_once:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('at_once:' || %s, 0))", [row.backend_id])
        row.asked = time.monotonic()
        cursor.execute(_STANDS, [Enforcement.Status.IN_FLIGHT, row.backend_id])
        row.clock, row.paused_at, row.open_until, under_way = cursor.fetchone()
    return int(under_way) < at_once
