"""How does a database come to hold a million cases? Filled by its owner in set-based SQL, in the proportions of a year.

Per case one account, one score with two reasons and one signal; half of the cases are decided, with a decision, its
effect and four events of the log. Counts follow from the number of cases alone, so two fills of one size are alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

DAYS = 365

# Cases are spread over a year and the working queues; every second one is decided, the others wait.
_EACH = """
CREATE TEMP TABLE each AS
SELECT i, md5('account ' || i)::uuid AS account, md5('decision ' || i)::uuid AS decision,
       q.id AS queue, q.sla_minutes AS sla, t.risk_type,
       40 + (i * 7919) %% 61 AS shown,
       %(now)s::timestamptz - ((i * 104729) %% (%(days)s * 1440)) * interval '1 minute' AS opened,
       (i / 4) %% 2 = 0 AS decided, i %% 3 <> 0 AS acted
  FROM generate_series(1::bigint, %(n)s) AS i
  JOIN (VALUES (0, 'spam', 'spam', 6), (1, 'fake-accounts', 'fake_account', 6), (2, 'bullying', 'bullying', 9),
               (3, 'scraping', 'scraping', 4)) AS t (k, slug, risk_type, severity) ON t.k = i %% 4
  JOIN moderation_queue q ON q.slug = t.slug
"""
_STEPS: dict[str, str] = {
    "accounts": """
INSERT INTO risk_account (id, platform, external_id, handle_shown, handle_lookup, attributes, country, lang,
       first_seen_at,
                          last_seen_at, attributes_at)
SELECT account, 'main', 'b' || i, 'be•••' || i % 1000, sha256(convert_to('handle ' || i, 'UTF8')),
       jsonb_build_object('followers_count', i % 5000, 'posts_count', i % 300), 'north', 'en', opened, opened,
       opened FROM each""",
    "signals": """
INSERT INTO risk_signal (source, external_id, kind, lane, occurred_at, data, attributes, scores, opens, account_id)
SELECT 'bench', i::text, 'post', 'general', opened, jsonb_build_object('posts', i % 90, 'links', i % 30), '{}',
       '[]', false, account
  FROM each""",
    "scores": """
INSERT INTO risk_score (id, risk_type, model, raw, shown, band, urgency, at, snapshot, snapshot_digest, missing,
       latest, opens,
                        taken_at, account_id)
SELECT i, risk_type, '', shown, shown, CASE WHEN shown >= 85 THEN 'critical' WHEN shown >= 70 THEN 'high'
       WHEN shown >= 50
       THEN 'review' ELSE 'watch' END, shown * 6, opened, '{}', '\\x00', '{}', true, true, opened, account FROM each""",
    "reasons": """
INSERT INTO risk_reason (position, rule, "group", title, points, before_cap, detail, score_id)
SELECT p, 'rule_' || p || '_' || i % 7, 'content', 'posts the same again and again',
       shown / 2 + (p - 1) * (shown % 2), 30,
       '{}', i FROM each CROSS JOIN (VALUES (1), (2)) AS two (p)""",
    "cases": """
INSERT INTO moderation_case (id, lane, status, version, risk_type, shown, band, why, opened_by, language, priority,
       rank,
       must_review, opened_at, due_at, pending_for, pending_default, ended_at, account_id, score_id, queue_id)
SELECT i, 'general', CASE WHEN decided THEN 'decided' ELSE 'waiting' END, 1, risk_type, shown,
       CASE WHEN shown >= 85 THEN 'critical' WHEN shown >= 70 THEN 'high'
       WHEN shown >= 50 THEN 'review' ELSE 'watch' END,
       'posts the same again and again', 'score', 'en', shown * 6, 1000 - shown * 6, false, opened,
       opened + sla * interval '1 minute', '', '', CASE WHEN decided THEN opened + interval '20 minutes' END,
       account, i, queue
  FROM each""",
    "decisions": """
INSERT INTO moderation_decision (id, risk_type, status, outcome, answers, scope, interim, label, shown, made_at,
       claimed_at,
       request_key, fingerprint, needs_approval, approval_why, release_at, released_at, account_id, case_id, made_by_id,
       policy_id, queue_id, reason_code_id)
