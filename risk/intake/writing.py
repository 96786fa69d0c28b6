"""How do a thousand signals get into the tables in a handful of statements?

Sets, in one order, so that writers do not block each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from portal import sql

Key = tuple[str, str]

KNOWN_SIGNALS = """
SELECT s.source, s.external_id FROM unnest(%s::text[], %s::text[]) AS x (source, external_id)
JOIN risk_signal s ON s.source = x.source AND s.external_id = x.external_id"""

KNOWN_ACCOUNTS = """
SELECT a.platform, a.external_id, a.id, a.erased_at FROM unnest(%s::text[], %s::text[]) AS x (platform, external_id)
JOIN risk_account a ON a.platform = x.platform AND a.external_id = x.external_id"""

# Newest wins by the time it happened; what is older only fills what nobody told.
PUT_ACCOUNTS = """
INSERT INTO risk_account AS a (id, platform, external_id, handle_shown, handle_lookup, attributes, country, lang,
                               first_seen_at, last_seen_at, attributes_at, stale_at)
SELECT x.id, x.platform, x.external_id, x.handle_shown, decode(x.handle_lookup, 'hex'), x.attributes, x.country, x.lang,
       x.first_seen_at, x.last_seen_at, x.attributes_at, x.stale_at
FROM jsonb_to_recordset(%s::jsonb) AS x (id uuid, platform text, external_id text, handle_shown text,
  handle_lookup text,
     attributes jsonb, country text, lang text, first_seen_at timestamptz, last_seen_at timestamptz,
       attributes_at timestamptz,
     stale_at timestamptz)
ORDER BY x.platform, x.external_id
ON CONFLICT (platform, external_id) DO UPDATE SET
  handle_shown = CASE WHEN excluded.handle_lookup IS NULL OR excluded.attributes_at < a.attributes_at
    AND a.handle_lookup IS NOT NULL
                      THEN a.handle_shown ELSE excluded.handle_shown END,
  handle_lookup = CASE WHEN excluded.handle_lookup IS NULL OR excluded.attributes_at < a.attributes_at
    AND a.handle_lookup IS NOT NULL
                       THEN a.handle_lookup ELSE excluded.handle_lookup END,
  attributes = CASE WHEN excluded.attributes_at < a.attributes_at
                    THEN excluded.attributes || a.attributes ELSE a.attributes || excluded.attributes END,
  country = CASE WHEN excluded.country = '' OR excluded.attributes_at < a.attributes_at AND a.country <> ''
                 THEN a.country ELSE excluded.country END,
  lang = CASE WHEN excluded.lang = '' OR excluded.attributes_at < a.attributes_at AND a.lang <> ''
              THEN a.lang ELSE excluded.lang END,
  first_seen_at = LEAST(a.first_seen_at, excluded.first_seen_at),
  last_seen_at = GREATEST(a.last_seen_at, excluded.last_seen_at),
  attributes_at = GREATEST(a.attributes_at, excluded.attributes_at),
  stale_at = LEAST(a.stale_at, excluded.stale_at)
RETURNING a.id, a.platform, a.external_id"""

PUT_SIGNALS = """
INSERT INTO risk_signal (source, external_id, kind, lane, occurred_at, account_id, batch_id, data, attributes,
  scores, opens)
SELECT x.source, x.external_id, x.kind, x.lane, x.occurred_at, x.account_id, %s, x.data, x.attributes, x.scores, x.opens
FROM jsonb_to_recordset(%s::jsonb) AS x (source text, external_id text, kind text, lane text, occurred_at timestamptz,
     account_id uuid, data jsonb, attributes jsonb, scores jsonb, opens boolean)
ORDER BY x.source, x.external_id
ON CONFLICT (source, external_id) DO NOTHING"""

# xmax = 0: this row was inserted here and now, so the account is new behind this value.
PUT_LINKS = """
INSERT INTO risk_link AS l (account_id, kind, digest, first_at, last_at, times)
SELECT x.account_id, x.kind, decode(x.digest, 'hex'), x.first_at, x.last_at, x.times
FROM jsonb_to_recordset(%s::jsonb) AS x (account_id uuid, kind text, digest text, first_at timestamptz,
  last_at timestamptz, times int)
ORDER BY x.account_id, x.kind, x.digest
ON CONFLICT (account_id, kind, digest) DO UPDATE SET
  first_at = LEAST(l.first_at, excluded.first_at), last_at = GREATEST(l.last_at, excluded.last_at),
    times = l.times + excluded.times
