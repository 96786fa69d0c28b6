"""What happens later? Doorbells: a reading that did not happen is made up for by the next."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task

from portal import clock
from portal.people.models import User

from . import pulling

SECONDS = 25.0  # after which no further page is begun; the task limit is 45, a call's 15


@shared_task(queue="intake", acks_late=True)
def pull(**_later: Any) -> None:
    """Ask every described system for what is new."""
    end = time.monotonic() + SECONDS
    by = User.objects.service("pull")
    pulling.pull_all(by=by, clock=clock.now, stopped=lambda: time.monotonic() > end)
