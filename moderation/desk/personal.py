"""Which personal values do we hold of an account, and may this person be shown them? Names and masks, never a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from moderation.cases.models import Case
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy.masking import DOTS
from portal.privacy.models import VaultValue
from portal.privacy.purposes import REASONS
from portal.wording import number
from risk.intake.models import Account

MINORS_ONLY = frozenset({"account.birth_date"})
WORDS = {
    "account.handle": "Handle",
    "account.display_name": "Display name",
    "account.email": "E-mail",
    "account.phone": "Phone",
    "account.birth_date": "Birth date",
    "account.bio": "Bio",
}
MOST = 30


def word_of(name: str) -> str:
    """What a value of the vault is called on a page: account.email → E-mail."""
    return WORDS.get(name, name.partition(".")[2].replace("_", " ").capitalize() or name)


def panel(account: Account, *, by: User, case: Case | None = None) -> dict[str, Any] | None:
    """What the persona column shows of personal data: masked rows, and why not or for which cases they may be shown.

    None where there is nothing to show, or nobody of these roles ever is shown any. At most two queries.
    """
    if not (by.may(Permission.PERSONAL_OWN) or by.may(Permission.PERSONAL_REVEAL)):
        return None
    rows = values_of(account, lanes=by.lanes)
    if not rows:
        return None
    cases = [case] if case else list(cases_about(account, by=by)[:20])
    why_not = next((why_not_reveal(account, one, by=by) for one in cases), why_not_reveal(account, None, by=by))
    return {
        "rows": rows,
        "cases": [{"pk": one.pk, "number": number(one.pk)} for one in cases],
        "reasons": [(code, reason.words) for code, reason in REASONS.items()],
        "why_not": why_not or "",
        "seconds": settings.REVEAL_SECONDS,
        "account": account.pk,
    }


def values_of(account: Account, *, lanes: Sequence[str]) -> list[dict[str, Any]]:
    """The newest value of each kind that the account's facts refer to, as name and mask; nothing is opened."""
    told = [value["vault"] for value in account.attributes.values() if isinstance(value, dict) and value.get("vault")]
    if not told:
        return []
    found = VaultValue.objects.filter(pk__in=told[:MOST], subject=account.pk, subject__wrapped__isnull=False)
    rows = [
        {"id": pk, "name": name, "word": word_of(name), "masked": _masked(account, name)}
        for pk, name in found.values_list("pk", "name")
        if "minors" in lanes or name not in MINORS_ONLY
    ]
    order = {name: place for place, name in enumerate(WORDS)}
    return sorted(rows, key=lambda row: (order.get(row["name"], len(order)), row["word"]))


def cases_about(account: Account, *, by: User) -> Any:
    """The cases on which this person may be shown something of the account, newest first."""
    found = Case.objects.filter(account=account, lane__in=by.lanes).exclude(status=Case.Status.HANDED_OFF)
    if not by.may(Permission.PERSONAL_REVEAL):
        found = found.filter(status=Case.Status.CLAIMED, claimed_by=by)
    elif by.may(Permission.CASE_READ):
        found = found & Case.objects.visible_to(by)
    return found.order_by("-opened_at")


def why_not_reveal(account: Account, case: Case | None, *, by: User) -> str | None:
    """Why this person is not shown personal data of this account on this case."""
    wide = by.may(Permission.PERSONAL_REVEAL)
    if not wide and not by.may(Permission.PERSONAL_OWN):
        return "Your roles are not shown personal data."
    if case is None:
        # somebody may ask about their own data, or an authority, where there never was a case
        if wide and by.may(Permission.REVEAL_REVIEW):
            return None
        return (
            "Personal data is shown on a case about this account; there is none that you may see."
            if wide
            else "Personal data is shown to who holds a case about this account. Claim it first."
        )
    if case.account_id != account.pk or case.lane not in by.lanes:
        return "This case is not about this account."
    if case.status == Case.Status.HANDED_OFF:
        return "This case is handed off and sealed."
    if not wide and not (case.status == Case.Status.CLAIMED and case.claimed_by_id == by.pk):
        return "Personal data is shown to who holds the case. Claim it first."
    return None


def _masked(account: Account, name: str) -> str:
    return (account.handle_shown or DOTS) if name == "account.handle" else DOTS
