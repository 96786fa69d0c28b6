"""What do group decisions keep for a time? The note of who proposed one, and why one was declined.

The rows stay, as decisions do: ids, codes and counts, no values. An erased account stays in them by its id alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from portal.privacy import retention
from portal.privacy.models import VaultValue

from .models import Bulk

TYPED = ("bulk.note", "bulk.declined")
OVER = (Bulk.Status.UNDONE, Bulk.Status.DECLINED, Bulk.Status.WITHDRAWN, Bulk.Status.DONE)


def register() -> None:
    """Tell the retention what to look at."""
    retention.register(retention.Walker("group_decisions", _due, _delete))


def _old(cut_off: datetime) -> QuerySet[Any]:
    """Texts typed long enough ago, of none that is still under way; about nobody's account, so no hold is on them."""
    going = Bulk.objects.exclude(status__in=OVER).exclude(note=None).values("note")
    return VaultValue.objects.filter(name__in=TYPED, created_at__lt=cut_off).exclude(pk__in=going)


def _due(cut_off: datetime, now: datetime) -> retention.Due:
    return retention.due_of(_old(cut_off), VaultValue.objects.none(), at="created_at")


def _delete(cut_off: datetime, now: datetime, limit: int) -> Sequence[Any]:
    ids = list(_old(cut_off).order_by("id").values_list("id", flat=True)[:limit])
    VaultValue.objects.filter(pk__in=ids).delete()
    return ids
