"""What do cases and decisions keep for a time? The texts typed on them; and they keep what an appeal may ask for.

The frozen evidence itself stays: it holds commitments and codes, no values, and the log names its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from moderation.cases.models import Case, Draft, Note, Skip
from moderation.enforcement.models import Notice
from portal.privacy import retention
from portal.privacy.models import Hold, VaultValue

from .models import Approval, Decision

MINORS = "minors"
TEXTS: tuple[tuple[type[Any], str, str], ...] = (
    (Note, "text", "case"), (Skip, "reason", "case"), (Draft, "note", "case"), (Decision, "note", "case"),
    (Approval, "reason", "decision__case"), (Notice, "text", "decision__case"),
)  # fmt: skip
POINTED = "decision.pointed"  # what somebody pointed at in words stands in the evidence alone


def register() -> None:
    """Tell the retention what to look at, and whose data is still needed."""
    retention.keeps_accounts(lambda now: Case.objects.open().values("account"))
    retention.keeps_accounts(in_window)
    for rule, minors, restricted in (
        ("evidence_restricted", False, True),
        ("evidence_no_action", False, False),
        ("minors_restricted", True, True),
        ("minors_no_action", True, False),
    ):
        find = partial(_texts, minors=minors, restricted=restricted)
        retention.register(retention.Walker(rule, partial(_due, find=find), partial(_delete, find=find)))


def in_window(now: datetime) -> QuerySet[Any]:
    """Accounts with a decision that may still be appealed or looked at again: their signals are its evidence."""
    days = settings.RETENTION_DAYS
    windows = Q(pk__in=[])
    for minors, restricted, name in (
        (False, True, "evidence_restricted"), (False, False, "evidence_no_action"), (True, True, "minors_restricted"),
        (True, False, "minors_no_action"),
    ):  # fmt: skip
        lane = Q(case__lane=MINORS) if minors else ~Q(case__lane=MINORS)
        outcome = ~Q(outcome="no_action") if restricted else Q(outcome="no_action")
        windows |= lane & outcome & Q(made_at__gt=now - timedelta(days=days[name]))
    return Decision.objects.filter(windows).values("account")


def _texts(cut_off: datetime, *, minors: bool, restricted: bool) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """The vault's values typed on cases that ended long enough ago: those that may go, and those a hold keeps.

    A case handed to child safety is sealed and not touched.
    """
    measure = Decision.objects.filter(case=OuterRef("pk"), reverses__isnull=True).exclude(outcome="no_action")
    lane = Q(lane=MINORS) if minors else ~Q(lane=MINORS)
    ended = Case.objects.filter(lane, status__in=(Case.Status.DECIDED, Case.Status.WITHDRAWN), ended_at__lt=cut_off)
    ended = ended.filter(Exists(measure) if restricted else ~Exists(measure))
    held = Hold.objects.in_force().values("account")
    return _of(ended.exclude(account__in=held)), _of(ended.filter(account__in=held))


def _of(cases: QuerySet[Case]) -> QuerySet[Any]:
    found = Q(pk__in=[])
    for model, column, case in TEXTS:
        typed = model.objects.filter(**{f"{case}__in": cases, f"{column}__isnull": False})
        found |= Q(pk__in=typed.values(column))
    # no case stands beside these words but their account's: they go when none of its cases is younger
    older = ~Exists(Case.objects.filter(account=OuterRef("subject_id")).exclude(pk__in=cases))
    found |= Q(older, name=POINTED, subject__in=cases.values("account"))
    return VaultValue.objects.filter(found)


def _due(cut_off: datetime, now: datetime, *, find: Any) -> retention.Due:
    return retention.due_of(*find(cut_off), at="created_at")


def _delete(cut_off: datetime, now: datetime, limit: int, *, find: Any) -> Sequence[Any]:
    ids = list(find(cut_off)[0].order_by("id").values_list("id", flat=True)[:limit])
    VaultValue.objects.filter(pk__in=ids).delete()
    return ids
