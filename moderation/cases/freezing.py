"""What lay on the table? Collected from the rooms below when a case is decided or sealed, and never changed after."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from portal.people.models import User
from portal.sql import ask, insert
from risk.intake.models import Signal

from . import evidence
from .models import Case, Evidence
from .moving import keep_text

# Every decision asks both.
_SIGNALS = """
SELECT id, kind, occurred_at, data FROM risk_signal WHERE account_id = %s AND lane IN ('general', %s)
 ORDER BY occurred_at DESC, id DESC LIMIT %s"""
_REASONS = "SELECT rule, points FROM risk_reason WHERE score_id = %s ORDER BY position"


@transaction.atomic(savepoint=False)
def freeze(case: Case, *, by: User, now: datetime, pointed: Iterable[str] = ()) -> Evidence:
    """Write down what lies on the table now: digests and commitments, never values. Immutable afterwards."""
    # By our own number: what the source calls a signal may name a person, and these bytes never change.
    signals = [
        {"name": f"signal:{pk}", "kind": kind, "at": at.isoformat(), "data": json.loads(data)}
        for pk, kind, at, data in ask(_SIGNALS, [case.account_id, case.lane, evidence.MOST_SIGNALS])
    ]
    body = evidence.body(
        case={
            "id": str(case.pk), "account": f"account:{case.account_id}", "risk_type": case.risk_type,
            "shown": case.shown, "version": case.version, "opened_by": case.opened_by,
        },
        score=_score_of(case), signals=signals, pointed=_pointed(case, pointed),
    )  # fmt: skip
    return insert(Evidence(case=case, collected_by=by, collected_at=now, body=body, digest=evidence.digest(body)))


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
    return {
        "name": case.score.audit_name,
        "risk_type": case.score.risk_type,
        "model": case.score.model,
        "raw": case.score.raw,
        "shown": case.score.shown,
        "features": bytes(case.score.snapshot_digest).hex(),
        "reasons": [list(row) for row in ask(_REASONS, [case.score_id])],
    }