SELECT decision, risk_type, 'released', CASE WHEN acted THEN 'warn' ELSE 'no_action' END, '{}', '', '',
       CASE WHEN acted THEN 'positive' ELSE 'negative' END, shown, opened + interval '20 minutes',
       opened + interval '15 minutes',
       i::text, '\\x00', false, '', opened + interval '20 minutes', opened + interval '20 minutes', account, i,
       (SELECT id FROM portal_user WHERE username = 'bench-' || i % 20),
       CASE WHEN acted THEN (SELECT id FROM moderation_policy WHERE code = 'SPM-1.1' AND in_force) END, queue,
       (SELECT id FROM moderation_reasoncode WHERE code = CASE WHEN acted THEN 'bulk_messages' ELSE 'not_violating' END)
  FROM each WHERE decided""",
    "actions": """
INSERT INTO moderation_enforcement (id, seq, kind, scope, policy, reason_code, status, ordered_at, due_at,
       attempts, lost_leases,
       first_sent_at, next_attempt_at, detail, effect_id, settled_at, account_id, backend_id, decision_id)
SELECT md5('action ' || i)::uuid, 1, 'warn', '', 'SPM-1.1', 'bulk_messages', 'applied', opened + interval '20 minutes',
       opened + interval '20 minutes', 1, 0, opened + interval '20 minutes', opened + interval '20 minutes', '',
       'e' || i,
       opened + interval '21 minutes', account, 'platform', decision
  FROM each WHERE decided AND acted""",
    "sequences": """
INSERT INTO moderation_accountsequence (account_id, last) SELECT account, 1 FROM each WHERE decided AND acted""",
    "events": """
INSERT INTO portal_auditevent (id, told_at, type, by, subjects, payload, payload_hash)
SELECT id, told, type, by, subjects, payload, sha256(convert_to(E'reeve/payload/v1\\n', 'UTF8') || payload)
  FROM (SELECT id, told, type, by, subjects, convert_to(
          '{"by":"' || by || '","facts":{"outcome":"warn","queue":"spam","reason_code":"bulk_messages"},"id":"' || id
          || '","of":' || to_json(subjects) || ',"told":"' || to_char(told AT TIME ZONE 'UTC',
       'YYYY-MM-DD"T"HH24:MI:SS')
          || '+00:00","type":"' || type || '","v":1}', 'UTF8') AS payload
          FROM (SELECT md5(name || i)::uuid AS id, opened + after AS told, name AS type,
                       'user:' || (SELECT id FROM portal_user WHERE username = 'bench-' || i % 20) AS by,
                       ARRAY['case:' || i, 'account:' || account] || CASE WHEN name LIKE 'decision%'
                         THEN ARRAY['decision:' || decision, 'policy:SPM-1.1'] ELSE '{}' END AS subjects
                  FROM each CROSS JOIN (VALUES ('case.opened', interval '0'), ('case.claimed', interval '15 minutes'),
                       ('decision.held', interval '20 minutes'), ('decision.released',
       interval '20 minutes')) AS e (name, after)
                 WHERE decided OR name = 'case.opened') AS told) AS written""",
}  # fmt: skip


def fill(cursor: Any, n: int, *, now: Any, say: Callable[[str], None] = lambda line: None) -> None:
    """Put `n` cases into an empty, shipped database; the cursor is the owner's."""
    cursor.execute(
        "SET max_parallel_workers_per_gather = 0; SET maintenance_work_mem = '256MB'; SET work_mem = '256MB'"
    )
    cursor.execute("SET reeve.unlogged = 'fill'")  # the owner alone may: a year of rows, whose events are filled last
    cursor.execute(_EACH, {"n": n, "days": DAYS, "now": now})
    for name, statement in _STEPS.items():
        begun = time.perf_counter()
        cursor.execute(statement)
        say(f"    {cursor.rowcount:>10,} {name:<12} {time.perf_counter() - begun:7.1f} s")
    for table in ("risk_score", "moderation_case"):
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), %s)", [n + 1])
    cursor.execute("DROP TABLE each")
