"""What do features say? Windows, shares, people, links, referrals, pushes; what nobody told is null."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from risk.intake import actions as intake
from risk.intake.models import Account, Link
from risk.strategy import reading
from risk.strategy.features import FEATURES, TYPES
from tests.make import NOON, make_signal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def told(system: Any) -> Any:
    """Tell signals and read the features of the first account named."""
    intake.ship(by=system, now=NOON)

    def tell(*raw: dict[str, Any], of: str = "a") -> dict[str, Any]:
        receipt = intake.ingest(list(raw), by=system, now=NOON, door="api")
        assert not receipt.rejected, receipt.rejected
        account = Account.objects.get(external_id=of)
        return reading.compute([account.pk], as_of=NOON)[account.pk]

    return tell


def sign(kind: str, ago: timedelta = MINUTE, account: str = "a", **parts: Any) -> dict[str, Any]:
    return make_signal(kind, account=account, at=NOON - ago, **parts)


def standing(
    name: str,
    *,
    by: Any,
    ago: timedelta = DAY,
    outcome: str = "ban",
    policy: str = "AUT-1.2",
    strikes: int = 2,
    of: str = "fake_account",
) -> None:
    account = Account.objects.get(external_id=name)
    intake.record_standing(
        account,
        decision_id=uuid.uuid4(),
        risk_type=of,
        policy=policy,
        outcome=outcome,
        strikes=strikes,
        at=NOON - ago,
        until=None,
        by=by,
    )


def test_there_are_the_features_of_the_page_each_with_a_type_a_class_and_sql_or_a_push(told: Any) -> None:
    row = told(sign("login"))

    assert set(row) == set(FEATURES)
    assert len(FEATURES) == 113
    assert {feature.data_class for feature in FEATURES.values()} == {"internal", "confidential", "restricted", "minor"}
    assert set(TYPES.values()) == {"int", "decimal", "bool", "text"}


def test_what_nobody_told_is_null_and_only_what_we_decide_is_nought(told: Any) -> None:
    row = told(sign("account"))

    known = {name: value for name, value in row.items() if value is not None}
    assert known == {"min_age": 13, "strikes_active": 0, "strikes_active_bullying": 0, "live_strikes_180d": 0}


def test_a_window_counts_what_lies_in_it_and_a_little_ahead(told: Any) -> None:
    row = told(
        sign("post", 23 * HOUR, data={"posts": 5, "links": 4, "new_domain_links": 1}),
        sign("post", -2 * MINUTE, data={"posts": 2, "links": 0, "new_domain_links": 0}),
        sign("post", 25 * HOUR, data={"posts": 100, "links": 9}),
        sign("message", 59 * MINUTE, data={"near_duplicates": 3}),
        sign("post", 61 * MINUTE, data={"near_duplicates": 50}),
    )

    assert (row["posts_24h"], row["links_24h"], row["links_90d_before"]) == (7, 4, 9)
    assert row["new_domain_share_24h"] == pytest.approx(0.25)
    assert row["near_duplicates_1h"] == 3
    assert row["posts_daily_90d"] == pytest.approx(100.0)  # one earlier day is known, so that day is what is usual


def test_people_are_counted_once_each(told: Any) -> None:
    row = told(
        *[sign("user_report", data={"reason": "spam", "reporter": who, "target": "t1"}) for who in ("r1", "r1", "r2")],
        sign("user_report", 2 * DAY, data={"reason": "evasion", "reporter": "r3", "target": "t2"}),
    )

    assert (row["report_people_24h"], row["report_targets_7d"], row["reports_naming_evasion_7d"]) == (2, 2, 1)


def test_the_last_the_first_and_the_most_frequent(told: Any) -> None:
    row = told(
        sign("registration", 9 * DAY, data={"network": "campus"}),
        sign("registration", 8 * DAY, data={"network": "mobile"}),
        sign("login", 2 * DAY, data={"network": "datacentre", "mfa": True}),
        sign("login", 3 * HOUR, data={"network": "residential", "mfa": False, "new_device": True}),
        sign("payout", 40 * DAY, data={"balance": 100}),
        sign("payout", 30 * DAY, data={"balance": 250, "changed": True}),
        sign("post", data={"domains": ["b.example", "A.example"]}),
        sign("post", data={"domains": ["a.example"]}),
    )

    assert (row["signup_network"], row["login_network"], row["sessions_7d"]) == ("campus", "residential", 2)
    assert (row["balance_minor"], row["payout_changed_7d"], row["top_domain"]) == (250, None, "a.example")
    assert (row["login_mfa_24h"], row["login_new_device_24h"]) == (False, True)


def test_a_live_room_is_held_against_its_own_usual(told: Any) -> None:
    before = [
        sign("live_minute", DAY + at * MINUTE, data={"viewers": 1000, "reports": 1, "gifts": 2}) for at in range(10)
    ]
    row = told(
        *before,
        sign("live_minute", 2 * MINUTE, data={"viewers": 900, "reports": 18, "gifts": 30, "risky_viewer_share": 0.5}),
        sign("live_minute", MINUTE, data={"viewers": 100, "reports": 2, "gifts": 10, "risky_viewer_share": 0.25}),
        sign("live_verdict", MINUTE, data={"what": "danger", "score": 0.91}),
    )

    assert row["reports_per_viewer_minute_5m"] == pytest.approx(0.02)
    assert row["baseline_report_rate"] == pytest.approx(0.001)
    assert (row["viewers_5m"], row["gifts_5m"], row["baseline_gifts"]) == (900, 40, pytest.approx(10))
    assert (row["risky_viewer_share_5m"], row["live_danger_score_5m"]) == (pytest.approx(0.375), 91)
    assert row["stream_fingerprint_match"] is False


def test_age_is_what_was_declared_and_reports_of_one_group_are_seen_as_one(told: Any) -> None:
    row = told(
        sign("account", attributes={"birth_date": "2010-05-05", "created_on": "2026-11-10"}),
        *[sign("age_report", data={"by": "user", "linked_group": "fans"}) for _ in range(3)],
        sign("age_report", data={"by": "user"}),
        sign("age_report", 40 * DAY, data={"by": "school"}),
        sign("age_statement", 3 * DAY, data={"where": "bio", "stated_age": 12}),
        sign("age_statement", 2 * DAY, data={"where": "bio", "stated_age": 11}),
    )

    assert (row["declared_age"], row["min_age"], row["stated_age_min_30d"], row["account_age_days"]) == (16, 13, 11, 10)
    assert (row["age_report_people_30d"], row["age_reporters_linked_share"]) == (4, pytest.approx(0.75))
    assert row["guardian_reports_90d"] == 1


def test_money_is_weighed_and_compared_with_the_month_before(told: Any) -> None:
    earlier = [
        sign("earning_day", (8 + 5 * at) * DAY, data={"views": 1000, "rpm": 100, "amount": 100}) for at in range(6)
    ]
    row = told(
        sign("account", attributes={"followers_count": 200}),
        *earlier,
        sign(
            "earning_day",
            DAY,
            data={"views": 9000, "rpm": 300, "amount": 2700, "risky_view_share": 0.5, "reactions": 500},
        ),
        sign("earning_day", 2 * DAY, data={"views": 1000, "rpm": 300, "amount": 300, "risky_view_share": 0.0}),
    )

    assert row["risky_view_share_7d"] == pytest.approx(0.45)
    assert (row["rpm_change_7d"], row["earnings_minor_7d"], row["views_7d"]) == (pytest.approx(3.0), 3000, 10_000)
    assert row["engagement_per_follower_7d"] == pytest.approx(2.5)
    assert row["earning_months"] == 2


def test_links_count_accounts_claims_and_who_was_removed(told: Any, system: Any) -> None:
    device, money = [("device", "d")], [("payment", "p")]
    told(
        *[sign("login", account=name, links=device) for name in ("a", "b", "c")],
        *[sign("claim", 2 * DAY, account=name, links=device + money, data={"campaign": "x"}) for name in ("b", "c")],
        sign("claim", HOUR, links=money, data={"campaign": "x"}),
    )
    standing("b", by=system, ago=9 * DAY, policy="AUT-1.2")
    standing("a", by=system, outcome="warn", policy="AUT-1.2", strikes=1)

    row = told(sign("login", links=device))

    assert (
        row["accounts_on_device_30d"],
        row["claims_on_device_7d"],
        row["claims_on_payment_30d"],
        row["claims_30d"],
    ) == (3, 3, 3, 1)
    assert (
        row["enforced_links_strong_30d"],
        row["enforced_links_strong_180d"],
        row["days_since_linked_enforcement"],
    ) == (1, 1, 9)
    assert (row["enforced_link_same_policy"], row["household_link"], row["strikes_active"]) == (True, False, 1)


def test_a_cut_link_and_a_lifted_standing_link_nobody(told: Any, system: Any) -> None:
    told(*[sign("login", account=name, links=[("device", "d")]) for name in ("a", "b")])
    standing("b", by=system)
    assert told(sign("login"))["enforced_links_strong_30d"] == 1

    decision = Account.objects.get(external_id="b").standings.get().decision
    assert intake.lift_standing(decision, by=system, now=NOON)
    assert told(sign("login"))["enforced_links_strong_30d"] is None

    Link.objects.filter(account__external_id="a").update(cut_at=NOON)
    assert told(sign("login"))["accounts_on_device_30d"] is None


def test_a_value_on_very_many_accounts_links_nobody(told: Any, system: Any) -> None:
    told(*[sign("login", account=name, links=[("device", "shop")]) for name in ["a", *(f"n{at}" for at in range(21))]])
    standing("n3", by=system)

    row = told(sign("login"))

    assert (row["accounts_on_device_30d"], row["enforced_links_strong_30d"]) == (22, None)


def test_two_old_accounts_on_one_device_are_a_household(told: Any) -> None:
    old = {"created_on": "2020-01-01"}
    told(*[sign("login", account=name, links=[("device", "tablet")], attributes=old) for name in ("a", "b")])

    assert told(sign("login"))["household_link"] is True


def test_sign_ups_of_the_last_hour_count_by_small_network(told: Any) -> None:
    told(
        *[sign("registration", 30 * MINUTE, account=f"n{at}", links=[("ip", f"198.51.100.{at}")]) for at in range(9)],
        of="n0",
    )
    told(sign("registration", 2 * HOUR, account="early", links=[("ip", "198.51.100.77")]), of="early")

    assert told(sign("registration", links=[("ip", "198.51.100.200")]))["signups_on_ip24_1h"] == 10


def test_a_circle_of_referrals_has_a_size_and_a_fan_has_its_rest(told: Any) -> None:
    ring = {"a": "b", "b": "c", "c": "a"}
    row = told(*[sign("claim", DAY, account=who, data={"referrer": whom}) for who, whom in ring.items()])
    assert (row["referral_cycle_size_30d"], row["referral_fanout_7d"]) == (3, 1)

    row = told(
        *[sign("claim", 5 * DAY, account=f"n{at}", data={"referrer": "a"}) for at in range(4)],
        sign("login", DAY, account="n0"),
    )
    assert (row["referral_fanout_7d"], row["referred_active_share_7d"]) == (5, pytest.approx(0.25))


def test_the_same_people_written_to_by_an_account_that_was_removed(told: Any, system: Any) -> None:
    told(
        *[sign("login", account=name, links=[("phone", "+1 202 555 0101")]) for name in ("a", "b")],
        *[sign("message", 20 * DAY, account="b", data={"target": f"t{at}"}) for at in range(5)],
        *[sign("message", DAY, account="a", data={"target": f"t{at}"}) for at in range(3, 9)],
    )
    standing("b", by=system)

    assert told(sign("login"))["shared_targets_with_enforced_7d"] == 2


def test_a_pushed_value_fills_what_is_null_while_it_is_fresh_and_of_its_type(told: Any) -> None:
    row = told(
        sign(
            "account",
            2 * HOUR,
            attributes={
                "posts_24h": 33,
                "profile_views_1h": 900,
                "liker_overlap_24h": "lots",
                "top_domain": "p.example",
            },
        ),
        sign("account", attributes={"minor_graph_share": 0.7, "accounts_on_payout": 4}),
    )

    assert (row["posts_24h"], row["top_domain"], row["accounts_on_payout"], row["minor_graph_share"]) == (
        33,
        "p.example",
        4,
        0.7,
    )
    assert row["profile_views_1h"] is None  # told two hours ago, for a window of one
    assert row["liker_overlap_24h"] is None  # a text is no decimal

    assert told(sign("post", data={"posts": 1}))["posts_24h"] == 1  # what we count ourselves counts


def test_it_asks_as_many_questions_for_a_hundred_accounts_as_for_one(
    told: Any, system: Any, django_assert_num_queries: Any
) -> None:
    told(*[sign("login", account=f"n{at}", links=[("device", f"d{at % 5}")]) for at in range(100)], of="n0")
    ids = list(Account.objects.values_list("pk", flat=True))
    for some in (ids[:1], ids):
        with django_assert_num_queries(5):
            assert len(reading.compute(some, as_of=NOON)) == len(some)
