"""Which account is meant? An exact id, an exact handle by keyed hash, the number of a case; never part of a name."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import connection

from moderation.cases.models import Case
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy.lookup import digest
from risk.intake.models import Account

LONGEST = 200
MOST = 20


@dataclass
class Found:
    """What fits: at most one case, and some accounts."""

    case: int | None = None
    accounts: list[Account] = field(default_factory=list)


def find(text: str, *, by: User) -> Found:
    """Exact matches only: two short index look-ups, whatever the number of accounts."""
    wanted = text.strip()[:LONGEST]
    found = Found()
    if not wanted:
        return found
    plain = wanted.removeprefix("#").replace("\u202f", "").replace(" ", "")
    if plain.isdecimal() and len(plain) < 18 and by.may(Permission.CASE_READ):
        found.case = Case.objects.visible_to(by).filter(pk=int(plain)).values_list("pk", flat=True).first()
    if by.may(Permission.ACCOUNT_READ):
        by_id = Account.objects.filter(platform__in=platforms(), external_id=wanted[:128])[:MOST]
        by_handle = Account.objects.filter(handle_lookup=digest("handle", wanted))[:MOST]
        found.accounts = list({account.pk: account for account in [*by_id, *by_handle]}.values())
    return found


# The few distinct platforms by hops along the index, so that an id alone is found by (platform, id).
_PLATFORMS = """
WITH RECURSIVE hop(platform) AS (
  SELECT min(platform) FROM risk_account
  UNION ALL
  SELECT (SELECT min(platform) FROM risk_account WHERE platform > hop.platform) FROM hop WHERE hop.platform IS NOT NULL
) SELECT platform FROM hop WHERE platform IS NOT NULL LIMIT 100
"""


def platforms() -> list[str]:
    """The platforms that accounts are on, by name."""
    with connection.cursor() as cursor:
        cursor.execute(_PLATFORMS)
        return [row[0] for row in cursor.fetchall()]
