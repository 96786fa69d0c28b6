"""What does intake keep for a time? Signals with what is sealed for them, and links between accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from portal.privacy import retention
from portal.privacy.models import VaultValue

from .models import Account, Link, Signal


def register() -> None:
    """Tell the retention what to look at."""
    retention.register(retention.Walker("signals_raw", due_signals, delete_signals))
    retention.register(retention.Walker("link_hashes_after_last_use", due_links, delete_links))


def due_signals(cut_off: datetime, now: datetime) -> retention.Due:
    """Signals that are old enough."""
    return retention.due_of(*_signals(cut_off, now), at="received_at")


def delete_signals(cut_off: datetime, now: datetime, limit: int) -> Sequence[Any]:
    """Take signals away with their sealed values, but not with those that the account still shows."""
    free, _ = _signals(cut_off, now)
    rows = list(free.order_by("id").values_list("id", "account_id", "data", "attributes")[:limit])
    sealed = {name for _, _, *told in rows for name in _sealed(told)}
    accounts = Account.objects.filter(pk__in={account for _, account, *_ in rows})
    shown = {name for told in accounts.values_list("attributes", flat=True) for name in _sealed(told)}
    ids = [pk for pk, *_ in rows]
    Signal.objects.filter(pk__in=ids).delete()
    VaultValue.objects.filter(pk__in=sealed - shown).delete()
    return ids


def due_links(cut_off: datetime, now: datetime) -> retention.Due:
    """Links that nobody used for long enough."""
    return retention.due_of(*_links(cut_off, now), at="last_at")


def delete_links(cut_off: datetime, now: datetime, limit: int) -> Sequence[Any]:
    """Take links away."""
    ids = list(_links(cut_off, now)[0].order_by("id").values_list("id", flat=True)[:limit])
    Link.objects.filter(pk__in=ids).delete()
    return ids


def _signals(cut_off: datetime, now: datetime) -> tuple[Any, Any]:
    """What still has to open a case is not old, whatever its date."""
    old = Signal.objects.filter(received_at__lt=cut_off).exclude(opens=True, taken_at__isnull=True)
    return retention.unneeded(old, now)


def _links(cut_off: datetime, now: datetime) -> tuple[Any, Any]:
    return retention.unneeded(Link.objects.filter(last_at__lt=cut_off), now)


def _sealed(told: Any) -> Iterator[str]:
    """The ids of the vault's values anywhere in this."""
    if isinstance(told, dict):
        if isinstance(told.get("vault"), str):
            yield told["vault"]
        told = list(told.values())
    if isinstance(told, list):
        for value in told:
            yield from _sealed(value)
