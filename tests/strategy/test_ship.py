"""What is shipped? Eleven strategies, three lists, thirty-five kinds; twice is once, a change is a new version."""

from __future__ import annotations

from typing import Any

import pytest

from portal.audit.models import AuditEvent
from risk.intake.models import Account, SignalKind
from risk.strategy import actions, reading, shipped
from risk.strategy.features import ALWAYS_KNOWN, FEATURES
from risk.strategy.grammar import BadRule
from risk.strategy.models import NamedList, Version
from tests.make import NOON, make_row_account

TYPES = {
    "fake_account", "repeat_offender", "underage", "spam", "scraping", "bullying", "live_room", "incentive_fraud",
    "monetization_abuse", "fake_traffic", "account_takeover",
}  # fmt: skip


def test_it_ships_one_live_strategy_for_each_risk_type(system: Any) -> None:
    actions.ship(by=system, now=NOON)

    versions = {one.risk_type: one for one in reading.live()}
    assert set(versions) == TYPES
    assert sum(len(one.rules) for one in versions.values()) == 90
    assert (versions["live_room"].review, versions["bullying"].review, versions["spam"].review) == (30, 45, 50)
    assert (versions["underage"].lane, versions["underage"].severity, versions["underage"].trust) == (
        "minors",
        0,
        False,
    )
    assert dict(versions["repeat_offender"].caps) == {"device_link": 45}
    assert SignalKind.objects.count() == 35


def test_it_ships_the_named_lists(system: Any) -> None:
    actions.ship(by=system, now=NOON)

    lists = reading.lists(["disposable_email_domains", "phishing_domains", "approved_research_clients"])
    assert {"mailbin.example", "mailinator.com"} <= set(lists["disposable_email_domains"])
    assert len(lists["disposable_email_domains"]) > 5000
    assert (len(lists["phishing_domains"]), "premio-centro.example" in lists["phishing_domains"]) == (12, True)
    assert (len(lists["approved_research_clients"]), "uni-reach-lab" in lists["approved_research_clients"]) == (2, True)


def test_shipping_twice_changes_nothing_and_says_so(system: Any) -> None:
    assert actions.ship(by=system, now=NOON) > 0
    events = AuditEvent.objects.count()

    assert actions.ship(by=system, now=NOON) == 0
    assert AuditEvent.objects.count() == events


def test_a_changed_strategy_is_a_new_version_and_everything_is_scored_again(
    system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.ship(by=system, now=NOON)
    make_row_account()
    told = shipped.shipped_strategies()
    spam = next(one for one in told if one["risk_type"] == "spam")
    spam["rules"][0]["points"] = 31
    monkeypatch.setattr(shipped, "shipped_strategies", lambda: told)

    assert actions.ship(by=system, now=NOON) == 1

    versions = Version.objects.filter(strategy__risk_type="spam").order_by("number")
    assert [(one.number, one.status) for one in versions] == [(1, "retired"), (2, "live")]
    assert Account.objects.get().stale_at == NOON


def test_a_changed_list_is_a_new_version_of_the_list(system: Any) -> None:
    actions.publish_list("hosts", ["a.example"], by=system, now=NOON)
    actions.publish_list("hosts", ["a.example", "b.example"], by=system, now=NOON)

    assert list(NamedList.objects.order_by("version").values_list("version", "in_force")) == [(1, False), (2, True)]
    assert reading.lists(["hosts"]) == {"hosts": ["a.example", "b.example"]}


def test_a_rule_that_is_no_condition_is_not_shipped(system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = shipped.shipped_strategies()
    told[0]["rules"][0]["when"] = "shoe_size > 45"
    monkeypatch.setattr(shipped, "shipped_strategies", lambda: told)

    with pytest.raises(BadRule, match="shoe_size"):
        actions.ship(by=system, now=NOON)


def test_every_rule_uses_declared_features_and_three_features_are_used_by_none(system: Any) -> None:
    actions.ship(by=system, now=NOON)

    used = {name for one in reading.live() for name in one.features}
    assert used <= set(FEATURES)
    assert set(FEATURES) - used == {"handle_digits", "listed_count", "model_spam_24h", "monetized", "is_protected"}
    assert set(FEATURES) >= ALWAYS_KNOWN


def test_the_catalogue_says_every_rule_in_words(system: Any) -> None:
    actions.ship(by=system, now=NOON)

    rows = {row["risk_type"]: row for row in reading.catalogue()}
    rule = next(rule for rule in rows["spam"]["rules"] if rule["key"] == "sp_known_phishing")
    assert (rule["points"], rule["floor"], rule["features"]) == (30, 50, ["top_domain"])
    assert rows["spam"]["version"] == 1


def test_no_single_capped_group_reaches_review_unless_somebody_meant_it(system: Any) -> None:
    actions.ship(by=system, now=NOON)
    meant = {("underage", "reports")}  # five people's word, by a raised cap; live rooms have a low review on purpose

    for version in (one for one in reading.live() if one.risk_type != "live_room"):
        for group in {rule.group for rule in version.rules} - {"trust"}:
            most = min(version.caps.get(group, 30), sum(rule.points for rule in version.rules if rule.group == group))
            assert most < version.review or (version.risk_type, group) in meant
