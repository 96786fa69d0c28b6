"""How does a test come by a group decision? It walks the real actions."""

from __future__ import annotations

import itertools
from typing import Any

from moderation.bulk import actions
from moderation.bulk.reading import preview
from tests.make import NOON, later, make_row_account, ship_settings

_keys = itertools.count(1)
SUSPEND: dict[str, Any] = {"outcome": "suspend", "reason_code": "bulk_messages", "until": later(days=7)}
RUN = later(minutes=5)


def make_accounts(count: int) -> list[Any]:
    return [make_row_account() for _ in range(count)]


def propose(accounts: Any, *, by: Any, typed: int | None = None, **more: Any) -> Any:
    """Suspend these for a week, with the number that the preview says typed in."""
    ship_settings()
    ids = [account.pk for account in accounts]
    count = len(preview(ids, risk_type="spam", now=NOON).accounts) if typed is None else typed
    told = {"note": "post the same text in turn", "request_key": f"group-{next(_keys)}", "risk_type": "spam"}
    told |= {"although": "their texts are new, so that scores lag behind"}
    return actions.propose(ids, by=by, now=NOON, typed=count, **(SUSPEND | told | more))


def running(accounts: Any, *, by: Any, approver: Any, **more: Any) -> Any:
    return actions.approve(propose(accounts, by=by, **more), by=approver, now=later(minutes=1))


def run(bulk: Any, *, now: Any = RUN, limit: int = 500) -> int:
    return actions.run_some(bulk, now=now, limit=limit)
