"""What does intake know of an account that must go with it? Its names, what was told, links, and its name elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db.models import CharField, F, Q, Value
from django.db.models.functions import Cast, Coalesce, Concat

from portal.privacy import erasure
from portal.privacy.erasure import Subject
from portal.privacy.lookup import digest
from portal.refusal import Refused

from . import stream
from .models import Account, Link, Signal, SignalKind
from .personal import PEOPLE


def register() -> None:
    """Tell privacy who knows accounts, and what goes here."""
    erasure.finds_accounts(find, names_of)
    erasure.register(erasure.Part("intake", count, erase))


def find(platform: str, external_id: str, lock: bool) -> Subject | None:
    """The account of this name, its row held if asked."""
    rows = Account.objects.select_for_update() if lock else Account.objects.all()
    row = rows.filter(platform=platform, external_id=external_id, erased_at__isnull=True).first()
    return Subject(row.pk, row.platform, row.external_id, row.erased_at) if row else None


def names_of(accounts: Iterable[UUID]) -> Mapping[UUID, str]:
    """`platform:id` of each."""
    rows = Account.objects.filter(pk__in=list(accounts)).values_list("pk", "platform", "external_id")
    return {pk: f"{platform}:{name}" for pk, platform, name in rows}


def count(subject: Subject) -> Mapping[str, int]:
    """How much there is."""
    return {
        "signals emptied": Signal.objects.filter(account=subject.id).count(),
        "links": Link.objects.filter(account=subject.id).count(),
        "mentions in signals about others": len(_mentions(subject)),
    }


def erase(subject: Subject, now: datetime) -> list[str]:
    """Empty its signals, cut its name out of others', and leave a row that nobody can find by a name."""
    mentions = _mentions(subject)
    for row in mentions:
        Signal.objects.filter(pk=row.pk).update(data=_without(row.data, subject))
    Link.objects.filter(account=subject.id).delete()
    Signal.objects.filter(account=subject.id).update(
        external_id=Concat(Value("erased:"), Cast("id", CharField())),
        data={}, attributes={}, scores=[], opens=False, taken_at=Coalesce("taken_at", Value(now)),
    )  # fmt: skip
    Account.objects.filter(pk=subject.id).update(
        external_id=f"erased:{subject.id}", handle_shown="", handle_lookup=None, attributes={}, country="", lang="",
        last_seen_at=F("first_seen_at"), attributes_at=None, stale_at=None, snoozed_until=None, erased_at=now,
    )  # fmt: skip
    _forget_refused(subject)
    return [row.audit_name for row in mentions]


def _mentions(subject: Subject) -> list[Signal]:
    """Signals about others that name this account: by its id, or as a person by its keyed hash."""
    accounts, people = _fields()
    named = Q(pk__in=[])
    for field in accounts:
        named |= Q(**{f"data__{field}": subject.external_id})
    for field in people:
        named |= Q(**{f"data__{field}__person": _person(subject)})
    others = Signal.objects.filter(named, account__platform=subject.platform).exclude(account=subject.id)
    return list(others.only("id", "data"))


def _without(data: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    person = {"person": _person(subject)}
    gone: Any = {"erased": True}
    return {name: gone if value in (subject.external_id, person) else value for name, value in data.items()}


def _person(subject: Subject) -> str:
    return digest("person", subject.external_id).hex()


def _fields() -> tuple[set[str], set[str]]:
    """The fields of signals that hold the id of another account, and those that hold somebody as a keyed hash."""
    typed = [
        (name, what["type"] if isinstance(what, dict) else what)
        for fields in SignalKind.objects.values_list("fields", flat=True)
        for name, what in fields.items()
    ]
    return {name for name, what in typed if what == "account"}, {
        *PEOPLE, *(name for name, what in typed if what == "person")
    }  # fmt: skip


def _forget_refused(subject: Subject) -> None:
    """Entries of the stream that were refused stand there as they came."""
    if not settings.INTAKE_URL:
        return
    try:
        stream.forget(stream.Address.of(settings.INTAKE_URL), [subject.external_id])
    except (redis.RedisError, OSError):
        raise Refused(
            "The refused entries of the stream cannot be searched now, so nothing was erased; "
            "try again when Redis answers.",
            status=503,
        ) from None
