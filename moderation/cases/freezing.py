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
from .moving import keep_text


@transaction.atomic(savepoint=False)
def freeze(case: Case, *, by: User, now: datetime, pointed: Iterable[str] = ()) -> Evidence:
    """Write down what lies on the table now: digests and commitments, never values. Immutable afterwards."""
    recent = Signal.objects.filter(account=case.account_id, lane__in={"general", case.lane}).order_by(
        "-occurred_at", "-id"
    )
    # By our own number: what the source calls a signal may name a person, and these bytes never change.
    signals = [
        {"name": f"signal:{pk}", "kind": kind, "at": at.isoformat(), "data": data}
        for pk, kind, at, data in recent.values_list("id", "kind", "occurred_at", "data")[: evidence.MOST_SIGNALS]
    ]
    body = evidence.body(
        case={
            "id": str(case.pk), "account": f"account:{case.account_id}", "risk_type": case.risk_type,
            "shown": case.shown, "version": case.version, "opened_by": case.opened_by,
        },
        score=_score_of(case), signals=signals, pointed=_pointed(case, pointed),
    )  # fmt: skip
    return Evidence.objects.create(
        case=case, collected_by=by, collected_at=now, body=body, digest=evidence.digest(body)
    )


def _pointed(case: Case, pointed: Iterable[str]) -> list[str]:
    """What somebody pointed at: a signal of the account by its number, anything else in words that the vault keeps."""
    names = list(pointed)
    if not names:
        return []
    signals = Signal.objects.filter(account=case.account_id, external_id__in=[name.partition(":")[2] for name in names])
    known = {
        f"{source}:{external_id}": f"signal:{pk}"
        for pk, source, external_id in signals.values_list("id", "source", "external_id")
    }
    return [known.get(name) or "words:{}:{}".format(*keep_text(case, "decision.pointed", name)) for name in names]


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
