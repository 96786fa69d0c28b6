"""What do these tests stand on? The stand-in platform in this process, and decisions to order actions for."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from portal.local.platform import Platform
from tests.conftest import NOON

_numbers = itertools.count(1)


@pytest.fixture
def platform(tmp_path: Path, settings: Any) -> Iterator[Platform]:
    """The stand-in platform, and our settings pointing at it."""
    with Platform(data=tmp_path / "platform.jsonl", secret="s", port=0) as running:
        settings.PLATFORM_URL, settings.PLATFORM_SECRET = running.url, "s"
        settings.ENFORCEMENT_HOSTS = [running.url.removeprefix("http://")]
        yield running


@pytest.fixture
def make_decision(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A released decision of Ada's about an account: `make_decision(account=None, lane="general")`."""
    if "real_commits" not in request.fixturenames:
        request.getfixturevalue("db")
    from moderation.cases.models import Case, Queue
    from moderation.decisions.models import Decision, Policy, ReasonCode
    from portal.people.models import User
    from risk.intake.models import Account

    def make(account: Any = None, lane: str = "general") -> Any:
        number = next(_numbers)
        ada, _ = User.objects.get_or_create(username="ada")
        values = {"sla_minutes": 60, "lease_minutes": 15, "max_hold_minutes": 60, "capacity": 100, "exposure": "low"}
        values |= {"lane": lane, "role": "reviewer"}
        queue, _ = Queue.objects.get_or_create(slug=f"spam-{lane}", defaults=values)
        policy, _ = Policy.objects.get_or_create(code="SPM-1.2", version=1, defaults={"title": "Spam"})
        code, _ = ReasonCode.objects.get_or_create(
            code="spam_run", defaults={"workflow": "spam", "key": "1", "text": "Spam run", "label": "positive"}
        )
        account = account or Account.objects.create(
            platform="main", external_id=str(70_000 + number), first_seen_at=NOON, last_seen_at=NOON
        )
        case = Case.objects.create(
            account=account, lane=lane, queue=queue, status="decided", opened_at=NOON, due_at=NOON, ended_at=NOON
        )
        return Decision.objects.create(
            case=case, account=account, queue=queue, status="released", outcome="suspend", reason_code=code,
            policy=policy, label="positive", made_by=ada, made_at=NOON, request_key=f"k{number}",
            fingerprint=hashlib.sha256(b"").digest(), needs_approval=False, released_at=NOON,
        )  # fmt: skip

    return make


@pytest.fixture
def ordered(make_decision: Callable[..., Any]) -> Callable[..., Any]:
    """An ordered action: `ordered("suspend", account=…, until=…)`."""
    from moderation.enforcement import actions

    def make(kind: str = "suspend", *, account: Any = None, now: datetime = NOON, **fields: Any) -> Any:
        decision = fields.pop("decision", None) or make_decision(account)
        with transaction.atomic():
            return actions.order(
                decision_id=decision.pk, account=decision.account, kind=kind, by=decision.made_by, now=now,
                policy="SPM-1.2", reason_code="spam_run", **fields,
            )  # fmt: skip

    return make
