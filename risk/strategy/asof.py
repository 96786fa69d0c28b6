"""What did we know of these accounts at that time?

The SQL of the features, written from their declarations: one statement for the signals of a batch, one for its
links, one for its referrals, one for what was decided; as many for a thousand accounts as for one. `age` is the
seconds between a signal and the time asked about; a signal up to five minutes ahead of it counts as now.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from .features import FEATURES, UNITS, FeatureDef

AHEAD = 300
STRONG = ("payment", "phone", "device", "payout")  # links of strength 0.8 or more
CROWD = 20  # a value on more accounts than this links nobody (a carrier, a school), unless money is paid out to it
HUB = 500  # no more accounts than this are read behind one value
MINUTE, HOUR, DAY = UNITS["min"], UNITS["h"], UNITS["d"]

# `at` is the place of an account in the batch: a number is grouped and read faster than an id.
SIGNALS = """
WITH s AS MATERIALIZED (
  SELECT x.at, g.id, g.kind, g.source, g.external_id, g.occurred_at, g.data, g.scores,
         extract(epoch FROM %(as_of)s::timestamptz - g.occurred_at)::float8 AS age
  FROM unnest(%(accounts)s::uuid[]) WITH ORDINALITY AS x (id, at)
  JOIN risk_signal g ON g.account_id = x.id AND g.occurred_at <= %(as_of)s::timestamptz + interval '5 minutes')
SELECT at - 1, '[' || string_agg(told::text, ',') || ']' FROM (
{parts}) AS parts GROUP BY at"""

# Each kind is read for its own features only; what is null is left out.
PART = "SELECT s.at, jsonb_strip_nulls(jsonb_build_object({columns})) AS told FROM s{kinds} GROUP BY s.at"
NESTED_PART = "SELECT n.at, jsonb_build_object('{name}', n.value) FROM ({query}) n WHERE n.value IS NOT NULL"


def number(field: str) -> str:
    """A field of a signal's data as a number."""
    return f"(s.data -> '{field}')::numeric"


def where(kinds: str, seconds: int | None = None, *, before: int | None = None, also: str = "") -> str:
    """The filter of an aggregate.

    Kinds (joined by +), a window, what lies before another window, a further condition.
    """
    names = ", ".join(f"'{kind.strip()}'" for kind in kinds.split("+"))
    parts = [f"s.kind IN ({names})" if "," in names else f"s.kind = {names}"]
    parts += [f"s.age < {seconds}"] if seconds else []
    parts += [f"s.age >= {before}"] if before else []
    return f"FILTER (WHERE {' AND '.join([*parts, also] if also else parts)})"


def per_day(field: str, kind: str, seconds: int) -> str:
    """A daily mean of the days before the last one, over the days there is something told of."""
    some = where(kind, seconds, before=DAY)
    return f"sum({number(field)}) {some} / greatest(1, (max(s.age) {some} - {DAY}) / {DAY})::numeric"


def share(part: str, whole: str, of: str) -> str:
    """One sum through another; null where there is nothing to divide by."""
    return f"sum({part}) {of} / nullif(sum({whole}) {of}, 0)"


def count(kinds: str, seconds: int | None, also: str = "") -> str:
    """How many; null where nothing was told."""
    return f"nullif(count(*) {where(kinds, seconds, also=also)}, 0)"


def people(field: str, kind: str, seconds: int, also: str = "") -> str:
    """How many different people."""
    return f"nullif(count(DISTINCT s.data -> '{field}' ->> 'person') {where(kind, seconds, also=also)}, 0)"


def generic(feature: FeatureDef) -> str:
    """The SQL of a feature whose source is `kind.field` and whose aggregate is one of the plain ones."""
    some = where(feature.kind, feature.seconds, also=f"s.data ? '{feature.field}'")
    value = f"s.data -> '{feature.field}'"
    if feature.aggregate in ("sum", "max", "min"):
        return f"{feature.aggregate}({number(feature.field)}) {some}"
    if feature.aggregate == "mean":
        return f"avg({number(feature.field)}) {some}"
    if feature.aggregate == "any":
        return f"bool_or(({value})::boolean) {some}"
    order = {"last": "DESC", "first": "ASC"}[feature.aggregate]
    return f"(array_agg({value} #>> '{{}}' ORDER BY s.occurred_at {order}, s.id {order}) {some})[1]"


