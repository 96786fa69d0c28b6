"""What is scored later? Accounts about which something new was told; the row is the work, the task only says now."""

from __future__ import annotations

from celery import shared_task

from portal import clock

from . import actions

MOST_BATCHES = 20  # then it is another bell's turn


@shared_task(queue="scoring", acks_late=True)
def score_stale(**_later: object) -> int:
    """Score what waits, batch after batch."""
    scored = 0
    for _ in range(MOST_BATCHES):
        scored += (batch := actions.score_stale(now=clock.now()))
        if not batch:
            break
    return scored
