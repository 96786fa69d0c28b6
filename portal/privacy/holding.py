"""What must be kept, whoever wants it gone? Legal holds: asked by one person, agreed by another, released by two.

A hold comes into force under an exclusive advisory lock, and whatever deletes takes it shared before it looks for
holds. So a hold either stands before the look, or begins after what was deleted is committed and says that it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.people.permissions import Permission
from portal.refusal import Refused

from . import actions as vault
from .models import Hold, VaultKey, VaultValue

HOLDS = 0x486F_6C64  # the advisory lock
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
MOST_WORDS = 2000
Status = Hold.Status

CaseFinder = Callable[[int], UUID | None]  # the number of a case → its account
_case_finders: list[CaseFinder] = []


def finds_cases(finder: CaseFinder) -> None:
    """Say who knows the account of a case; called once when the app is ready."""
    _case_finders[:] = [finder]


def account_of_case(number: int) -> UUID | None:
    """The account of a case, or None."""
    return next((found for finder in _case_finders if (found := finder(number))), None)


def keep_out_new_holds() -> None:
    """Let no hold come into force until this transaction ends; to be called before looking for holds."""
    _insist_on_a_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [HOLDS])


def objections(account: UUID) -> list[str]:
    """Why this account may not be erased: the holds in force on it."""
    references = (
        Hold.objects.in_force().filter(account=account).order_by("asked_at").values_list("reference", flat=True)
    )
    return [f"The legal hold {reference} is on this account: it must be released first." for reference in references]


@transaction.atomic
def ask(
    account: UUID, *, of: User, reference: str, reason: str, confidential: bool, by: User, now: datetime,
    case: int | None = None,
) -> Hold:  # fmt: skip
    """Ask a lead to agree to a hold on an account. It keeps nothing until they do.

    Raises `Refused` (422) for a reference or reason that is none, (409) for one in use, or for who may not agree.
    """
    if not REFERENCE.fullmatch(reference):
        raise Refused("Give the reference, such as LR-031: letters, digits and . _ / - , at most 64.", status=422)
    if not reason.strip() or len(reason) > MOST_WORDS:
        raise Refused(f"Say in at most {MOST_WORDS:,} characters why it must be kept.", status=422)
    if Hold.objects.filter(reference=reference).exists():
        raise Refused(f"The reference {reference} is used by another hold.")
    _insist_on_a_second(of, by=by)
    kept = vault.keep(account, "hold.reason", reason.strip(), data_class=VaultValue.DataClass.STAFF)
    hold = Hold.objects.create(
        reference=reference, account=account, case=case, confidential=confidential, reason=kept.pk, asked_by=by,
        asked_at=now, asked_of=of,
    )  # fmt: skip
    about = [f"case:{case}"] if case else []
    _record(Event.HOLD_ASKED, hold, *about, of, by=by, now=now, commitment=bytes(kept.commitment).hex())
    return hold


@transaction.atomic
def agree(hold: Hold, *, by: User, now: datetime) -> None:
    """Bring a hold into force. Raises `Refused` for who was not asked, and where there is nothing left to keep."""
    _insist_it_was_them(hold, by=by)
    with connection.cursor() as cursor:  # waits for what is being deleted now
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [HOLDS])
    if VaultKey.objects.filter(subject=hold.account, wrapped__isnull=True).exists():
        raise Refused("This account was erased in the meantime: there is nothing left to keep.", state="erased")
    review_at = now + timedelta(days=settings.HOLD_REVIEW_DAYS)
    _move(hold, Status.ACTIVE, frm=Status.ASKED, agreed_by=by, agreed_at=now, review_at=review_at)
    _record(Event.HOLD_AGREED, hold, by=by, now=now, review_at=review_at.isoformat())


@transaction.atomic
def decline(hold: Hold, *, by: User, now: datetime) -> None:
    """Say no to a hold that was asked for; who asked may take it back so too."""
    if by.pk != hold.asked_by_id:
        _insist_it_was_them(hold, by=by)
    _move(hold, Status.DECLINED, frm=Status.ASKED, ended_at=now)
    _record(Event.HOLD_DECLINED, hold, by=by, now=now)


@transaction.atomic
def review(hold: Hold, *, by: User, now: datetime) -> None:
    """Say that a hold is still needed; somebody looks again after as many days."""
    review_at = now + timedelta(days=settings.HOLD_REVIEW_DAYS)
    _move(hold, Status.ACTIVE, frm=Status.ACTIVE, review_at=review_at)
    _record(Event.HOLD_REVIEWED, hold, by=by, now=now, review_at=review_at.isoformat())


@transaction.atomic
def ask_release(hold: Hold, *, of: User, by: User, now: datetime) -> None:
    """Ask a lead to agree to a release; until then the hold keeps."""
    _insist_on_a_second(of, by=by)
    _move(hold, Status.ENDING, frm=Status.ACTIVE, release_asked_by=by, asked_of=of)
    _record(Event.HOLD_RELEASE_ASKED, hold, of, by=by, now=now)


@transaction.atomic
def release(hold: Hold, *, by: User, now: datetime) -> None:
    """Agree to a release: what was kept is ordinary again."""
    _insist_it_was_them(hold, by=by)
    if by.pk == hold.release_asked_by_id:
        raise Refused("You asked for this release; a second person must agree.", state=hold.status)
    _move(hold, Status.RELEASED, frm=Status.ENDING, released_by=by, ended_at=now)
    _record(Event.HOLD_RELEASED, hold, by=by, now=now)


@transaction.atomic
def keep_on(hold: Hold, *, by: User, now: datetime) -> None:
    """Say no to a release; who asked for it may take that back so too."""
    if by.pk != hold.release_asked_by_id:
        _insist_it_was_them(hold, by=by)
    _move(hold, Status.ACTIVE, frm=Status.ENDING, release_asked_by=None)
    _record(Event.HOLD_KEPT, hold, by=by, now=now)


def _move(hold: Hold, to: str, *, frm: str, **fields: Any) -> None:
    if not Hold.objects.filter(status=frm).move(hold, to, **fields):
        hold.refresh_from_db()
        raise Refused(f"Somebody was first: this hold is {hold.get_status_display().lower()} now.", state=hold.status)
    hold.refresh_from_db()


def _record(event: Event, hold: Hold, *also: Any, by: User, now: datetime, **facts: Any) -> None:
    """Of the hold and its account; the lane of a confidential one hides it from who may not know."""
    about = [f"account:{hold.account}", *also]
    audit.record(event, by=by, of=hold, also=about, now=now, reference=hold.reference, **facts)


def _insist_on_a_second(of: User, *, by: User) -> None:
    if of.pk == by.pk:
        raise Refused("A second person must agree; name somebody else.", status=422)
    if not of.may(Permission.HOLD_AGREE):
        raise Refused(f"{of} may not agree to a hold; name a team lead.", status=422)


def _insist_it_was_them(hold: Hold, *, by: User) -> None:
    if by.pk != hold.asked_of_id:
        raise Refused("Another person was asked to agree to this.", state=hold.status)


def _insist_on_a_transaction() -> None:
    if not connection.in_atomic_block:
        raise RuntimeError("whatever deletes keeps out new holds inside its own transaction")
