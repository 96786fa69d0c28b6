"""How do a thousand scores get into the tables?

The newest ones read, the changed ones written, in a handful of statements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from portal import sql
from risk.strategy.reading import array_of

Slot = tuple[UUID, str, str]  # account, risk type, model


@dataclass(slots=True)
class Before:
    """The newest score of an account, risk type and model, as far as the next one asks."""

    pk: int
    version: int | None
    raw: int
    opens: bool
    at: datetime
    taken: bool
    signal: int | None
    reasons: dict[str, tuple[int, str, datetime, bool]] = field(default_factory=dict)  # rule → points, title, at, holds

    def answer(self) -> dict[str, tuple[int, str]]:
        """What it said: points and sentence of each rule."""
        return {rule: (points, title) for rule, (points, title, _, _) in self.reasons.items()}

    def held(self) -> dict[str, datetime]:
        """When each rule last held: at this score, or before it if it was fading already."""
        return {rule: self.at if holds else at for rule, (_, _, at, holds) in self.reasons.items()}


LATEST = """
SELECT id, account_id, risk_type, model, version_id, raw, opens, at, taken_at IS NOT NULL,
  (snapshot ->> 'signal')::bigint
FROM risk_score WHERE latest AND account_id = ANY (%s::uuid[])"""

REASONS = """
SELECT score_id, rule, points, title, (detail ->> 'at')::timestamptz, (detail ->> 'holds')::boolean
FROM risk_reason WHERE score_id = ANY (%s::bigint[])"""

# A superseded score that nobody took is not waited for any more: what follows it is.
SUPERSEDE = (
    "UPDATE risk_score SET latest = false, taken_at = coalesce(taken_at, %s::timestamptz) WHERE id = ANY (%s::bigint[])"
)

TOUCH = "UPDATE risk_score SET at = %s::timestamptz WHERE id = ANY (%s::bigint[])"

PUT_SCORES = """
INSERT INTO risk_score (account_id, risk_type, version_id, model, raw, shown, band, urgency, at, snapshot,
  snapshot_digest,
                        missing, latest, opens, taken_at)
SELECT x.account_id, x.risk_type, x.version_id, x.model, x.raw, x.shown, x.band, x.urgency, x.at, x.snapshot::jsonb,
       decode(x.snapshot_digest, 'hex'), x.missing, true, x.opens, x.taken_at
FROM jsonb_to_recordset(%s::jsonb) AS x (account_id uuid, risk_type text, version_id bigint, model text, raw int,
  shown int,
     band text, urgency int, at timestamptz, snapshot text, snapshot_digest text, missing jsonb, opens boolean,
       taken_at timestamptz)
RETURNING id, account_id, risk_type, model"""

PUT_REASONS = """
INSERT INTO risk_reason (score_id, position, rule, "group", title, points, before_cap, detail)
SELECT x.score_id, x.position, x.rule, x."group", x.title, x.points, x.before_cap, x.detail
FROM jsonb_to_recordset(%s::jsonb) AS x (score_id bigint, position int, rule text, "group" text, title text, points int,
     before_cap int, detail jsonb)"""

# The newest verdict of each model about each account, among those made elsewhere.
PUSHED = """
SELECT DISTINCT ON (s.account_id, v ->> 'risk_type', v ->> 'model')
  s.account_id, v ->> 'risk_type', v ->> 'model', (v ->> 'score')::numeric, s.id
FROM risk_signal s CROSS JOIN LATERAL jsonb_array_elements(s.scores) v
WHERE s.account_id = ANY (%s::uuid[]) AND s.scores <> '[]'::jsonb
ORDER BY s.account_id, v ->> 'risk_type', v ->> 'model', s.occurred_at DESC, s.id DESC"""

LOCK = "SELECT id FROM risk_account WHERE id = ANY (%s::uuid[]) AND erased_at IS NULL ORDER BY id FOR UPDATE"
LOCK_STALE = """
SELECT id FROM risk_account WHERE stale_at IS NOT NULL ORDER BY stale_at, id LIMIT %s FOR UPDATE SKIP LOCKED"""
FRESH = "UPDATE risk_account SET stale_at = NULL WHERE id = ANY (%s::uuid[])"


def lock(account_ids: Collection[UUID]) -> list[UUID]:
    """Hold these accounts until the transaction ends, so that one is scored by one process at a time."""
    return [pk for (pk,) in sql.ask(LOCK, [array_of(account_ids)])]


def lock_stale(limit: int) -> list[UUID]:
    """Hold the accounts that have waited longest to be scored and that nobody else holds."""
    return [pk for (pk,) in sql.ask(LOCK_STALE, [limit])]


def fresh(account_ids: Collection[UUID]) -> None:
    """These accounts are scored: nothing new about them waits."""
    sql.tell(FRESH, [array_of(account_ids)])


def latest(account_ids: Collection[UUID]) -> dict[Slot, Before]:
    """The newest scores of these accounts with their reasons: two queries."""
    found: dict[Slot, Before] = {}
    by_pk: dict[int, Before] = {}
    for pk, account, risk_type, model, version, raw, opens, at, taken, signal in sql.ask(
        LATEST, [array_of(account_ids)]
    ):
        by_pk[pk] = found[account, risk_type, model] = Before(pk, version, raw, opens, at, taken, signal)
    if by_pk:
        for pk, rule, points, title, at, holds in sql.ask(REASONS, [list(by_pk)]):
            by_pk[pk].reasons[rule] = (points, title, at, holds)
    return found


def pushed(account_ids: Collection[UUID]) -> list[tuple[UUID, str, str, int, int]]:
    """The newest verdicts made elsewhere: account, risk type, model, whole points, the signal that carried it."""
    return [
        (account, kind, model, int(value + value.__class__("0.5")), signal)
        for account, kind, model, value, signal in sql.ask(PUSHED, [array_of(account_ids)])
    ]


def put(
    scores: Sequence[dict[str, Any]],
    reasons: Mapping[Slot, list[dict[str, Any]]],
    *,
    replaced: Sequence[int],
    now: datetime,
) -> list[int]:
    """Write scores with their reasons in place of the ones before; the ids of the new ones."""
    if replaced:
        sql.tell(SUPERSEDE, [now, list(replaced)])
    if not scores:
        return []
    written = sql.ask(PUT_SCORES, [sql.as_json(scores)])
    rows = [
        {"score_id": pk, **row}
        for pk, account, kind, model in written
        for row in reasons.get((account, kind, model), ())
    ]
    if rows:
        sql.tell(PUT_REASONS, [sql.as_json(rows)])
    return [pk for pk, *_ in written]


def touch(scores: Sequence[int], *, now: datetime) -> None:
    """The answer is the same as before, as of now: what holds has held until now."""
    if scores:
        sql.tell(TOUCH, [now, list(scores)])


def ring() -> None:
    """Tell whoever listens, when this transaction commits, that there are scores to take."""
    sql.tell("SELECT pg_notify('reeve_scores', '')", [])


def calm() -> None:
    """No just-in-time compilation for these statements: it costs more than they do."""
    sql.tell("SET LOCAL jit = off", [])
