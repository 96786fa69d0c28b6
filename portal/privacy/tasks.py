"""What does privacy do later? Applies the retention rules once a day."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from portal import clock
from portal.people.models import User

from . import retention


@shared_task(queue="audit", acks_late=True, time_limit=3600)
def apply_retention(**_later: Any) -> None:
    """Rung every hour, so that a bell nobody heard costs an hour and not a day."""
    now = clock.now()
    if retention.is_time(now):
        retention.sweep(by=User.objects.service("system"), now=now, apply=True)
