"""What becomes of a delivery? Validated signals, parted from what is personal, as rows for the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from portal.privacy import actions as vault
from portal.privacy.lookup import digest, network_of
from portal.privacy.masking import masked

from . import catalogue
from .crawlers import is_known_crawler
from .personal import Parted, Secret, part_attributes, part_data
from .schema import CleanSignal

Key = tuple[str, str]


@dataclass(slots=True)
class Told:
    """What one delivery says about one account."""

    pk: UUID
    erased: bool
    first: datetime
    last: datetime
    attributes: list[tuple[datetime, dict[str, Any], Mapping[str, Any]]] = field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """The rows of a delivery, ready to be written, and the values still on their way to the vault."""

    accounts: dict[Key, Told] = field(default_factory=dict)
    signals: list[dict[str, Any]] = field(default_factory=list)
    links: dict[tuple[UUID, str, bytes], dict[str, Any]] = field(default_factory=dict)
    secrets: list[tuple[UUID, Secret]] = field(default_factory=list)


def rows_of(
    signals: Sequence[CleanSignal], accounts: Mapping[Key, tuple[UUID, bool]], kinds: Mapping[str, catalogue.Kind]
) -> Rows:
    """Part each signal into rows; personal values are listed, not yet sealed."""
    rows = Rows()
    for signal in signals:
        key = (signal.platform, signal.account)
        told = rows.accounts.get(key)
        if told is None:
            pk, erased = accounts.get(key) or (uuid7(), False)
            told = rows.accounts[key] = Told(pk, erased, signal.occurred_at, signal.occurred_at)
        told.first, told.last = min(told.first, signal.occurred_at), max(told.last, signal.occurred_at)
        _add_signal(rows, signal, told, kinds[signal.kind])
        _add_links(rows, signal, told)
    return rows


def seal(rows: Rows) -> None:
    """Send what is personal to the vault, all at once; the references stand where the values were."""
    values = [(subject, secret.name, secret.value, secret.data_class) for subject, secret in rows.secrets]
    for (_, secret), kept in zip(rows.secrets, vault.keep_many(values), strict=True):
        secret.place[secret.key] = {
            "vault": str(kept.pk),
            "commitment": bytes(kept.commitment).hex(),
            "length": len(secret.value),
            **secret.more,
        }


def account_rows(rows: Rows, *, now: datetime) -> Iterable[dict[str, Any]]:
    """The accounts of a delivery as columns, the newest value of each attribute on top."""
    for (platform, name), told in rows.accounts.items():
        merged: dict[str, Any] = {}
        clear: dict[str, Any] = {}
        for _, plain, said in sorted(told.attributes, key=lambda one: one[0]):
            merged |= plain
            clear |= said
        handle = clear.get("handle")
        country, lang = clear.get("country") or "", clear.get("lang") or ""
        yield {
            "id": told.pk,
            "platform": platform,
            "external_id": name,
            "handle_shown": masked("handle", handle).replace("\x00", "") if handle else "",
            "handle_lookup": digest("handle", handle).hex() if handle else None,
            "attributes": merged,
            "country": country if len(country) <= 16 else "",
            "lang": lang if len(lang) <= 8 else "",
            "first_seen_at": told.first,
            "last_seen_at": told.last,
            "attributes_at": max((at for at, _, _ in told.attributes), default=None),
            "stale_at": now,
        }


def _add_signal(rows: Rows, signal: CleanSignal, told: Told, kind: catalogue.Kind) -> None:
    known = catalogue.attributes()
    attributes = Parted()
    if signal.attributes and not told.erased:
        attributes = part_attributes(
            signal.attributes, at=signal.occurred_at, known=known.types, pushed=known.pushed, identity=known.identity
        )
        told.attributes.append((signal.occurred_at, attributes.plain, signal.attributes))
    data = part_data(signal.kind, signal.data, kind.fields, digest=digest, crawler=is_known_crawler)
    row = {
        "source": signal.source,
        "external_id": signal.external_id,
        "kind": signal.kind,
        "lane": signal.lane,
        "occurred_at": signal.occurred_at,
        "account_id": told.pk,
        "data": data.plain,
        "attributes": attributes.plain,
        "scores": signal.scores,
        "opens": signal.opens,
    }
    rows.signals.append(row)
    for secret in [*attributes.secrets, *data.secrets]:
        if told.erased:  # nothing personal is kept about somebody who was erased
            secret.place[secret.key] = {"length": len(secret.value), "erased": True, **secret.more}
        else:
            rows.secrets.append((told.pk, secret))


def as_told(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An account's attributes as they stand on the signal that carried them.

    Without times, and nothing of the minors lane.
    """
    minor = catalogue.attributes().minor
    return {
        key: value["value"] if isinstance(value, dict) and "at" in value else value
        for key, value in attributes.items()
        if key not in minor and key != "birth_date"
    }


def _add_links(rows: Rows, signal: CleanSignal, told: Told) -> None:
    values = [(kind, digest(kind, value)) for kind, value in signal.links]
    values += [("ip24", digest("ip24", network_of(value))) for kind, value in signal.links if kind == "ip"]
    for kind, value in values:
        row = rows.links.get((told.pk, kind, value))
        if row is None:
            at = signal.occurred_at
            rows.links[told.pk, kind, value] = {
                "account_id": told.pk,
                "kind": kind,
                "digest": value.hex(),
                "first_at": at,
                "last_at": at,
                "times": 1,
            }
        else:
            row["first_at"], row["last_at"] = (
                min(row["first_at"], signal.occurred_at),
                max(row["last_at"], signal.occurred_at),
            )
            row["times"] += 1