_EARLIER = "live_minute", 30 * DAY
SPECIAL: dict[str, str] = {
    "near_duplicates_1h": f"sum({number('near_duplicates')}) {where('post+message', HOUR)}",
    "posts_daily_90d": per_day("posts", "post", 90 * DAY),
    "links_90d_before": f"sum({number('links')}) {where('post', 90 * DAY, before=DAY)}",
    "new_domain_share_24h": share(number("new_domain_links"), number("links"), where("post", DAY)),
    "report_people_24h": people("reporter", "user_report", DAY),
    "report_targets_7d": people("target", "user_report", 7 * DAY),
    "trusted_notices_7d": count("trusted_notice", 7 * DAY),
    "model_spam_24h": (
        "max((SELECT max((v ->> 'score')::numeric) FROM jsonb_array_elements(s.scores) v "
        "WHERE v ->> 'risk_type' = 'spam')) "
        f"FILTER (WHERE s.age < {DAY} AND s.scores <> '[]'::jsonb)"
    ),
    "texts_7d": count("text_verdict", 7 * DAY),
    "abusive_text_share_7d": f"avg(({number('abuse')} >= 0.8)::int) {where('text_verdict', 7 * DAY)}",
    "contacts_after_block_7d": count("contact_after_block", 7 * DAY),
    "private_info_items_7d": count("private_info", 7 * DAY),
    "reports_naming_evasion_7d": people("reporter", "user_report", 7 * DAY, "s.data ->> 'reason' = 'evasion'"),
    "guardian_reports_90d": count("age_report", 90 * DAY, "s.data ->> 'by' IN ('guardian', 'school')"),
    "trusted_age_notices_90d": count("age_report", 90 * DAY, "s.data ->> 'by' = 'trusted'"),
    "age_report_people_30d": (
        "nullif(count(DISTINCT coalesce(s.data -> 'reporter' ->> 'person', s.source || ':' || s.external_id)) "
        + where("age_report", 30 * DAY, also="s.data ->> 'by' = 'user'")
        + ", 0)"
    ),
    "minor_on_stream_flags_24h": count("live_verdict", DAY, "s.data ->> 'what' = 'minor_visible'"),
    "ua_is_known_crawler": f"bool_or((s.data -> 'user_agent' -> 'crawler')::boolean) {where('profile_view', 7 * DAY)}",
    "sessions_7d": count("login", 7 * DAY),
    "reports_per_viewer_minute_5m": share(number("reports"), number("viewers"), where("live_minute", 5 * MINUTE)),
    "baseline_report_rate": share(number("reports"), number("viewers"), where(*_EARLIER, before=5 * MINUTE)),
    "baseline_gifts": f"5 * avg({number('gifts')}) {where(*_EARLIER, before=5 * MINUTE)}",
    # models answer in 0–1 or 0–100; the rules are written in 0–100
    "live_danger_score_5m": (
        f"round(max(CASE WHEN {number('score')} <= 1 THEN {number('score')} * 100 ELSE {number('score')} END) "
        + where("live_verdict", 5 * MINUTE, also="s.data ->> 'what' = 'danger'")
        + ")"
    ),
    "stream_fingerprint_match": f"bool_or(s.data ->> 'what' = 'restream') {where('live_verdict', HOUR)}",
    "claims_30d": count("claim", 30 * DAY),
    "risky_view_share_7d": share(
        f"{number('views')} * {number('risky_view_share')}", number("views"), where("earning_day", 7 * DAY)
    ),
    "rpm_change_7d": (
        f"avg({number('rpm')}) {where('earning_day', 7 * DAY)} "
        f"/ nullif(avg({number('rpm')}) {where('earning_day', 37 * DAY, before=7 * DAY)}, 0)"
    ),
    "earning_months": (
        "nullif(count(DISTINCT to_char(s.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM')) " + where("earning_day") + ", 0)"
    ),
    # divided by followers later
    "engagement_per_follower_7d": f"sum({number('reactions')}) {where('earning_day', 7 * DAY)}",
    "followers_gained_daily_30d": per_day("followers_gained", "engagement_burst", 30 * DAY),
    "credential_changes_24h": count("credential_change", DAY),
    "owner_reports_7d": count("owner_report", 7 * DAY, "s.data ->> 'reason' = 'hacked'"),
}

