"""What goes when an account is erased? The key of its values, and in one transaction what each room registered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg2.errorcodes import DEADLOCK_DETECTED

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused

from . import holding
from .models import VaultKey, VaultValue

TRIES = 5
TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}")
# Why, as a code that may stand in the log: GDPR Art. 17(1), by its letters.
LEGAL_BASES = {
    "no_longer_needed": "No longer needed for what it was collected for (Art. 17(1)(a))",
    "consent_withdrawn": "Consent was withdrawn (Art. 17(1)(b))",
    "objection": "The person objected (Art. 17(1)(c))",
    "unlawful": "It was processed unlawfully (Art. 17(1)(d))",
    "legal_duty": "A law demands it (Art. 17(1)(e))",
    "child": "It was collected from a child (Art. 17(1)(f))",
}


@dataclass(frozen=True)
class Subject:
    """The account to be erased, as the room that keeps accounts knows it."""

    id: UUID
    platform: str
    external_id: str
    erased_at: datetime | None = None

    @property
    def audit_name(self) -> str:
        return f"account:{self.id}"

    def __str__(self) -> str:
        return f"{self.platform}:{self.external_id}"


@dataclass(frozen=True)
class Part:
    """One room's part of an erasure.

    `count` says how much of what it would take away ("signals": 12), `erase` takes it away and gives the names in the
    log of records it emptied (`case:12`), `objections` are the sentences why it must wait.
    """

    room: str
    count: Callable[[Subject], Mapping[str, int]]
    erase: Callable[[Subject, datetime], Iterable[str]]
    objections: Callable[[Subject], Iterable[str]] = field(default=lambda _: ())


# ids → the name of each account as people know it, platform:id
Namer = Callable[[Iterable[UUID]], Mapping[UUID, str]]
# platform, id, whether to hold its row until the transaction ends → the account, or None
Finder = Callable[[str, str, bool], Subject | None]
_parts: dict[str, Part] = {}
_finders: list[tuple[Finder, Namer]] = []


def register(part: Part) -> None:
    """Add a room's part; called once when the app is ready."""
    _parts[part.room] = part


def finds_accounts(finder: Finder, namer: Namer) -> None:
    """Say who knows accounts by platform and id, and what they are called; called once when the app is ready."""
    _finders[:] = [(finder, namer)]


def parts() -> list[Part]:
    """The parts from the top floor down: who stands above reads what lies below before that goes."""
    return list(_parts.values())[::-1]


def find(platform: str, external_id: str, *, lock: bool = False) -> Subject | None:
    """The account of this name; an erased one has no name any more and is not found."""
    if "\x00" in platform + external_id:
        return None
    return next((found for finder, _ in _finders if (found := finder(platform, external_id, lock))), None)


def names_of(accounts: Iterable[UUID]) -> dict[UUID, str]:
    """`platform:id` of each of these accounts."""
    wanted = set(accounts)
    return {pk: name for _, namer in _finders for pk, name in namer(wanted).items()}


def named(text: str) -> Subject | None:
    """The account that somebody wrote as `platform:id`."""
    platform, _, external_id = text.strip().partition(":")
    return find(platform, external_id) if platform and external_id else None


@dataclass(frozen=True)
class Preview:
    """What would go, by kind, and what stands against it."""

    subject: Subject
    goes: Mapping[str, int]
    against: list[str]


def preview(subject: Subject) -> Preview:
    """What an erasure would take away now; changes nothing."""
    goes: Counter[str] = Counter({"values in the vault": VaultValue.objects.filter(subject=subject.id).count()})
    for part in parts():
        goes.update(part.count(subject))
    return Preview(subject, {name: n for name, n in goes.items() if n}, _against(subject))


def erase(
    platform: str,
    external_id: str,
    *,
    legal_basis: str,
    ticket: str,
    by: User,
    now: datetime,
    one_of_many: bool = False,
) -> Preview:
    """Erase an account: its key, values and salts, and what each room registered. Returns what went.

    Whoever erases one of many calls `forget_samples` after the last.
    Raises `Refused` (404) for an account that is not known, (422) for a basis or ticket that is none, and with the
    reasons while a legal hold is on it or something about it is still open.
    """
    if legal_basis not in LEGAL_BASES:
        raise Refused(f"Say on which legal basis: one of {', '.join(LEGAL_BASES)}.", status=422)
    if not TICKET.fullmatch(ticket):
        raise Refused(
            "Give the number of the request: letters, digits and . _ / # - , at most 64, and nothing personal.",
            status=422,
        )
    for left in reversed(range(TRIES)):
        try:
            seen = _erase(platform, external_id, legal_basis=legal_basis, ticket=ticket, by=by, now=now)
            if not one_of_many:
                transaction.on_commit(forget_samples)
            return seen
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", None) != DEADLOCK_DETECTED or not left or connection.in_atomic_block:
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def _erase(platform: str, external_id: str, *, legal_basis: str, ticket: str, by: User, now: datetime) -> Preview:
    """Holds first, then the key, then the account's row: intake takes them in the same order."""
    holding.keep_out_new_holds()
    subject = find(platform, external_id)
    if subject is None:
        raise Refused("There is no account of that name here, or it was erased before.", status=404)
    _lock_key(subject.id, now=now)
    if find(platform, external_id, lock=True) != subject:
        raise Refused("Somebody else erased this account first.", state="erased")
    seen = preview(subject)
    if seen.against:
        raise Refused(" ".join(seen.against), state="kept")
    emptied = [name for part in parts() for name in part.erase(subject, now)]
    VaultValue.objects.filter(subject=subject.id).delete()
    VaultKey.objects.filter(subject=subject.id).update(wrapped=None, destroyed_at=now)
    # one event for each record, so that each is seen by who may know of that record, and by nobody else
    audit.record_many([(Event.RECORD_EMPTIED, name, [subject], {}) for name in emptied], by=by, now=now)
    audit.record(
        Event.ACCOUNT_ERASED,
        by=by,
        of=subject,
        now=now,
        legal_basis=legal_basis,
        ticket=ticket,
        went={name.replace(" ", "_"): n for name, n in seen.goes.items()},
    )
    return seen


def forget_samples() -> None:
    """Take new samples: for its planner PostgreSQL keeps some hundred values of each column, names among them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_forget_samples()")


def _lock_key(subject: UUID, *, now: datetime) -> None:
    """Hold the account's key against everybody who would seal under it; an account without one gets a dead one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_vaultkey (subject, wrapped, destroyed_at) VALUES (%s, NULL, %s) ON CONFLICT DO NOTHING",
            [subject, now],
        )
        cursor.execute("SELECT 1 FROM portal_vaultkey WHERE subject = %s FOR UPDATE", [subject])


def _against(subject: Subject) -> list[str]:
    return [*holding.objections(subject.id), *(said for part in parts() for said in part.objections(subject))]
