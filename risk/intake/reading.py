"""What do we know of an account? Attributes fit to be shown, accounts linked to it, strikes in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from .models import Account, Standing

LINKED_SHOWN = 50

LINKED = """
WITH mine AS (SELECT kind, digest FROM risk_link WHERE account_id = %s AND cut_at IS NULL AND kind = ANY (%s)),
peers AS (
  SELECT n.account_id, m.kind, n.last_at, n.first_at FROM mine m CROSS JOIN LATERAL (
    SELECT l.account_id, l.last_at, l.first_at FROM risk_link l
    WHERE l.kind = m.kind AND l.digest = m.digest AND l.cut_at IS NULL AND l.account_id <> %s
    ORDER BY l.last_at DESC LIMIT %s) n)
SELECT p.account_id, a.platform, a.external_id, a.handle_shown, array_agg(DISTINCT p.kind ORDER BY p.kind),
  min(p.first_at), max(p.last_at),
  (SELECT st.outcome FROM risk_standing st WHERE st.account_id = p.account_id AND st.lifted_at IS NULL
    AND st.risk_type <> 'underage'
     AND (st.until IS NULL OR st.until > %s) ORDER BY st.at DESC LIMIT 1)
FROM peers p JOIN risk_account a ON a.id = p.account_id
GROUP BY p.account_id, a.platform, a.external_id, a.handle_shown ORDER BY max(p.last_at) DESC, p.account_id LIMIT %s"""


def linked_accounts(
    account: Account,
    *,
    now: datetime,
    kinds: Iterable[str] = ("device", "payment", "payout"),
    limit: int = LINKED_SHOWN,
) -> list[dict[str, Any]]:
    """Accounts that share a value with this one, the most recent first.

    One query. `standing` is what is in force on them.
    """
    with connection.cursor() as cursor:
        cursor.execute(LINKED, [account.pk, list(kinds), account.pk, limit, now, limit])
        names = ("account", "platform", "id", "handle", "kinds", "first_at", "last_at", "standing")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def strikes(account_id: UUID, *, now: datetime) -> int:
    """The weight of the strikes in force."""
    rows = Standing.objects.filter(account_id=account_id, lifted_at__isnull=True, strikes_until__gt=now)
    return rows.aggregate(weight=Sum("strikes"))["weight"] or 0