# Features that need a second level: a name, and a query over `s` that gives (at, value).
NESTED: dict[str, str] = {
    "top_domain": f"""SELECT DISTINCT ON (at) at, value FROM (
        SELECT s.at, d AS value, count(*) AS n FROM s, jsonb_array_elements_text(s.data -> 'domains') d
        WHERE s.kind = 'post' AND s.age < {DAY} AND jsonb_typeof(s.data -> 'domains') = 'array' GROUP BY 1, 2) x
        ORDER BY at, n DESC, value""",
    "mutual_contact_days_30d": f"""SELECT at, max(days) AS value FROM (
        SELECT s.at, s.data -> 'target' ->> 'person' AS target,
          count(DISTINCT (s.occurred_at AT TIME ZONE 'UTC')::date)
               FILTER (WHERE {number("replies")} > 0) AS days
        FROM s WHERE s.kind = 'message' AND s.age < {30 * DAY} AND s.data ? 'target' GROUP BY 1, 2) x GROUP BY 1""",
    "age_reporters_linked_share": f"""
        SELECT at, (max(n) FILTER (WHERE grp IS NOT NULL))::numeric / sum(n) AS value FROM (
        SELECT s.at, s.data ->> 'linked_group' AS grp, count(*) AS n
        FROM s WHERE s.kind = 'age_report' AND s.data ->> 'by' = 'user' AND s.age < {30 * DAY} GROUP BY 1,
          2) x GROUP BY 1""",
}

