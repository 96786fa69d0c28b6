"""What does insight do later? Makes exports, checks the log, counts the hours, throws old files away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task

from portal import clock
from portal.audit.models import Checkpoint
from portal.people.models import User

from . import actions, exports, rollups, verifying
from .models import Export, LogCheck

SLICE = 24  # hours of missing history that one ring counts


# An export may take longer than the broker waits for its word: the second worker finds the lease held and goes.
@shared_task(queue="insight", acks_late=True, time_limit=6 * 3600)
def make_export(*, export_id: str, **_later: Any) -> None:
    """Make one export."""
    exports.make(export_id, clock=clock.now)


@shared_task(queue="insight", acks_late=True, time_limit=6 * 3600)
def check_log(*, check_id: str, **_later: Any) -> None:
    """Walk the log once."""
    verifying.run(check_id, clock=clock.now)


@shared_task(queue="insight", acks_late=True)
def sweep(**_later: Any) -> None:
    """Ring for every export and check of the log that nobody makes; delete old files."""
    now = clock.now()
    silent = now - actions.BEAT_LOST
    for pk in Export.objects.to_make(silent).order_by("asked_at").values_list("pk", flat=True)[:20]:
        make_export.delay(export_id=str(pk))
    for pk in LogCheck.objects.to_make(silent).values_list("pk", flat=True):
        check_log.delay(check_id=str(pk))
    if Checkpoint.objects.exists() and not LogCheck.objects.filter(asked_at__gt=now - actions.CHECK_EVERY).exists():
        actions.ask_check(by=User.objects.service("system"), now=now)
    actions.expire_exports(now=now)


@shared_task(queue="insight", acks_late=True)
def count_hours(**_later: Any) -> None:
    """Count this hour and the stock; then a slice of the history that was never counted."""
    now = clock.now()
    rollups.freshen(now=now)
    missing = rollups.unfilled(now - rollups.HISTORY, now=now)[-SLICE:]
    if missing:
        rollups.fill(missing[0], missing[-1] + rollups.HOUR, now=now)


@shared_task(queue="insight", acks_late=True)
def recount_hours(**_later: Any) -> None:
    """Count the last three days again: approvals and reversals change what an hour means afterwards."""
    now = clock.now()
    rollups.fill(rollups.floor(now) - timedelta(days=3), rollups.floor(now) + rollups.HOUR, now=now)
