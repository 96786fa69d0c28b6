"""What do these tests stand on? The stand-in platform in this process, and actions ordered for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from tests.conftest import NOON

from .world import released_decision


@pytest.fixture
def ordered(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """An ordered action: `ordered("suspend", account=…, until=…, decision=…)`."""
    if "real_commits" not in request.fixturenames:
        request.getfixturevalue("db")
    from moderation.enforcement import actions

    def make(
        kind: str = "suspend", *, account: Any = None, decision: Any = None, now: datetime = NOON, **fields: Any
    ) -> Any:
        decision = decision or released_decision(account)
        with transaction.atomic():
            return actions.order(
                decision_id=decision.pk, account=decision.account, kind=kind, by=decision.made_by, now=now,
                policy="SPM-1.2", reason_code="spam_run", **fields,
            )  # fmt: skip

    return make
