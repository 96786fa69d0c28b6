"""What changes when somebody looks? One line in the log per person, thing and five minutes: no look is silent."""

from __future__ import annotations

import logging
from datetime import datetime

from django.core.cache import cache
from django.db import transaction

from moderation.cases.models import Case
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.privacy import revealing
from portal.privacy.models import Reveal, VaultValue
from risk.intake.models import Account

from . import personal

ONCE_IN_SECONDS = 300


@transaction.atomic
def view_case(case: Case, *, by: User, now: datetime) -> None:
    """Write down that this person saw the case with its evidence."""
    if _anew(by, case.audit_name):
        audit.record(
            Event.CASE_VIEWED, by=by, of=case, also=[f"account:{case.account_id}"], now=now, status=case.status
        )


@transaction.atomic
def view_account(account: Account, *, by: User, now: datetime) -> None:
    """Write down that this person saw the account's page."""
    if _anew(by, account.audit_name):
        audit.record(Event.ACCOUNT_VIEWED, by=by, of=account, now=now)


def reveal(
    value: VaultValue, *, account: Account, case: Case | None, by: User, now: datetime, purpose: str, note: str = ""
) -> Reveal:
    """Write down that this person is about to be shown a value of an account on a case; see `revealing.reveal`."""
    why_not = personal.why_not_reveal(account, case, by=by)
    if value.subject_id != account.pk:
        why_not = "This value is not of this account."
    return revealing.reveal(
        value, by=by, now=now, purpose=purpose, note=note, case=case.pk if case else None, why_not=why_not
    )


def _anew(by: User, name: str) -> bool:
    """Whether this look is the first within five minutes; without the cache every look is written."""
    try:
        return bool(cache.add(f"looked:{by.pk}:{name}", 1, ONCE_IN_SECONDS))
    except OSError:
        logging.getLogger(__name__).warning("The cache does not answer; each look is logged.")
        return True
