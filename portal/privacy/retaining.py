"""What does privacy keep for a time? Who was shown a personal value, and the words they gave for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from . import retention
from .models import Reveal, VaultValue


def register() -> None:
    """Tell the retention what to look at."""
    retention.register(retention.Walker("reveals_and_reads", due, delete))


def due(cut_off: datetime, now: datetime) -> retention.Due:
    """Reveals that are old enough."""
    return retention.due_of(*_old(cut_off, now), at="at")


def delete(cut_off: datetime, now: datetime, limit: int) -> Sequence[Any]:
    """Take reveals away, with what was typed for them."""
    rows = list(_old(cut_off, now)[0].order_by("at", "id").values_list("id", "note", "review_note")[:limit])
    ids = [pk for pk, *_ in rows]
    Reveal.objects.filter(pk__in=ids).delete()
    VaultValue.objects.filter(pk__in=[note for _, *notes in rows for note in notes if note]).delete()
    return ids


def _old(cut_off: datetime, now: datetime) -> tuple[Any, Any]:
    return retention.unneeded(Reveal.objects.filter(at__lt=cut_off), now, account="subject")
