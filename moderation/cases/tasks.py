"""What happens later to cases? Bells only: what is to be done stands in the database."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from portal import clock

from . import actions


@shared_task(queue="cases")
def take_new(**_later: Any) -> None:
    """Take new scores and signals until nothing is left."""
    while actions.take_new(now=clock.now()):
        pass


@shared_task(queue="cases")
def return_expired(**_later: Any) -> None:
    """Give back claims whose lease ran out."""
    actions.return_expired(now=clock.now())
