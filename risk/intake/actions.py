"""What changes when somebody tells us something?

One road for all doors: validated, deduplicated, stored as sets, recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q

from portal.audit import actions as audit
from portal.audit.actions import Subject
from portal.audit.events import Event
from portal.privacy.actions import Erased
from portal.privacy.lookup import stamp

from . import catalogue, receiving, writing
from .models import Account, Batch, Link, Signal, SignalKind, Standing
from .schema import BadSignal, CleanSignal, validate_signal

REFERRAL_DAYS = 30
TRIES = 5
NEIGHBOUR_KINDS = frozenset({"device", "payment", "payout", "phone", "ip24"})
REMOVED = ("suspend", "ban")  # outcomes whose links count as links to an enforced account


@dataclass(frozen=True, slots=True)
class Rejected:
    """A signal that was not taken: its place in the delivery, the JSON path of what is wrong, why."""

    index: int
    path: str
    reason: str


@dataclass(slots=True)
class Receipt:
    """What became of a delivery."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    account_ids: set[UUID] = field(default_factory=set)


class Raced(Exception):
    """Another door stored one of the same accounts or signals in between: look again."""


class Standable(Protocol):
    """An account, as far as a standing is concerned."""

    @property
    def pk(self) -> Any: ...


def ingest(
    raw: Sequence[Any],
    *,
    by: Subject,
    now: datetime,
    door: str,
    preset_rejects: Sequence[Rejected] = (),
    sizes: Sequence[int] | None = None,
) -> Receipt:
    """Take a delivery of signals, in one transaction; one bad signal never costs a good one beside it.

    The same (source, external_id) again is a duplicate, also within one delivery and under parallel deliveries. An
    item may be a `BadSignal`: what the door could not read at that place. `sizes` are the bytes of each item as
    they arrived.
    """
    kinds = catalogue.kinds()
    receipt = Receipt(rejected=list(preset_rejects))
    clean = _validated(raw, now=now, kinds=kinds, sizes=sizes, receipt=receipt)
    unique = list({(signal.source, signal.external_id): signal for signal in reversed(clean)}.values())[::-1]
    for attempt in range(TRIES):
        try:
            with transaction.atomic():
                _store(
                    unique, repeated=len(clean) - len(unique), kinds=kinds, by=by, now=now, door=door, receipt=receipt
                )
            return receipt
        except (Raced, Erased, IntegrityError, OperationalError) as error:
            if attempt == TRIES - 1 or not _may_work_again(error):
                raise
    return receipt  # pragma: no cover - the loop returns or raises


@transaction.atomic
def record_standing(
    account: Standable,
    *,
    decision_id: UUID,
    risk_type: str,
    policy: str,
    outcome: str,
    strikes: int,
    at: datetime,
    until: datetime | None,
    by: Subject,
    strikes_until: datetime | None = None,
    imported: bool = False,
) -> Standing:
    """Write down that a decision is in force on an account, so that features can read it; idempotent by decision.

    `until` is the end of the measure, `strikes_until` the day its strikes expire (180 days after `at` unless given).
    """
    facts = {"policy": policy, "outcome": outcome, "strikes": strikes}
    standing, fresh = Standing.objects.get_or_create(
        decision=decision_id,
        defaults=facts
        | {
            "account_id": account.pk,
            "risk_type": risk_type,
            "at": at,
            "strikes_until": (strikes_until or at + timedelta(days=180)) if strikes else None,
            "until": until,
            "imported": imported,
        },
    )
    if fresh:
        name = f"account:{account.pk}"
        audit.record(
            Event.STANDING_RECORDED,
            by=by,
            of=name,
            also=[standing],
            now=at,
            decision=str(decision_id),
            **facts,
        )
        _rescore(standing, now=at)
    return standing


@transaction.atomic
def lift_standing(decision_id: UUID, *, by: Subject, now: datetime) -> bool:
    """End what a decision left standing (undone, reversed); says whether there was something to lift."""
    standing = Standing.objects.select_for_update().filter(decision=decision_id, lifted_at__isnull=True).first()
    if standing is None:
        return False
    standing.lifted_at = now
    standing.save(update_fields=["lifted_at"])
    audit.record(
        Event.STANDING_LIFTED,
        by=by,
        of=f"account:{standing.account_id}",
        also=[standing],
        now=now,
        decision=str(decision_id),
        outcome=standing.outcome,
    )
    _rescore(standing, now=now)
    return True


def take_signals(*, now: datetime, limit: int = 500) -> list[Signal]:
    """Hand out, once, the signals that must open a case; call it inside the transaction that opens the cases."""
    taken = list(
        Signal.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("account")
        .filter(opens=True, taken_at__isnull=True)
        .order_by("id")[:limit]
    )
    if taken:
        Signal.objects.filter(pk__in=[signal.pk for signal in taken]).update(taken_at=now)
    return taken


