"""Who looks at what enforcement found? A platform that differs, and an action that stands still, become cases.

A drift goes to the queue that made the decision. What stands still (stopped, or nobody knows whether it happened) goes
where cases are escalated to, for somebody who may send it again or give it up; its case goes away by itself once no
action of the account stands still any more, unless somebody has taken it up or it has another reason by then.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from moderation.cases import actions as cases
from moderation.cases.leaving import ESCALATIONS
from moderation.cases.models import Case, Queue
from moderation.cases.opening import GO_BY_THEMSELVES
from moderation.enforcement import reconciling
from moderation.enforcement.models import Enforcement, Finding
from portal.people.models import User
from portal.wording import plain

log = logging.getLogger(__name__)
WHY = {
    "drift": "The platform differs: {detail}",
    "stopped": "{kind} was not carried out: {detail}",
    "unsure": "{kind}: nobody knows whether it happened: {detail}",
}
LOOK_BACK = timedelta(days=90)  # cases of older findings are closed by a person


def take_findings(*, now: datetime, limit: int = 100) -> int:
    """Open a case for each finding that nobody looks at yet, or join the open one of its lane; returns how many."""
    waiting = Finding.objects.filter(taken_at__isnull=True, kind__in=WHY).order_by("raised_at")
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


def close_settled(*, now: datetime, limit: int = 100) -> int:
    """Withdraw cases that were opened because an action stood still, where none does now; returns how many."""
    taken = Finding.objects.filter(kind__in=GO_BY_THEMSELVES, taken_at__gt=now - LOOK_BACK)
    stands = Enforcement.objects.filter(account=OuterRef("account"), decision__case__lane=OuterRef("lane"))
    over = Case.objects.waiting().filter(
        ~Exists(stands.standing()), account__in=taken.values("account"), opened_by__in=GO_BY_THEMSELVES
    )
    closed = 0
    for pk in list(over.values_list("pk", flat=True)[:limit]):
        with transaction.atomic():
            mine = over.filter(pk=pk).select_for_update(skip_locked=True, of=("self",))
            if case := mine.select_related("account", "queue").first():
                cases.withdraw(case, by=User.objects.service("system"), now=now, why="settled")
                closed += 1
    return closed


def _take(pk: UUID, *, by: User, now: datetime) -> bool:
    mine = Finding.objects.filter(pk=pk, taken_at__isnull=True).select_for_update(skip_locked=True, of=("self",))
    finding = mine.select_related("account", "enforcement__decision__case__queue").first()
    if finding is None or finding.enforcement is None:
        return False
    before, action = finding.enforcement.decision.case, finding.enforcement
    goes = finding.kind in GO_BY_THEMSELVES
    if goes and action.status not in Enforcement.STANDS:  # a lead was quicker
        return reconciling.taken(finding, into=before, by=by, now=now)
    escalations = Queue.objects.filter(slug=ESCALATIONS, lane=before.lane).first() if goes else None
    why = WHY[finding.kind].format(detail=finding.detail, kind=plain(action.kind))
    case = cases.open_case(
        finding.account, queue=escalations or before.queue, lane=before.lane, risk_type=before.risk_type, score=None,
        why=why[:200], opened_by=finding.kind, by=by, now=now,
    )  # fmt: skip
    return reconciling.taken(finding, into=case, by=by, now=now)
