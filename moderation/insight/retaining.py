"""What does insight keep for a time? Numbers of named reviewers, and files of exports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal.privacy import retention

from . import actions
from .models import Export, HourlyRollup

NAMED = ("decided_by", "reversed_by", "undone_by")  # measures counted by person


def register() -> None:
    """Tell the retention what to look at."""
    retention.register(retention.Walker("staff_metrics_named", due_numbers, delete_numbers))
    retention.register(retention.Walker("export_files", due_files, delete_files))


def due_numbers(cut_off: datetime, now: datetime) -> retention.Due:
    """Hours of named numbers that are old enough."""
    return retention.due_of(_numbers(cut_off), HourlyRollup.objects.none(), at="hour")


def delete_numbers(cut_off: datetime, now: datetime, limit: int) -> Sequence[Any]:
    """Take them away; those of queues and policies stay."""
    ids = list(_numbers(cut_off).order_by("id").values_list("id", flat=True)[:limit])
    HourlyRollup.objects.filter(pk__in=ids).delete()
    return ids


def due_files(cut_off: datetime, now: datetime) -> retention.Due:
    """Files that are old enough; the sweep of exports takes them within seconds."""
    return retention.due_of(_files(cut_off), Export.objects.none(), at="ended_at")


def delete_files(cut_off: datetime, now: datetime, limit: int) -> Sequence[Any]:
    """Take them away, each with its own event."""
    ids = list(_files(cut_off).values_list("pk", flat=True)[:limit])
    actions.expire_exports(now=now)
    return ids


def _numbers(cut_off: datetime) -> Any:
    return HourlyRollup.objects.filter(measure__in=NAMED, hour__lt=cut_off)


def _files(cut_off: datetime) -> Any:
    return Export.objects.filter(status=Export.Status.DONE, ended_at__lt=cut_off).exclude(path="")