RETURNING l.kind, l.digest, (xmax = 0)"""

# Who shares a value with a newcomer has other features than before; a value of very many is nobody's in particular.
STALE_NEIGHBOURS = """
UPDATE risk_account SET stale_at = LEAST(stale_at, %s::timestamptz) WHERE id IN (
  SELECT a.id FROM risk_account a WHERE a.id IN (
    SELECT n.account_id FROM unnest(%s::text[], %s::bytea[]) AS x (kind, digest)
    CROSS JOIN LATERAL (SELECT l.account_id FROM risk_link l WHERE l.kind = x.kind AND l.digest = x.digest
      AND l.cut_at IS NULL
                        ORDER BY l.last_at DESC LIMIT 200) n)
  AND a.id <> ALL (%s::uuid[]) ORDER BY a.id FOR UPDATE)"""

# A claim that names who referred it changes the features of everybody up that chain.
STALE_REFERRERS = """
WITH RECURSIVE chain (id, depth) AS (
  SELECT a.id, 1 FROM unnest(%s::text[], %s::text[]) AS x (platform, external_id)
  JOIN risk_account a ON a.platform = x.platform AND a.external_id = x.external_id
  UNION
  SELECT up.id, chain.depth + 1 FROM chain
  JOIN risk_signal s ON s.account_id = chain.id AND s.kind = 'claim' AND s.data ? 'referrer' AND s.occurred_at > %s
  JOIN risk_account me ON me.id = chain.id
  JOIN risk_account up ON up.platform = me.platform AND up.external_id = s.data ->> 'referrer'
  WHERE chain.depth < 20)
UPDATE risk_account SET stale_at = LEAST(stale_at, %s::timestamptz) WHERE id IN (
  SELECT a.id FROM risk_account a WHERE a.id IN (SELECT id FROM chain)
    AND a.id <> ALL (%s::uuid[]) ORDER BY a.id FOR UPDATE)"""


def known_signals(keys: Sequence[Key]) -> set[Key]:
    """Which of these (source, external id) are stored already."""
    return {(source, name) for source, name in sql.ask(KNOWN_SIGNALS, [*_columns(keys)])}


def known_accounts(keys: Sequence[Key]) -> dict[Key, tuple[UUID, bool]]:
    """The id of each account that is stored already, and whether it was erased."""
    return {
        (platform, name): (pk, gone is not None)
        for platform, name, pk, gone in sql.ask(KNOWN_ACCOUNTS, [*_columns(keys)])
    }


def put_accounts(rows: Sequence[dict[str, Any]]) -> dict[Key, UUID]:
    """Insert or update accounts; the id each one has."""
    return {(platform, name): pk for pk, platform, name in sql.ask(PUT_ACCOUNTS, [sql.as_json(rows)])}


def put_signals(batch: int, rows: Sequence[dict[str, Any]]) -> int:
    """Insert signals; how many were not there already."""
    return sql.tell(PUT_SIGNALS, [batch, sql.as_json(rows)])


def put_links(rows: Sequence[dict[str, Any]]) -> list[tuple[str, bytes]]:
    """Insert or refresh links; the values that have an account they did not have before."""
    if not rows:
        return []
    return list({(kind, bytes(digest)) for kind, digest, fresh in sql.ask(PUT_LINKS, [sql.as_json(rows)]) if fresh})


def mark_neighbours(values: Sequence[tuple[str, bytes]], *, but: Iterable[UUID], now: datetime) -> None:
    """Have the accounts that share one of these values scored again."""
    if values:
        kinds, digests = zip(*values, strict=True)
        sql.tell(STALE_NEIGHBOURS, [now, list(kinds), list(digests), list(but)])


def mark_referrers(accounts: Sequence[Key], *, since: datetime, but: Iterable[UUID], now: datetime) -> None:
    """Have these accounts, and those who referred them in turn, scored again."""
    if accounts:
        sql.tell(STALE_REFERRERS, [*_columns(accounts), since, now, list(but)])


def ring() -> None:
    """Tell whoever listens, when this transaction commits, that there is something to score."""
    sql.tell("SELECT pg_notify('reeve_intake', '')", [])


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str]]:
    return [first for first, _ in keys], [second for _, second in keys]
