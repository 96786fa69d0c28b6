"""What happens later? Doorbells: the rows are the work, a bell says "now", and the dispatcher says it again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import shared_task

from . import actions


@shared_task(queue="enforcement", acks_late=True)
def drain(*, account_id: str, **_later: Any) -> None:
    """Carry out what is due for one account."""
    actions.drain(UUID(account_id))


@shared_task(queue="enforcement", acks_late=True)
def sweep(**_later: Any) -> None:
    """Find the actions of lost workers, and the measures whose time is up."""
    actions.sweep()
    actions.end_due()
