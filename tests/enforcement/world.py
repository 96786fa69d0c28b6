"""What must exist before an action can be ordered: an account, its case, and a released decision of Ada's."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

from django.db import transaction

from tests.conftest import NOON
from tests.make import tell

_numbers = itertools.count(1)


def account(external_id: str = "", platform: str = "main") -> Any:
    """An account on a platform."""
    from risk.intake.models import Account

    external_id = external_id or str(70_000 + next(_numbers))
    return Account.objects.create(platform=platform, external_id=external_id, first_seen_at=NOON, last_seen_at=NOON)


@transaction.atomic
def released_decision(about: Any = None, *, lane: str = "general") -> Any:
    """A decision in force whose action nobody ordered yet: rows only, since here the rooms above are not looked at."""
    from moderation.cases.models import Case, Queue
    from moderation.decisions.models import Decision, Policy, ReasonCode
    from portal.people.models import User

    ada, _ = User.objects.get_or_create(username="ada")
    values = {"sla_minutes": 60, "lease_minutes": 15, "max_hold_minutes": 60, "capacity": 100, "exposure": "low"}
    queue, _ = Queue.objects.get_or_create(slug=f"of-{lane}", defaults=values | {"lane": lane, "role": "reviewer"})
    policy = Policy.objects.filter(code="SPM-1.2").order_by("-version").first()
    policy = policy or Policy.objects.create(code="SPM-1.2", version=1, title="Spam")
    reason = {"workflow": "spam", "key": "1", "text": "Spam run", "label": "positive"}
    code, _ = ReasonCode.objects.get_or_create(code="spam_run", defaults=reason)
    about = about or account()
    case = Case.objects.create(
        account=about, lane=lane, queue=queue, status="decided", opened_at=NOON, due_at=NOON, ended_at=NOON
    )
    decision = Decision.objects.create(
        case=case, account=about, queue=queue, status="released", outcome="suspend", reason_code=code, policy=policy,
        label="positive", made_by=ada, made_at=NOON, request_key=f"k{next(_numbers)}", needs_approval=False,
        fingerprint=hashlib.sha256(b"").digest(), released_at=NOON,
    )  # fmt: skip
    tell(decision, case, code, policy, queue, ada)
    return decision
