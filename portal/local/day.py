"""What does a believable day look like? Settings, people, and the day itself, by public actions only.

What is told stands as data in `stories/`; who appears in `day_cast`, when in `day_plan`, by which signals in
`day_signals`, and how the acts are carried out in `day_walk`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from moderation.cases import actions as cases
from moderation.decisions import actions as decisions
from moderation.enforcement import actions as enforcement
from portal.people.models import User
from risk.intake import actions as intake
from risk.strategy import actions as strategy

from . import day_background, day_people
from .day_plan import plan
from .day_sums import sums
from .day_walk import Walk

__all__ = ["ensure_people", "ensure_service_key", "ensure_shipped", "sums", "tell"]
IDLE_SECONDS = 33  # from the first word to READY on two cores that have nothing else to do


def ensure_shipped(now: datetime | None = None) -> None:
    """Load what the product ships: kinds, strategies, lists, queues, workflows, policies, reason codes, backends."""
    system, now = User.objects.service("system"), now or timezone.now()
    for room in (intake, strategy, cases, decisions, enforcement):
        room.ship(by=system, now=now)


def ensure_people(known: Iterable[dict[str, Any]], now: datetime | None = None) -> list[dict[str, Any]]:
    """The people of the day who may sign in, each with user name, password, role and API key."""
    return day_people.ensure_people(known, by=User.objects.service("system"), now=now or timezone.now())


def ensure_service_key(known: str | None, now: datetime | None = None) -> str:
    """The key by which other programs tell us signals."""
    return day_people.ensure_service_key(known, by=User.objects.service("system"), now=now or timezone.now())


def tell(ready_at: datetime | None = None) -> None:
    """Tell the day, so that its 16:00 is the moment of READY."""
    ready_at = ready_at or timezone.now() + _expected()
    gc.disable()  # some ten million objects, none in a cycle worth looking for
    try:
        Walk(plan(ready_at), background=day_background.signals(ready_at)).tell()
    finally:
        gc.enable()


def _expected() -> timedelta:
    """How long until READY, as busy as this machine is; rather too short, so that nothing is told of later."""
    busy = (1 + os.getloadavg()[0]) / (os.cpu_count() or 1)
    return timedelta(seconds=IDLE_SECONDS * min(max(1.0, 0.8 * busy), 6.0))
