"""How much waits for me, at a glance? Two bounded counts beside the rail's doors, kept for some seconds per person."""

from __future__ import annotations

import logging

from django.core.cache import cache
from django.db import connection

from moderation.bulk.models import Bulk
from moderation.cases.models import Queue
from moderation.decisions.models import Decision
from portal import clock
from portal.people.models import User
from portal.people.permissions import Permission
from portal.wording import capped

from . import limits

CAP = 1000
KEPT_SECONDS = 10

# One index range per queue, each read no further than the cap: a million waiting cases cost what a thousand do.
_WAITING = """
SELECT count(*) FROM (
    SELECT 1 FROM unnest(%s::bigint[]) AS mine(id)
    CROSS JOIN LATERAL (
        SELECT 1 FROM moderation_case WHERE queue_id = mine.id AND status = 'waiting' LIMIT %s
    ) AS one LIMIT %s
) AS counted
"""


def rail_counts(user: User) -> dict[str, str]:
    """Counts by door name, as words; a door without something waiting is left out."""
    name = f"rail:{user.pk}"
    try:
        kept = cache.get(name)
        if kept is None:
            kept = _count(user)
            cache.set(name, kept, KEPT_SECONDS)
    except OSError:  # the cache is away: the counts are still true
        logging.getLogger(__name__).warning("The cache does not answer; rail counts are read each time.")
        return _count(user)
    return dict(kept)


def forget(user: User) -> None:
    """Count again on this person's next page: they just changed what waits."""
    try:
        cache.delete(f"rail:{user.pk}")
    except OSError:
        logging.getLogger(__name__).warning("The cache does not answer; rail counts may be some seconds old.")


def waiting_in(queues: list[int]) -> int:
    """How many cases wait in these queues, counted up to the cap."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [queues, CAP, CAP])
        return int(cursor.fetchone()[0])


def _count(user: User) -> dict[str, str]:
    found = {}
    if user.may(Permission.CASE_CLAIM) and (
        waiting := waiting_in(list(Queue.objects.worked_by(user).values_list("pk", flat=True)))
    ):
        found["desk"] = capped(waiting, CAP)
    proposed = to_approve(user) if user.may(Permission.DECISION_APPROVE) else 0
    if waits := proposed + len(limits.to_open(user, now=clock.now())):
        found["approvals"] = capped(waits, 100)
    if user.may(Permission.DECISION_BULK) and (
        waits := Bulk.objects.filter(status=Bulk.Status.PROPOSED).exclude(made_by=user).values("pk")[:100].count()
    ):
        found["bulks"] = capped(waits, 100)
    return found


def to_approve(user: User) -> int:
    """Proposals that wait for this person's word, counted up to 100; one's own never do."""
    mine = Decision.objects.proposed().visible_to(user).exclude(made_by=user)
    if "lead" not in user.role_names:
        mine = mine.filter(case__lane__in=[lane for lane in user.lanes if lane != "general"])
    return mine.values("pk")[:100].count()
