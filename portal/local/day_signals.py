"""Which signals give these features? Turns the features of a told account into things that somebody told us about it.

What signals can say is said by signals; what an upstream would count over more than we were told (who shares a device
with whom, what was usual over ninety days) is pushed as an attribute of the feature's name.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from .day_data import Flagged, texts

PLATFORM = "main"
ATTRIBUTES = (
    "followers_count", "following_count", "posts_count", "likes_given_count", "monetized", "is_protected",
)  # fmt: skip
# Features that a recipe below says by signals; every other one is pushed.
SAID = {
    "account_age_days", "has_picture", "email_domain", "declared_age", "signup_network", "login_network",
    "sessions_7d", "login_country_changed_24h", "login_new_device_24h", "login_mfa_24h", "requests_sent_7d",
    "requests_refused_7d", "posts_24h", "links_24h", "new_domain_share_24h", "top_domain", "near_duplicates_1h",
    "messages_24h", "distinct_targets_24h", "replies_24h", "report_people_24h", "report_targets_7d",
    "reports_naming_evasion_7d", "texts_7d", "abusive_text_share_7d", "contacts_after_block_7d", "pile_on_senders_1h",
    "pile_on_started", "mutual_contact_days_30d", "stated_age_min_30d", "guardian_reports_90d",
    "minor_on_stream_flags_24h", "profile_views_1h", "profile_views_24h", "distinct_viewed_24h", "requests_1h",
    "request_interval_cv_1h", "ua_is_known_crawler", "writes_7d", "disallowed_paths_24h", "api_client", "viewers_5m",
    "reports_per_viewer_minute_5m", "live_danger_score_5m", "gifts_5m", "risky_viewer_share_5m",
    "reporters_linked_share_5m", "claims_30d", "seconds_to_claim_min_7d", "tasks_7d", "task_seconds_median_7d",
    "views_7d", "risky_view_share_7d", "watch_entropy_7d", "earnings_minor_7d", "balance_minor", "payout_changed_7d",
    "engagement_burst_24h", "burst_risky_share_24h", "burst_datacentre_share_24h", "followers_gained_24h",
    "featured_24h", "credential_changes_24h", "change_from_new_device", "strikes_active", "strikes_active_bullying",
    "live_strikes_180d", *ATTRIBUTES,
}  # fmt: skip
CRAWLER = "Scrapy/2.11 (+https://trendlens.example/about)"

Deed = tuple[str, float, dict[str, Any], list[tuple[str, str]]]  # kind, minutes before, data, links


def signals_of(one: Flagged, at: datetime) -> list[dict[str, Any]]:
    """Everything told about an account up to the moment its case opens, oldest first; the same for the same account."""
    rng = random.Random(one.id)
    deeds = sorted(_deeds(one, rng), key=lambda deed: -deed[1])
    first: Deed = ("account", max([deed[1] for deed in deeds if deed[1] < 600] or [3.0]) + 0.2, {}, [])
    told = []
    for number, (kind, before, data, links) in enumerate([*deeds, first]):
        moment = at - timedelta(minutes=before) - timedelta(seconds=5)
        signal: dict[str, Any] = {
            "source": SOURCES.get(kind, "app"),
            "external_id": f"{one.id}-{number}",
            "kind": kind,
            "occurred_at": moment.isoformat(),
            "account": {"platform": PLATFORM, "id": one.id},
            "data": data,
            "links": [{"kind": link, "value": value} for link, value in links],
        }
        if kind == "account":
            signal["account"]["attributes"] = _attributes(one, at)
        told.append(signal)
    return told


SOURCES = {
    "user_report": "app-reports", "age_report": "app-reports", "text_verdict": "text-model",
    "live_verdict": "image-model",
    "live_minute": "live", "registration": "sign-up", "claim": "campaigns", "task_batch": "campaigns",
    "earning_day": "earnings", "payout": "earnings", "account": "accounts",
}  # fmt: skip


def _attributes(one: Flagged, at: datetime) -> dict[str, Any]:
    said: dict[str, Any] = {"handle": one.handle, "bio": one.bio, "country": one.region, "lang": one.lang}
    if one.display_name:
        said["display_name"] = one.display_name
    features = one.features
    if "account_age_days" in features:
        said["created_on"] = (at - timedelta(days=features["account_age_days"])).date().isoformat()
    if "has_picture" in features:
        said["default_profile_image"] = not features["has_picture"]
    if "email_domain" in features:
        said["email"] = f"{one.handle}@{features['email_domain']}"
    if "declared_age" in features:
        born = at - timedelta(days=round(365.25 * features["declared_age"]) + 120)
        said["birth_date"] = born.date().isoformat()
    said |= {name: features[name] for name in ATTRIBUTES if name in features}
    return said | {name: value for name, value in features.items() if name not in SAID}


def _deeds(one: Flagged, rng: random.Random) -> Iterator[Deed]:
    for recipe in (
        _sign_up, _logins, _follows, _posts, _messages, _reports, _conflict, _age, _views, _stream, _rewards, _money,
        _burst, _change,
    ):  # fmt: skip
        yield from recipe(one, one.features, rng)


def _sign_up(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    links = list(one.told.get("shares", {}).items())
    place = one.told.get("place", 0)
    before = 4 + rng.random() * 5
    if "devices" in one.told:
        links.append(("device", f"{one.told_by}-device-{place % one.told['devices']}"))
    if "ip" in one.told:
        links.append(("ip", one.told["ip"].format(n=20 + place)))
    if "signup_network" in has:
        data = {
            "app_version": "8.4.1",
            "method": "email",
            "network": has["signup_network"],
            "seconds": rng.randint(9, 80),
        }
        fresh = _just_signed_up(one) or has.get("account_age_days", 400) == 0
        yield "registration", before if fresh else 60 * 24 * min(has.get("account_age_days", 9), 12) + 60, data, links
    elif links:
        yield (
            "login",
            before,
            {"network": "residential", "new_device": False, "country_changed": False, "mfa": False},
            links,
        )


def _just_signed_up(one: Flagged) -> bool:
    return "ip" in one.told or "ip" in one.told.get("shares", {})


def _logins(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    wanted = ("sessions_7d", "login_network", "login_country_changed_24h", "login_new_device_24h", "login_mfa_24h")
    if not any(name in has for name in wanted):
        return
    for number in range(has.get("sessions_7d", 1)):
        yield "login", 20 + number * 900, {
            "network": has.get("login_network", "residential"),
            "new_device": has.get("login_new_device_24h", False) if number == 0 else False,
            "country_changed": has.get("login_country_changed_24h", False) if number == 0 else False,
            "mfa": has.get("login_mfa_24h", False),
        }, []  # fmt: skip


def _follows(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if sent := has.get("requests_sent_7d"):
        refused = has.get("requests_refused_7d", 0)
        data = {"sent": sent, "accepted": max(0, sent - refused - sent // 9), "refused": refused, "window_hours": 24}
        yield "follow", 1.5 if _just_signed_up(one) else 90, data, []


def _posts(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "posts_24h" not in has and "links_24h" not in has:
        return
    links = has.get("links_24h", 0)
    domains = [has["top_domain"]] if "top_domain" in has else []
    near = has.get("near_duplicates_1h", 0) if "messages_24h" not in has else 0
    data = {
        "posts": has.get("posts_24h", 0), "near_duplicates": near, "links": links,
        "new_domain_links": round(links * has.get("new_domain_share_24h", 0.0)), "domains": domains,
        "window_minutes": 50, "sample": _sample(one, rng),
    }  # fmt: skip
    yield "post", 12, data, []


def _messages(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "messages_24h" in has:
        data = {
            "sent": has["messages_24h"], "distinct_targets": has["distinct_targets_24h"], "replies": has["replies_24h"],
            "near_duplicates": has.get("near_duplicates_1h", 0), "window_minutes": 50, "sample": _sample(one, rng),
        }  # fmt: skip
        yield "message", 9, data, []
    target = one.told.get("target", f"friend-of-{one.id}")
    for day in range(has.get("mutual_contact_days_30d", 0)):
        data = {
            "sent": 4,
            "distinct_targets": 1,
            "replies": 3,
            "near_duplicates": 0,
            "window_minutes": 600,
            "target": target,
        }
        yield "message", 60 * 24 * (day + 2), data, []


def _reports(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    said = one.told.get("reports") or texts()["reports"].get(one.type, ["please look at this"])
    people, targets = has.get("report_people_24h", 0), has.get("report_targets_7d", 0)
    evasion = has.get("reports_naming_evasion_7d", 0)
    for number in range(max(people, targets, evasion)):
        data = {
            "reason": "evasion" if number < evasion else REASONS.get(one.type, "other"),
            "reporter": f"reporter-{one.id}-{number}", "text": said[number % len(said)], "language": one.lang,
        }  # fmt: skip
        if number < targets:
            data["target"] = one.told.get("target", f"target-{one.id}-{number}")
        yield "user_report", 2 + number * 1.5 if number < max(people, 1) else 60 * 30, data, []


REASONS = {"spam": "spam", "bullying": "harassment", "fake_account": "fake", "account_takeover": "hacked"}


def _conflict(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    target = one.told.get("target", f"target-{one.id}-0")
    count = has.get("texts_7d", 0)
    abusive = math.ceil(count * has.get("abusive_text_share_7d", 0) - 1e-9)
    for number in range(count):
        abuse = rng.uniform(0.82, 0.97) if number < abusive else rng.uniform(0.02, 0.3)
        data = {
            "item": f"t-{one.id}-{number}", "language": one.lang, "abuse": round(abuse, 2), "model": "textnet-2",
            "target": target,
        }  # fmt: skip
        if number < 4:
            data["excerpt"] = _sample(one, rng)
        yield "text_verdict", 14 + number * 70, data, []
    for number in range(has.get("contacts_after_block_7d", 0)):
        data = {
            "target": target,
            "item": f"c-{one.id}-{number}",
            "channel": "message",
            "minutes_since_block": 400 + number,
        }
        yield "contact_after_block", 30 + number * 600, data, []
    if "pile_on_senders_1h" in has:
        data = {"target": target, "senders_1h": has["pile_on_senders_1h"], "started": bool(has.get("pile_on_started"))}
        yield "pile_on", 8, data, []


def _age(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "stated_age_min_30d" in has:
        data = {"where": "bio", "stated_age": has["stated_age_min_30d"], "quote": _sample(one, rng)}
        yield "age_statement", 200, data, []
    letters = one.told.get("reports") or ["I am writing about my child's account."]
    for number in range(has.get("guardian_reports_90d", 0)):
        yield (
            "age_report",
            25 + number,
            {"by": "guardian", "stated_age": 11, "text": letters[number % len(letters)]},
            [],
        )
    for number in range(has.get("minor_on_stream_flags_24h", 0)):
        data = {
            "stream": f"live-{one.id}",
            "second": 310,
            "what": "minor_visible",
            "score": 0.9,
            "model": "image-3",
            "frame": f"f-{one.id}",
        }
        yield "live_verdict", 1 + number, data, []


def _views(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "profile_views_24h" not in has and "profile_views_1h" not in has:
        return
    hour, day = has.get("profile_views_1h", 0), has.get("profile_views_24h", 0)
    distinct = has.get("distinct_viewed_24h", min(day, hour))
    agent = CRAWLER if has.get("ua_is_known_crawler") else "Mozilla/5.0 (X11; Linux x86_64)"
    client, network = has.get("api_client"), has.get("login_network", "residential")
    shared = {"user_agent": agent, "network": network} | ({"client": client} if client else {})
    near = min(distinct, hour)
    rest = max(day - hour, 0)
    earlier = {
        "views": rest, "distinct_targets": distinct - near, "requests": rest, "writes": has.get("writes_7d", 0),
        "disallowed": has.get("disallowed_paths_24h", 0), "window_minutes": 900,
    }  # fmt: skip
    yield "profile_view", 120, earlier | shared, []
    latest = {
        "views": hour,
        "distinct_targets": near,
        "requests": has.get("requests_1h", hour),
        "writes": 0,
        "disallowed": 0,
        "window_minutes": 50,
    }
    cv = {"interval_cv": has["request_interval_cv_1h"]} if "request_interval_cv_1h" in has else {}
    yield "profile_view", 6, latest | shared | cv, []


def _stream(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "viewers_5m" not in has:
        return
    stream, viewers = f"live-{one.id}", has["viewers_5m"]
    yield "live_start", 31, {"stream": stream, "title": _sample(one, rng), "language": one.lang}, []
    minutes = 3
    reports = math.ceil(viewers * minutes * has.get("reports_per_viewer_minute_5m", 0) - 1e-9)
    gifts = has.get("gifts_5m", 0)
    for number in range(minutes):
        share = (
            {"reporters_linked_share": has["reporters_linked_share_5m"]} if "reporters_linked_share_5m" in has else {}
        )
        data = {
            "stream": stream, "viewers": viewers, "reports": reports // minutes + (number < reports % minutes),
            "gifts": gifts // minutes + (number < gifts % minutes), "chat_flags": 0,
            "risky_viewer_share": has.get("risky_viewer_share_5m", 0.0),
        }  # fmt: skip
        yield "live_minute", 3.2 - number, data | share, []
    if "live_danger_score_5m" in has:
        data = {
            "stream": stream,
            "second": 300,
            "what": "danger",
            "score": has["live_danger_score_5m"],
            "model": "image-3",
            "frame": f"f-{one.id}",
        }
        yield "live_verdict", 1.1, data, []


def _rewards(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    for number in range(has.get("claims_30d", 0)):
        wait = has.get("seconds_to_claim_min_7d", 900) + 40 * number
        yield (
            "claim",
            60 + 300 * number,
            {"campaign": "AUTUMN-10", "amount": 1000, "currency": "EUR", "seconds_after_signup": wait},
            [],
        )
    if "tasks_7d" in has:
        data: dict[str, Any] = {"campaign": "AUTUMN-10", "tasks": has["tasks_7d"]}
        if "task_seconds_median_7d" in has:
            data["median_seconds"] = has["task_seconds_median_7d"]
        yield "task_batch", 45, data, []


def _money(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "views_7d" in has:
        days, views, amount = 5, has["views_7d"], has.get("earnings_minor_7d", 0)
        for number in range(days):
            data = {
                "views": views // days + (number < views % days), "amount": amount // days + (number < amount % days),
                "risky_view_share": has.get("risky_view_share_7d", 0.1), "currency": "EUR",
                "watch_entropy": has.get("watch_entropy_7d", 2.5),
            }  # fmt: skip
            yield "earning_day", 60 * 24 * number + 300, data, []
    if "balance_minor" in has:
        data = {"balance": has["balance_minor"], "currency": "EUR", "changed": has.get("payout_changed_7d", False)}
        yield "payout", 400, data, []


def _burst(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    if "engagement_burst_24h" not in has:
        return
    data = {
        "item": f"p-{one.id}", "likes": has["engagement_burst_24h"], "window_minutes": 180,
        "followers_gained": has.get("followers_gained_24h", 0), "featured": has.get("featured_24h", False),
    }  # fmt: skip
    for name, feature in (("risky_share", "burst_risky_share_24h"), ("datacentre_share", "burst_datacentre_share_24h")):
        if feature in has:
            data[name] = has[feature]
    yield "engagement_burst", 40, data, []


def _change(one: Flagged, has: dict[str, Any], rng: random.Random) -> Iterator[Deed]:
    for number in range(has.get("credential_changes_24h", 0)):
        data = {
            "what": ("email", "password", "phone")[number % 3],
            "from_new_device": has.get("change_from_new_device", False),
            "minutes_since_login": 4,
        }
        yield "credential_change", 15 + number, data, []


def _sample(one: Flagged, rng: random.Random) -> str:
    said: str = one.told.get("sample") or rng.choice(texts()["samples"].get(one.type, ["[a short text]"]))
    return said.replace("{n}", str(rng.randint(10, 999)))
