"""Is the evidence still what was frozen? Each part of it by name, against its row of today and against the log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from portal.audit.events import Event
from portal.audit.models import AuditEvent
from risk.intake.models import Signal
from risk.scoring.models import Reason, Score

from . import evidence
from .models import Evidence

SAME, CHANGED, ERASED, GONE = "unchanged", "changed", "erased", "gone"
_SCORE_FIELDS = ("risk_type", "model", "raw", "shown")


@dataclass(frozen=True)
class Part:
    """One part of the evidence: its name, how it stands today, and what about it is another."""

    name: str  # "record", "log", "score:812", "signal:17"
    state: str  # unchanged, changed, erased, gone
    detail: str = ""

    @property
    def sound(self) -> bool:
        return self.state != CHANGED


def recheck(frozen: Evidence) -> list[Part]:
    """Compare everything that was frozen with what stands there now; four queries whatever its length.

    Erased and gone are no faults: erasure and retention take values away and leave the digest.
    """
    parts = [_record(frozen), _log(frozen)]
    try:
        body: dict[str, Any] = json.loads(bytes(frozen.body))
        return [*parts, *_score(frozen, body["score"]), *_signals(frozen, body["signals"])]
    except (ValueError, KeyError, TypeError):
        return [*parts, Part("body", CHANGED, "it can no longer be read")]


def written_of(frozen: Evidence) -> QuerySet[AuditEvent]:
    """What the log says about this evidence and its copies."""
    return AuditEvent.objects.filter(subjects__contains=[frozen.audit_name])


def _record(frozen: Evidence) -> Part:
    whole = evidence.digest(bytes(frozen.body)) == bytes(frozen.digest)
    return Part("record", SAME) if whole else Part("record", CHANGED, "its bytes do not give its digest")


def _log(frozen: Evidence) -> Part:
    """The digest as the log kept it: sealed with the decision, out of reach of who can change the table."""
    told = written_of(frozen).filter(type__in=["decision.held", "decision.proposed", "case.handed_off"])
    payload = told.order_by("id").values_list("payload", flat=True).first()
    if payload is None:
        return Part("log", CHANGED, "no event of the log says that it was frozen")
    facts = json.loads(bytes(payload))["facts"]
    kept = facts.get("digest") or facts.get("evidence")
    if kept != bytes(frozen.digest).hex():
        return Part("log", CHANGED, f"the log was told the digest {kept}")
    return Part("log", SAME)


def _score(frozen: Evidence, told: Mapping[str, Any] | None) -> list[Part]:
    """The score with its reasons; of an erased account the features are gone, and the points stay."""
    if told is None:
        return []
    erased = frozen.case.account.erased_at is not None
    name = str(told["name"])
    score = Score.objects.filter(pk=int(name.removeprefix("score:"))).first()
    if score is None:
        return [Part(name, GONE, "its row was deleted when its time was over")]
    other = [field for field in _SCORE_FIELDS if getattr(score, field) != told[field]]
    if score.snapshot != {} if erased else _features(score) != told["features"]:
        other.append("features")
    reasons = Reason.objects.filter(score=score).order_by("position").values_list("rule", "points")
    if [list(row) for row in reasons] != told["reasons"]:
        other.append("reasons")
    if other:
        return [Part(name, CHANGED, ", ".join(other))]
    return [Part(name, ERASED, "its features, with the personal data of its account") if erased else Part(name, SAME)]


def _features(score: Score) -> str:
    """The digest of its features; a verdict made elsewhere has none, but the number of the signal that told it."""
    return evidence.features({} if score.model else score.snapshot)


def _signals(frozen: Evidence, told: list[Mapping[str, Any]]) -> list[Part]:
    """Each signal by its name; of an erased account nothing is left to compare."""
    case = frozen.case
    wanted = [str(one["name"]).partition(":")[2] for one in told]
    numbers = [int(one) for one in wanted if one.isdecimal() and len(one) <= 18]
    rows = Signal.objects.filter(Q(pk__in=numbers) | Q(external_id__in=wanted), account=case.account_id)
    now: dict[str, tuple[str, datetime, Any]] = {}
    for one in rows:
        # version 0.1 wrote down what the source calls it
        now[f"{one.source}:{one.external_id}"] = now[one.audit_name] = (one.kind, one.occurred_at, one.data)
    erased = case.account.erased_at is not None
    parts = []
    for kept in told:
        name, row = str(kept["name"]), now.get(str(kept["name"]))
        if erased:
            parts.append(Part(name, ERASED, "with the personal data of its account"))
        elif row is None:
            parts.append(Part(name, GONE, "its row was deleted when its time was over"))
        else:
            kind, at, data = row
            pairs = {
                "kind": kind == kept["kind"],
                "time": at.isoformat() == kept["at"],
                "what it told": evidence.told(data) == kept["told"],
            }
            other = [field for field, same in pairs.items() if not same]
            parts.append(_as_told(name, other))
    return parts


def _as_told(name: str, other: list[str]) -> Part:
    """A signal that may tell something else than it did: erased where the log says so of a name in it, or changed."""
    if not other:
        return Part(name, SAME)
    if other == ["what it told"] and AuditEvent.objects.filter(type=Event.RECORD_EMPTIED, subjects__contains=[name]):
        return Part(name, ERASED, "the name of another account in it")
    return Part(name, CHANGED, ", ".join(other))
