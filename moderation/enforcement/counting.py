"""How did the calls to a backend go? Keeps the breaker in its row."""

from __future__ import annotations

from datetime import datetime

from . import breaker
from .call import Answer
from .models import Backend

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
