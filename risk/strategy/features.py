"""Which features are there? The registry: each declared once, with type, source, aggregate, window and data class.

A feature that nothing was told about is null, never zero. One that our signals cannot give may be *pushed*: an
attribute
of that name is used where the computed value is null and the push is not older than the window.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

UNITS = {"min": 60, "h": 3600, "d": 86_400}
# Known of every account without anybody telling: a rule over these alone is no reason to write a score down.
ALWAYS_KNOWN = frozenset({"strikes_active", "strikes_active_bullying", "live_strikes_180d", "min_age"})


@dataclass(frozen=True)
class FeatureDef:
    """A declared feature. `source` and `aggregate` say it in words; `asof` writes the SQL from the same names."""

    name: str
    type: str  # int, decimal, bool, text
    source: str
    aggregate: str
    window: str  # "24 h"; empty: no window
    data_class: str  # internal, confidential, restricted (personal), minor (only the minors lane reads it)

    @property
    def seconds(self) -> int | None:
        """The length of the window; None where there is none."""
        found = re.fullmatch(r"(\d+) (min|h|d)", self.window)
        return int(found[1]) * UNITS[found[2]] if found else None

    @property
    def of_account(self) -> bool:
        """Whether it is what an account says of itself, not something that happened."""
        return self.source.removeprefix("not ").startswith("account.")

    @property
    def kind(self) -> str:
        """The signal kind or other source it is computed from."""
        return self.source.partition(".")[0]

    @property
    def field(self) -> str:
        """The field of that kind; empty where the whole signal counts."""
        return self.source.partition(".")[2]


# Columns: feature, type, from, aggregate, window, class.
DECLARED = """\
account_age_days,int,account.created_on,age at event time,,internal
has_picture,bool,not account.default_profile_image,last,,internal
handle_digits,int,account.handle_digits,last,,internal
followers_count,int,account.followers_count,last,,internal
following_count,int,account.following_count,last,,internal
posts_count,int,account.posts_count,last,,internal
likes_given_count,int,account.likes_given_count,last,,internal
listed_count,int,account.listed_count,last,,internal
email_domain,text,account.email,domain of the last,,confidential
monetized,bool,account.monetized,last,,internal
is_protected,bool,account.is_protected,last,,confidential
balance_minor,int,payout.balance,last,,confidential
strikes_active,int,decisions,count not expired,180 d,confidential
strikes_active_bullying,int,decisions,count not expired,180 d,confidential
live_strikes_180d,int,decisions,count,180 d,confidential
accounts_on_device_30d,int,links device,distinct accounts,30 d,restricted
accounts_on_payout,int,links payout,distinct accounts,,restricted
household_link,bool,links device,2 accounts both older than 365 d,,restricted
signups_on_ip24_1h,int,links ip,distinct accounts,1 h,restricted
signup_network,text,registration.network,first,,confidential
login_network,text,login.network,last,7 d,confidential
requests_sent_7d,int,follow.sent,sum,7 d,internal
requests_refused_7d,int,follow.refused,sum,7 d,internal
near_duplicates_1h,int,post + message,sum,1 h,internal
posts_24h,int,post.posts,sum,24 h,internal
posts_daily_90d,decimal,post.posts,mean per day,90 d,internal
links_24h,int,post.links,sum,24 h,internal
links_90d_before,int,post.links,sum before the last day,90 d,internal
new_domain_share_24h,decimal,post,ratio,24 h,internal
top_domain,text,post.domains,most frequent,24 h,internal
messages_24h,int,message.sent,sum,24 h,internal
distinct_targets_24h,int,message.distinct_targets,sum,24 h,internal
replies_24h,int,message.replies,sum,24 h,internal
report_people_24h,int,user_report.reporter,distinct,24 h,internal
report_targets_7d,int,user_report.target,distinct,7 d,internal
trusted_notices_7d,int,trusted_notice,count,7 d,internal
model_spam_24h,int,scores spam,max,24 h,internal
texts_7d,int,text_verdict,count,7 d,internal
abusive_text_share_7d,decimal,text_verdict,share with abuse >= 0.8,7 d,internal
contacts_after_block_7d,int,contact_after_block,count,7 d,internal
private_info_items_7d,int,private_info,count,7 d,internal
pile_on_senders_1h,int,pile_on.senders_1h,max,1 h,internal
pile_on_started,bool,pile_on.started,any,24 h,internal
mutual_contact_days_30d,int,message,days with replies to the same target,30 d,internal
enforced_links_strong_30d,int,links of strength >= 0.8 to enforced accounts,distinct accounts,30 d,restricted
enforced_links_strong_180d,int,links of strength >= 0.8 to enforced accounts,distinct accounts,180 d,restricted
enforced_link_same_policy,bool,decisions of linked accounts,any,180 d,confidential
days_since_linked_enforcement,int,decisions of linked accounts,min,,confidential
content_similarity_to_enforced,decimal,pushed by upstream,last,7 d,internal
shared_targets_with_enforced_7d,int,message of both,distinct,7 d,confidential
reports_naming_evasion_7d,int,user_report reason evasion,distinct reporters,7 d,internal
declared_age,int,account.birth_date,years at event time,,minor
min_age,int,region table,last,,internal
stated_age_min_30d,int,age_statement.stated_age,min,30 d,minor
guardian_reports_90d,int,age_report by guardian or school,count,90 d,minor
trusted_age_notices_90d,int,age_report by trusted,count,90 d,minor
age_report_people_30d,int,age_report by user,distinct,30 d,minor
age_reporters_linked_share,decimal,age_report.linked_group,share of the largest group,30 d,minor
grade_words_30d,int,pushed by upstream,sum,30 d,minor
minor_graph_share,decimal,pushed by upstream,last,30 d,minor
minor_on_stream_flags_24h,int,live_verdict minor_visible,count,24 h,minor
profile_views_1h,int,profile_view.views,sum,1 h,internal
profile_views_24h,int,profile_view.views,sum,24 h,internal
distinct_viewed_24h,int,profile_view.distinct_targets,sum,24 h,internal
requests_1h,int,profile_view.requests,sum,1 h,internal
request_interval_cv_1h,decimal,profile_view.interval_cv,last,1 h,internal
ua_is_known_crawler,bool,profile_view.user_agent,any,7 d,internal
sessions_7d,int,login,count,7 d,internal
writes_7d,int,profile_view.writes,sum,7 d,internal
disallowed_paths_24h,int,profile_view.disallowed,sum,24 h,internal
api_client,text,profile_view.client,last,7 d,internal
reports_per_viewer_minute_5m,decimal,live_minute,reports / viewer minutes,5 min,internal
baseline_report_rate,decimal,live_minute of this host,mean,30 d,internal
viewers_5m,int,live_minute.viewers,max,5 min,internal
live_danger_score_5m,int,live_verdict danger,max,5 min,internal
gifts_5m,int,live_minute.gifts,sum,5 min,internal
baseline_gifts,decimal,live_minute of this host,mean per 5 min,30 d,internal
risky_viewer_share_5m,decimal,live_minute.risky_viewer_share,mean,5 min,internal
stream_fingerprint_match,bool,live_verdict restream,any,1 h,internal
reporters_linked_share_5m,decimal,live_minute.reporters_linked_share,mean,5 min,internal
claims_on_device_7d,int,links device + claim,count,7 d,restricted
claims_on_payment_30d,int,links payment + claim,count,30 d,restricted
claims_30d,int,claim,count,30 d,internal
seconds_to_claim_min_7d,int,claim.seconds_after_signup,min,7 d,internal
tasks_7d,int,task_batch.tasks,sum,7 d,internal
task_seconds_median_7d,decimal,task_batch.median_seconds,min,7 d,internal
referral_cycle_size_30d,int,claim.referrer,size of the smallest cycle,30 d,restricted
referral_fanout_7d,int,claim.referrer,accounts referred,7 d,internal
referred_active_share_7d,decimal,accounts referred,share active after 3 days,7 d,internal
risky_view_share_7d,decimal,earning_day,weighted mean,7 d,internal
views_7d,int,earning_day.views,sum,7 d,internal
watch_entropy_7d,decimal,earning_day.watch_entropy,mean,7 d,internal
rpm_change_7d,decimal,earning_day.rpm,last 7 d / 30 d before,7 d,internal
earnings_minor_7d,int,earning_day.amount,sum,7 d,confidential
earning_months,int,earning_day,months with earnings,,internal
payout_changed_7d,bool,payout.changed,any,7 d,confidential
engagement_per_follower_7d,decimal,earning_day + account,ratio,7 d,internal
unoriginal_share_30d,decimal,pushed by upstream,last,30 d,internal
engagement_burst_24h,int,engagement_burst.likes,sum,24 h,internal
burst_risky_share_24h,decimal,engagement_burst.risky_share,max,24 h,internal
burst_datacentre_share_24h,decimal,engagement_burst.datacentre_share,max,24 h,internal
followers_gained_24h,int,engagement_burst.followers_gained,sum,24 h,internal
followers_gained_daily_30d,decimal,engagement_burst.followers_gained,mean per day,30 d,internal
views_24h,int,engagement_burst.views,sum,24 h,internal
view_seconds_median_24h,decimal,pushed by upstream,last,24 h,internal
liker_overlap_24h,decimal,pushed by upstream,last,24 h,internal
featured_24h,bool,engagement_burst.featured,any,24 h,internal
credential_changes_24h,int,credential_change,count,24 h,internal
change_from_new_device,bool,credential_change.from_new_device,any,24 h,internal
login_country_changed_24h,bool,login.country_changed,any,24 h,confidential
login_new_device_24h,bool,login.new_device,any,24 h,internal
login_mfa_24h,bool,login.mfa,any,24 h,internal
owner_reports_7d,int,owner_report reason hacked,count,7 d,internal
"""

FEATURES: dict[str, FeatureDef] = {row[0]: FeatureDef(*row) for row in csv.reader(DECLARED.splitlines())}
TYPES: dict[str, str] = {feature.name: feature.type for feature in FEATURES.values()}


def fits(name: str, value: object) -> bool:
    """Whether a value is of the feature's type: a pushed value that is not counts as missing."""
    kind = TYPES[name]
    if kind == "bool":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "text":
        return isinstance(value, str)
    return isinstance(value, int) if kind == "int" else isinstance(value, int | float)