LINKS = f"""
WITH mine AS (SELECT account_id, kind, digest FROM risk_link WHERE account_id = ANY (%(accounts)s::uuid[])
              AND cut_at IS NULL AND kind IN ('device', 'payment', 'payout', 'phone', 'ip24')),
peers AS (
  SELECT m.account_id, m.kind, m.digest, n.peer, n.last_at, count(*) OVER (PARTITION BY m.account_id, m.kind,
    m.digest) AS crowd
  FROM mine m CROSS JOIN LATERAL (
    SELECT l.account_id AS peer, l.last_at FROM risk_link l
    WHERE l.kind = m.kind AND l.digest = m.digest AND l.cut_at IS NULL ORDER BY l.last_at DESC LIMIT {HUB}) n),
known AS (
  SELECT p.*, a.first_seen_at, coalesce(nullif(a.attributes ->> 'created_on', '')::timestamptz,
    a.first_seen_at) AS since,
    (SELECT count(*) FROM risk_signal c WHERE p.kind IN ('device', 'payment') AND c.account_id = p.peer
      AND c.kind = 'claim'
       AND c.occurred_at > %(as_of)s::timestamptz - interval '7 days') AS claims_7d,
    (SELECT count(*) FROM risk_signal c WHERE p.kind = 'payment' AND c.account_id = p.peer AND c.kind = 'claim'
       AND c.occurred_at > %(as_of)s::timestamptz - interval '30 days') AS claims_30d
  FROM peers p JOIN risk_account a ON a.id = p.peer),
by_value AS (
  SELECT account_id, kind, digest,
    count(*) FILTER (WHERE last_at > %(as_of)s::timestamptz - interval '30 days') AS month,
    count(*) AS ever,
    count(*) FILTER (WHERE first_seen_at > %(as_of)s::timestamptz - interval '1 hour') AS hour,
    bool_and(since < %(as_of)s::timestamptz - interval '365 days') AND count(*) = 2 AS household,
    sum(claims_7d) AS claims_7d, sum(claims_30d) AS claims_30d
  FROM known GROUP BY account_id, kind, digest),
enforced AS (
  SELECT p.account_id, p.peer, st.policy, st.at FROM peers p JOIN risk_standing st ON st.account_id = p.peer
  WHERE p.peer <> p.account_id AND p.kind IN {STRONG} AND (p.crowd <= {CROWD} OR p.kind = 'payout')
    AND st.outcome IN ('suspend', 'ban') AND st.lifted_at IS NULL AND st.at <= %(as_of)s::timestamptz),
removed AS (
  SELECT e.account_id,
    count(DISTINCT e.peer) FILTER (WHERE e.at > %(as_of)s::timestamptz - interval '30 days') AS strong_30d,
    count(DISTINCT e.peer) FILTER (WHERE e.at > %(as_of)s::timestamptz - interval '180 days') AS strong_180d,
    min(extract(epoch FROM %(as_of)s::timestamptz - e.at) / {DAY})::int AS days,
    bool_or((SELECT bool_or(own.policy = e.policy) FROM risk_standing own
             WHERE own.account_id = e.account_id AND own.policy <> ''))  -- null where nothing was decided about it yet
      FILTER (WHERE e.at > %(as_of)s::timestamptz - interval '180 days') AS same_policy
  FROM enforced e GROUP BY e.account_id),
shared AS (
  SELECT e.account_id, count(DISTINCT mine.data -> 'target' ->> 'person') AS targets
  FROM (SELECT DISTINCT account_id, peer FROM enforced) e
  JOIN risk_signal mine ON mine.account_id = e.account_id AND mine.kind = 'message' AND mine.data ? 'target'
    AND mine.occurred_at > %(as_of)s::timestamptz - interval '7 days'
  JOIN risk_signal theirs ON theirs.account_id = e.peer AND theirs.kind = 'message'
    AND theirs.data -> 'target' ->> 'person' = mine.data -> 'target' ->> 'person'
  GROUP BY e.account_id)
SELECT v.account_id,
  max(v.month) FILTER (WHERE v.kind = 'device') AS accounts_on_device_30d,
  max(v.ever) FILTER (WHERE v.kind = 'payout') AS accounts_on_payout,
  bool_or(v.household) FILTER (WHERE v.kind = 'device') AS household_link,
  max(v.hour) FILTER (WHERE v.kind = 'ip24') AS signups_on_ip24_1h,
  nullif(max(v.claims_7d) FILTER (WHERE v.kind = 'device'), 0) AS claims_on_device_7d,
  nullif(max(v.claims_30d) FILTER (WHERE v.kind = 'payment'), 0) AS claims_on_payment_30d,
  nullif(max(r.strong_30d), 0) AS enforced_links_strong_30d,
  nullif(max(r.strong_180d), 0) AS enforced_links_strong_180d,
  bool_or(r.same_policy) AS enforced_link_same_policy,
  min(r.days) AS days_since_linked_enforcement,
  max(t.targets) AS shared_targets_with_enforced_7d
FROM by_value v LEFT JOIN removed r ON r.account_id = v.account_id LEFT JOIN shared t ON t.account_id = v.account_id
GROUP BY v.account_id"""

