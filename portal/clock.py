"""What time is it? The database's time, so that a machine whose clock is wrong decides nothing by it.

Asking each time would cost every page a round trip, and this machine's clock may be hours off or be set while we run.
Its steady clock is neither: we ask the database now and then, and count on from there.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import Error, connection

ASK_EVERY = 30.0  # seconds; steady clocks drift by far less than a millisecond in that time
_asked: tuple[float, datetime] | None = None  # when we asked, by our steady clock, and what it was then


def now() -> datetime:
    """The time in UTC: never ahead of the database's, and behind it by less than a round trip.

    Raises `OperationalError` where the database is away and was never asked. Asked by the driver's own cursor: this is
    no query of the page it is for.
    """
    global _asked
    asked = _asked
    if asked is None or time.monotonic() - asked[0] > ASK_EVERY:
        try:
            _asked = asked = _ask()
        except Error:
            if asked is None:
                raise
    return asked[1] + timedelta(seconds=time.monotonic() - asked[0])


def _ask() -> tuple[float, datetime]:
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [told] = cursor.fetchone()
    return time.monotonic(), told.astimezone(UTC)
