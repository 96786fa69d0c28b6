"""When does a group decision stop by itself? Pure: from what it counted so far to a sentence, or None."""

from __future__ import annotations

FIRST_STAGE = 50  # then it pauses, until somebody has looked
FAILURES = 0.05  # of those tried
COMPLAINTS = 0.02  # of those decided


def why_stop(*, tried: int, failed: int, decided: int, complaints: int) -> str | None:
    """Why no further account is touched. One failure or one complaint alone stops nothing, however few were tried."""
    if failed > max(1.0, tried * FAILURES):
        return f"Stopped by itself: {failed:,} of {tried:,} failed, more than {FAILURES:.0%}."
    if complaints > max(1.0, decided * COMPLAINTS):
        return f"Stopped by itself: {complaints:,} complaints on {decided:,} accounts, more than {COMPLAINTS:.0%}."
    return None


def why_pause(*, tried: int, left: int, looked: bool) -> str | None:
    """Why it pauses after its first stage: so that a mistake is one of 50 accounts, not of 5,000."""
    if looked or tried < FIRST_STAGE or left == 0:
        return None
    return f"The first {FIRST_STAGE} are decided. Look at them, then let the other {left:,} go on."