@transaction.atomic
def ship(*, by: Subject, now: datetime) -> int:
    """Load the shipped kinds of signal; those already there are brought up to date. Says how many changed."""
    there = {row.name: row for row in SignalKind.objects.all()}
    changed = 0
    for name, columns in catalogue.shipped_kinds().items():
        row = there.get(name) or SignalKind(name=name)
        if row.name in there and all(getattr(row, key) == value for key, value in columns.items()):
            continue
        for key, value in columns.items():
            setattr(row, key, value)
        row.save()
        changed += 1
    if changed:
        audit.record(Event.KINDS_PUBLISHED, by=by, of="kinds:shipped", now=now, changed=changed)
    return changed


# --- Storing -----------------------------------------------------------------------------------------------------


def _validated(
    raw: Sequence[Any],
    *,
    now: datetime,
    kinds: Mapping[str, catalogue.Kind],
    sizes: Sequence[int] | None,
    receipt: Receipt,
) -> list[CleanSignal]:
    known = catalogue.attributes()
    types = {**known.types, **known.pushed}
    clean = []
    for index, item in enumerate(raw):
        try:
            if isinstance(item, BadSignal):
                raise item
            clean.append(
                validate_signal(item, now=now, kinds=kinds, attributes=types, size=sizes[index] if sizes else None)
            )
        except BadSignal as bad:
            receipt.rejected.append(Rejected(index, bad.path, bad.reason))
    receipt.rejected.sort(key=lambda one: one.index)
    return clean


def _store(
    unique: Sequence[CleanSignal],
    *,
    repeated: int,
    kinds: Mapping[str, catalogue.Kind],
    by: Subject,
    now: datetime,
    door: str,
    receipt: Receipt,
) -> None:
    there = writing.known_signals([(signal.source, signal.external_id) for signal in unique]) if unique else set()
    fresh = [signal for signal in unique if (signal.source, signal.external_id) not in there]
    accepted, duplicates = len(fresh), len(unique) - len(fresh) + repeated
    # keyed: the ids of a source may be names of accounts, and this stands in the log for ever
    digest = stamp("batch", "\n".join(f"{one.source}\x00{one.external_id}" for one in fresh).encode())
    batch = Batch.objects.create(
        door=door, accepted=accepted, duplicates=duplicates, rejected=len(receipt.rejected), digest=digest
    )
    if fresh:
        receipt.account_ids = _write(fresh, batch=batch, kinds=kinds, now=now)
        writing.ring()
    audit.record(
        Event.SIGNALS_ACCEPTED,
        by=by,
        of=batch,
        now=now,
        door=door,
        accepted=accepted,
        duplicates=duplicates,
        rejected=len(receipt.rejected),
        digest=digest.hex(),
    )
    receipt.accepted, receipt.duplicates = accepted, duplicates


def _write(
    fresh: Sequence[CleanSignal], *, batch: Batch, kinds: Mapping[str, catalogue.Kind], now: datetime
) -> set[UUID]:
    accounts = writing.known_accounts(list({(signal.platform, signal.account) for signal in fresh}))
    rows = receiving.rows_of(fresh, accounts, kinds)
    receiving.seal(rows)
    stored = writing.put_accounts(list(receiving.account_rows(rows, now=now)))
    if any(stored[key] != told.pk for key, told in rows.accounts.items()):
        raise Raced
    for row in rows.signals:
        row["attributes"] = receiving.as_told(row["attributes"])
    if writing.put_signals(batch.pk, rows.signals) != len(rows.signals):
        raise Raced
    ids = {told.pk for told in rows.accounts.values()}
    newcomers = writing.put_links(list(rows.links.values()))
    writing.mark_neighbours([value for value in newcomers if value[0] in NEIGHBOUR_KINDS], but=ids, now=now)
    named = {
        (s.platform, s.data["referrer"]) for s in fresh if s.kind == "claim" and isinstance(s.data.get("referrer"), str)
    }
    writing.mark_referrers(sorted(named), since=now - timedelta(days=REFERRAL_DAYS), but=ids, now=now)
    return ids


def _rescore(standing: Standing, *, now: datetime) -> None:
    """The account itself, and who shares a value with it, have other features than before."""
    Account.objects.filter(pk=standing.account_id).filter(Q(stale_at__isnull=True) | Q(stale_at__gt=now)).update(
        stale_at=now
    )
    if standing.outcome in REMOVED:
        links = Link.objects.filter(account_id=standing.account_id, cut_at__isnull=True, kind__in=NEIGHBOUR_KINDS)
        values = [(kind, bytes(digest)) for kind, digest in links.values_list("kind", "digest")]
        writing.mark_neighbours(values, but=[standing.account_id], now=now)


def _may_work_again(error: Exception) -> bool:
    """Raced by another door, or by the erasure of an account, which is then somebody new; or ended in a deadlock."""
    if isinstance(error, OperationalError):
        return getattr(error.__cause__, "pgcode", None) in {"40P01", "40001"} and not connection.in_atomic_block
    if isinstance(error, IntegrityError):
        return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) == "risk_account_pkey"
    return True
