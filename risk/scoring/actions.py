"""What changes when accounts are scored?

A new score with its reasons wherever the answer changed; each is handed out once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import redis
from django.core.cache import cache
from django.db import transaction

from portal.audit import actions as audit
from portal.audit.actions import Subject
from portal.audit.events import Event
from portal.people.models import User
from risk.intake.models import Account

from . import explain, running, writing
from .models import Score
from .score import PUSHED_OPENS, WATCH, Plan, Result, summed
from .writing import Before, Slot

LOOK_SECONDS = 300
TOUCH_AFTER = timedelta(minutes=5)
UNKNOWN = Plan(severity=50, review=50)  # a verdict on a risk type that no strategy of ours knows
NO_SNAPSHOT = hashlib.sha256(b"{}").digest()


@transaction.atomic
def score(account_ids: Collection[UUID], *, by: Subject, now: datetime) -> list[Score]:
    """Score these accounts under every live strategy, and take note of verdicts made elsewhere.

    Gives the scores that are new. A new row is written only where the answer changed. Idempotent: the same again
    writes nothing.
    """
    written = _score(writing.lock(account_ids), by=by, now=now)
    return list(Score.objects.filter(pk__in=written).order_by("pk"))


@transaction.atomic
def score_stale(*, now: datetime, limit: int = 1000) -> int:
    """Score the accounts that wait longest, those somebody else is scoring left out; how many were scored."""
    waiting = writing.lock_stale(limit)
    if waiting:
        _score(waiting, by=User.objects.service("system"), now=now)
    return len(waiting)


def take(*, now: datetime, limit: int = 500) -> list[Score]:
    """Hand out, once, new scores that open a case or that an open case would want to know of.

    Call it inside the transaction that opens the cases; what another process is taking is left out.
    """
    taken = list(
        Score.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("account", "version__strategy")
        .filter(taken_at__isnull=True, latest=True)
        .order_by("id")[:limit]
    )
    if taken:
        Score.objects.filter(pk__in=[one.pk for one in taken]).update(taken_at=now)
    return taken


@transaction.atomic
def look(account: Account, *, by: Subject, now: datetime) -> bool:
    """Note that somebody looked at an account.

    One event per person, account and five minutes; whether it was written.
    """
    try:
        if not cache.add(f"looked:{audit.name_of(by)}:{account.pk}", 1, LOOK_SECONDS):
            return False
    except (OSError, redis.RedisError):
        pass  # without the cache every look is written
    audit.record(Event.ACCOUNT_VIEWED, by=by, of=account, now=now)
    return True


def _score(account_ids: Sequence[UUID], *, by: Subject, now: datetime) -> list[int]:
    if not account_ids:
        return []
    writing.calm()
    machine = running.engine()
    before = writing.latest(account_ids)
    held = {(account, kind): one.held() for (account, kind, model), one in before.items() if not model}
    batch = _Batch(before, now)
    for outcome in running.run(machine, account_ids, held, now=now):
        batch.add(outcome)
    for account, kind, model, points, signal in writing.pushed(account_ids):
        batch.add_verdict(account, kind, model, points, signal, machine.plans.get(kind, UNKNOWN))
    written = writing.put(batch.scores, batch.reasons, replaced=batch.replaced, now=now)
    writing.touch(batch.same, now=now)
    writing.fresh(account_ids)
    if written:
        audit.record(
            Event.SCORES_WRITTEN,
            by=by,
            of=f"scores:{min(written)}-{max(written)}",
            now=now,
            accounts=len(account_ids),
            changed=len(written),
            digest=batch.digest(),
        )
    if batch.to_take:
        writing.ring()
    return written


class _Batch:
    """Collects what is new among the answers of one batch."""

    def __init__(self, before: dict[Slot, Before], now: datetime) -> None:
        self.before, self.now, self.at = before, now, now.isoformat()
        self.scores: list[dict[str, Any]] = []
        self.reasons: dict[Slot, list[dict[str, Any]]] = {}
        self.replaced: list[int] = []
        self.same: list[int] = []
        self.to_take = 0

    def add(self, outcome: running.Outcome) -> None:
        """An answer of ours: written if it is another one than before."""
        slot = (outcome.account, outcome.version.risk_type, "")
        last, result = self.before.get(slot), outcome.result
        answer = {row.rule: (row.points, outcome.titles[row.rule]) for row in result.rows}
        if (
            last is not None
            and (last.version, last.raw) == (outcome.version.pk, result.raw)
            and answer == last.answer()
        ):
            if self.now - last.at > TOUCH_AFTER and any(row.holds for row in result.rows):
                self.same.append(last.pk)
            return
        snapshot, digest = outcome.snapshot()
        missing = dict(outcome.missing)
        news = self._is_news(outcome, last)
        self._put(
            slot, result, last, version=outcome.version.pk, snapshot=snapshot, digest=digest, missing=missing, news=news
        )
        self.reasons[slot] = [
            {
                "position": at,
                "rule": row.rule,
                "group": row.group,
                "title": outcome.titles[row.rule],
                "points": row.points,
                "before_cap": row.before_cap,
                "detail": outcome.detail(row),
            }
            for at, row in enumerate(explain.ordered(result.rows))
        ]

    def add_verdict(self, account: UUID, kind: str, model: str, points: int, signal: int, plan: Plan) -> None:
        """A verdict made elsewhere: shown as what it is, never as points of ours; each new one counts."""
        slot = (account, kind, model)
        last = self.before.get(slot)
        if last is not None and last.signal == signal:
            return
        result = summed(plan, points, opens_at=PUSHED_OPENS)
        self._put(
            slot,
            result,
            last,
            version=None,
            snapshot=json.dumps({"signal": signal}),
            digest=NO_SNAPSHOT,
            missing={},
            news=result.opens,
        )

    def digest(self) -> str:
        """SHA-256 over what was written, in order."""
        lines = (
            f"{row['account_id']} {row['risk_type']} {row['model']} {row['raw']} {row['snapshot_digest']}"
            for row in self.scores
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _is_news(self, outcome: running.Outcome, last: Before | None) -> bool:
        """Whether cases should hear of it.

        A first answer worth watching, more points than before, another rule that holds.
        """
        if last is None or not last.taken:
            return outcome.result.shown >= WATCH or outcome.result.opens
        fresh = {row.rule for row in outcome.result.rows if row.holds and row.points > 0} - last.reasons.keys()
        return (outcome.result.raw > last.raw or bool(fresh)) and outcome.result.shown >= WATCH

    def _put(
        self,
        slot: Slot,
        result: Result,
        last: Before | None,
        *,
        version: int | None,
        snapshot: str,
        digest: bytes,
        missing: dict[str, Any],
        news: bool,
    ) -> None:
        if last is not None:
            self.replaced.append(last.pk)
        account, risk_type, model = slot
        self.to_take += news
        self.scores.append(
            {
                "account_id": str(account),
                "risk_type": risk_type,
                "version_id": version,
                "model": model,
                "raw": result.raw,
                "shown": result.shown,
                "band": result.band,
                "urgency": result.urgency,
                "at": self.at,
                "snapshot": snapshot,
                "snapshot_digest": digest.hex(),
                "missing": missing,
                "opens": result.opens,
                "taken_at": None if news else self.at,
            }
        )
