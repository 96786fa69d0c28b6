"""What lay on the table? Collected from the rooms below when a case is decided or sealed, and never changed after."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from portal.people.models import User
from risk.intake.models import Signal
from risk.scoring.models import Reason

from . import evidence
from .models import Case, Evidence


@transaction.atomic(savepoint=False)
def freeze(case: Case, *, by: User, now: datetime, pointed: Iterable[str] = ()) -> Evidence:
    """Write down what lies on the table now: digests and commitments, never values. Immutable afterwards."""
    recent = Signal.objects.filter(account=case.account_id, lane__in={"general", case.lane}).order_by(
        "-occurred_at", "-id"
    )
    signals = [
        {"name": f"{source}:{external_id}", "kind": kind, "at": at.isoformat(), "data": data}
        for source, external_id, kind, at, data in recent.values_list(
            "source", "external_id", "kind", "occurred_at", "data"
        )[: evidence.MOST_SIGNALS]
    ]
    body = evidence.body(
        case={
            "id": str(case.pk), "account": f"account:{case.account_id}", "risk_type": case.risk_type,
            "shown": case.shown, "version": case.version, "opened_by": case.opened_by,
        },
        score=_score_of(case), signals=signals, pointed=pointed,
    )  # fmt: skip
    return Evidence.objects.create(
        case=case, collected_by=by, collected_at=now, body=body, digest=evidence.digest(body)
    )


def _score_of(case: Case) -> dict[str, Any] | None:
    if case.score is None:
        return None
    reasons = Reason.objects.filter(score=case.score_id).values_list("rule", "points")
    return {
        "name": case.score.audit_name,
        "risk_type": case.score.risk_type,
        "model": case.score.model,
        "raw": case.score.raw,
        "shown": case.score.shown,
        "features": bytes(case.score.snapshot_digest).hex(),
        "reasons": [list(row) for row in reasons],
    }
