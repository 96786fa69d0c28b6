"""What happens later to group decisions? A bell only: what is to be done stands in the database."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from portal import clock

from . import actions


@shared_task(queue="decisions")
def run_under_way(**_later: Any) -> None:
    """Give the next accounts their turn."""
    actions.run_under_way(now=clock.now())
