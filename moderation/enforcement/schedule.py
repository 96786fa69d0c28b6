"""When is the next try, and when do we give up?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

GIVE_UP = timedelta(hours=23)  # from the first send: inside the day that a backend remembers a key
MAKES_WAY = timedelta(minutes=5)  # a notice that other actions wait behind; they matter more than being told of
LONGEST_WAIT = 300  # seconds
LOST_LEASES = 5  # a worker that dies this often over one action is killed by it
SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER = 1, 3600


def next_try(
    attempt: int, *, first_sent_at: datetime, now: datetime, draw: float, wait: int | None = None,
    patience: timedelta = GIVE_UP,
) -> datetime | None:  # fmt: skip
    """When to try again, or None to give up: full jitter up to min(300, 2^k) s until 23 h after the first send.

    `draw` is a number from 0 to 1. `wait` is what the backend asked for: never earlier than that, and spread over one
    second behind it, so that many who were told the same do not come back as one.
    """
    if now - first_sent_at > patience:
        return None
    if wait is not None:
        return now + timedelta(seconds=wait + draw)
    return now + timedelta(seconds=draw * min(LONGEST_WAIT, 2 ** min(attempt, 9)))


def retry_after(header: str | None, *, now: datetime) -> int | None:
    """The seconds a `Retry-After` header asks for (number or HTTP date), between 1 s and 1 h; None for nonsense."""
    text = (header or "").strip()
    if not text or len(text) > 64:
        return None
    if text.removeprefix("-").isdecimal() and text.isascii():
        seconds = int(text)
    else:
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = -int((now - at).total_seconds() // 1)  # upwards: never early
    return max(SHORTEST_RETRY_AFTER, min(LONGEST_RETRY_AFTER, seconds))
