"""What does the told day add up to? Counts that a test, or a person in doubt, can hold against the plan."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from moderation.cases.models import Case
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.privacy.models import Reveal
from risk.intake.models import Account, Signal


def sums(now: datetime) -> dict[str, Any]:
    """Accounts, signals, cases by type and state, decisions by outcome, actions by state, events by type."""
    return {
        "accounts": Account.objects.count(),
        "flagged": Account.objects.filter(external_id__startswith="70").count(),
        "signals": Signal.objects.count(),
        "cases": _by(Case.objects.all(), "status"),
        "escalated": Case.objects.open().filter(escalated_from__isnull=False).count(),
        "late": Case.objects.waiting().filter(due_at__lt=now).count(),
        "due_within_the_hour": Case.objects.waiting().filter(due_at__range=(now, now + timedelta(hours=1))).count(),
        "by_type": {
            risk_type: _by(Case.objects.filter(risk_type=risk_type), "status")
            for risk_type in Case.objects.values_list("risk_type", flat=True).distinct().order_by("risk_type")
        },
        "decisions": _by(Decision.objects.all(), "status"),
        "standing": _by(Decision.objects.filter(status="released", reverses=None), "outcome"),
        "reversed": Decision.objects.filter(status="reversed").count(),
        "people": _by(Decision.objects.filter(reverses=None), "made_by__username"),
        "actions": _by(Enforcement.objects.all(), "status"),
        "reveals": Reveal.objects.count(),
        "reveals_refused": AuditEvent.objects.filter(type="pii.reveal_refused").count(),
        "events": AuditEvent.objects.count(),
    }


def _by(rows: Any, name: str) -> dict[str, int]:
    return dict(rows.order_by(name).values_list(name).annotate(Count("pk")))
