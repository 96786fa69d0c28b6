"""Who looks at what enforcement found on a platform? A drift becomes a case, in the queue that made the decision."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from moderation.cases import actions as cases
from moderation.enforcement import reconciling
from moderation.enforcement.models import Finding
from portal.people.models import User

log = logging.getLogger(__name__)
TAKEN_UP = "drift"  # what stopped, or is unsure, stands on the outbox page, where a lead sends it again or gives it up


def take_findings(*, now: datetime, limit: int = 100) -> int:
    """Open a case for each drift that nobody looks at yet, or join the open one of its lane; returns how many."""
    waiting = Finding.objects.filter(taken_at__isnull=True, kind=TAKEN_UP).order_by("raised_at")
    found = list(waiting.values_list("pk", flat=True)[:limit])
    if not found:
        return 0
    system, took = User.objects.service("system"), 0
    for pk in found:
        try:
            with transaction.atomic():
                took += _take(pk, by=system, now=now)
        except IntegrityError:  # a case of that lane was opened in the same moment; the next round joins it
            log.info("finding %s is taken in the next round", pk)
    return took


def _take(pk: UUID, *, by: User, now: datetime) -> bool:
    mine = Finding.objects.filter(pk=pk, taken_at__isnull=True).select_for_update(skip_locked=True, of=("self",))
    finding = mine.select_related("account", "enforcement__decision__case__queue").first()
    if finding is None or finding.enforcement is None:
        return False
    before = finding.enforcement.decision.case
    case = cases.open_case(
        finding.account, queue=before.queue, lane=before.lane, risk_type=before.risk_type, score=None,
        why=f"The platform differs: {finding.detail}"[:200], opened_by=TAKEN_UP, by=by, now=now,
    )  # fmt: skip
    return reconciling.taken(finding, into=case, by=by, now=now)
