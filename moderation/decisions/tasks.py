"""What happens later to decisions? Bells only: what is to be done stands in the database."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from portal import clock

from . import actions


@shared_task(queue="decisions")
def release_due(**_later: Any) -> None:
    """Release what is held and whose undo window is over."""
    actions.release_due(now=clock.now())


@shared_task(queue="decisions")
def meet_deadlines(**_later: Any) -> None:
    """Give pending cases their default, and return proposals nobody answered."""
    actions.expire_pending(now=clock.now())
    actions.expire_proposals(now=clock.now())