REFERRALS = """
WITH RECURSIVE claims AS (
  SELECT s.account_id, a.platform, a.external_id, s.data ->> 'referrer' AS referrer FROM risk_signal s
  JOIN risk_account a ON a.id = s.account_id
  WHERE s.account_id = ANY (%(accounts)s::uuid[]) AND s.kind = 'claim' AND s.data ? 'referrer'
    AND s.occurred_at > %(as_of)s::timestamptz - interval '30 days'),
walk (start, platform, goal, at, depth) AS (
  SELECT account_id, platform, external_id, referrer, 1 FROM claims
  UNION
  SELECT w.start, w.platform, w.goal, s.data ->> 'referrer', w.depth + 1 FROM walk w
  JOIN risk_account up ON up.platform = w.platform AND up.external_id = w.at
  JOIN risk_signal s ON s.account_id = up.id AND s.kind = 'claim' AND s.data ? 'referrer'
    AND s.occurred_at > %(as_of)s::timestamptz - interval '30 days'
  WHERE w.at <> w.goal AND w.depth < 20),
cycles AS (SELECT start AS account_id, min(depth) AS size FROM walk WHERE at = goal GROUP BY start),
referred AS (
  SELECT me.id AS account_id, s.account_id AS who, min(s.occurred_at) AS at FROM risk_account me
  JOIN risk_signal s ON s.kind = 'claim' AND s.data ->> 'referrer' = me.external_id
    AND s.occurred_at > %(as_of)s::timestamptz - interval '7 days'
      AND s.occurred_at <= %(as_of)s::timestamptz + interval '5 minutes'
  JOIN risk_account them ON them.id = s.account_id AND them.platform = me.platform
  WHERE me.id = ANY (%(accounts)s::uuid[]) GROUP BY 1, 2),
fans AS (
  SELECT account_id, count(*) AS fanout,
    avg((EXISTS (SELECT 1 FROM risk_signal s WHERE s.account_id = r.who
      AND s.occurred_at > r.at + interval '3 days'))::int)
      FILTER (WHERE r.at < %(as_of)s::timestamptz - interval '3 days') AS active
  FROM referred r GROUP BY account_id)
SELECT coalesce(c.account_id, f.account_id), c.size AS referral_cycle_size_30d, f.fanout AS referral_fanout_7d,
       f.active AS referred_active_share_7d
FROM cycles c FULL JOIN fans f ON f.account_id = c.account_id"""

STANDINGS = """
SELECT account_id,
  sum(strikes) FILTER (WHERE strikes_until > %(as_of)s::timestamptz)::int AS strikes_active,
  sum(strikes) FILTER (WHERE strikes_until > %(as_of)s::timestamptz
    AND risk_type = 'bullying')::int AS strikes_active_bullying,
  count(*) FILTER (WHERE strikes > 0 AND risk_type = 'live_room' AND at > %(as_of)s::timestamptz - interval '180 days')
    AS live_strikes_180d
FROM risk_standing WHERE account_id = ANY (%(accounts)s::uuid[]) AND lifted_at IS NULL AND at <= %(as_of)s::timestamptz
GROUP BY account_id"""

LINKED = frozenset(
    {
        "accounts_on_device_30d",
        "accounts_on_payout",
        "household_link",
        "signups_on_ip24_1h",
        "claims_on_device_7d",
        "claims_on_payment_30d",
        "enforced_links_strong_30d",
        "enforced_links_strong_180d",
        "enforced_link_same_policy",
        "days_since_linked_enforcement",
        "shared_targets_with_enforced_7d",
    }
)
REFERRED = frozenset({"referral_cycle_size_30d", "referral_fanout_7d", "referred_active_share_7d"})
DECIDED = frozenset({"strikes_active", "strikes_active_bullying", "live_strikes_180d"})
OF_ACCOUNT = frozenset({"account", "not account", "region table"})


def of_signals(feature: FeatureDef) -> bool:
    """Whether a feature is an aggregate over the account's own signals."""
    if feature.name in SPECIAL or feature.name in NESTED:
        return True
    return bool(feature.field) and feature.kind not in OF_ACCOUNT and feature.name not in LINKED | REFERRED


@cache
def signals_sql(names: frozenset[str]) -> str:
    """The statement that gives these features of a batch of accounts from their signals: (place, objects) rows.

    Empty where none of them comes from signals.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        if name not in NESTED and of_signals(FEATURES[name]):
            sql = SPECIAL.get(name) or generic(FEATURES[name])
            found = _KINDS.search(sql)
            groups.setdefault(f" WHERE {found[0]}" if found else "", []).append(f"'{name}', {sql}")
    parts = [PART.format(columns=", ".join(columns), kinds=kinds) for kinds, columns in groups.items()]
    parts += [NESTED_PART.format(name=name, query=NESTED[name]) for name in sorted(names & NESTED.keys())]
    return SIGNALS.format(parts="\nUNION ALL ".join(parts)) if parts else ""


_KINDS = re.compile(r"s\.kind (= '\w+'|IN \([^)]*\))")


def needs(names: Collection[str], group: frozenset[str]) -> bool:
    """Whether one of a group of features is asked for."""
    return not group.isdisjoint(names)
