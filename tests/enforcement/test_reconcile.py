"""Is the platform compared with what should be true, and only our own loss put right?"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from moderation.enforcement import actions, reconciling
from moderation.enforcement.models import AccountSequence, Backend, Enforcement, Finding
from portal.audit.models import AuditEvent
from tests.conftest import NOON
from tests.make import change

from .world import account, released_decision

DAY = timedelta(days=1)


def soon():
    """Later than anything was ordered: by the database's clock, which sets when an account is looked at."""
    return AccountSequence.objects.order_by("-look_at").values_list("look_at", flat=True)[0] + timedelta(seconds=1)


def look():
    return reconciling.reconcile(soon() + timedelta(minutes=2))


def drain(action):
    actions.drain(action.account_id, now=soon())


def standing(action):
    return AccountSequence.objects.get(pk=action.account_id)


def events(kind):
    return AuditEvent.objects.filter(type=kind)


@pytest.fixture
def suspended(ordered, platform):
    action = ordered("suspend")
    actions.drain(action.account_id, now=NOON)
    return action


def state(platform, action):
    return platform.ledger.holder("main", action.account.external_id).state


def test_what_stands_as_ordered_is_left_alone(suspended, platform):
    assert look() == 1

    assert (standing(suspended).found, standing(suspended).said) == ("same", "")
    assert Enforcement.objects.count() == 1
    assert not events("drift.found").exists()


def test_it_is_looked_at_a_quarter_of_an_hour_after_the_order_and_then_once_a_day(suspended, platform):
    at = standing(suspended).look_at

    assert reconciling.reconcile(at - timedelta(seconds=1)) == 0
    assert reconciling.reconcile(at) == 1
    assert reconciling.reconcile(at + DAY - timedelta(seconds=1)) == 0
    assert reconciling.reconcile(at + DAY) == 1


def test_our_lost_effect_is_ordered_again_by_the_same_road(suspended, platform):
    platform.ledger.lose("main", suspended.account.external_id, 0)

    look()

    heal = Enforcement.objects.get(parent=suspended)
    assert (heal.kind, heal.seq, heal.status, heal.decision_id) == ("suspend", 2, "queued", suspended.decision_id)
    assert standing(suspended).found == "lost"
    assert json.loads(bytes(events("drift.found").get().payload))["facts"]["verdict"] == "lost"
    assert f"enforcement:{suspended.pk}" in events("enforcement.ordered").get(subjects__0=heal.audit_name).subjects
    drain(heal)
    assert state(platform, suspended)["suspended"] is True
    look()
    assert standing(suspended).found == "same"
    assert events("drift.ended").count() == 1
    assert Enforcement.objects.count() == 2
    assert not Finding.objects.exists()


def test_a_loss_after_a_heal_is_healed_once_more(suspended, platform):
    for _ in range(2):
        platform.ledger.lose("main", suspended.account.external_id, 0)
        look()
        drain(suspended)

    assert list(Enforcement.objects.order_by("seq").values_list("seq", "status")) == [
        (1, "applied"), (2, "applied"), (3, "applied"),
    ]  # fmt: skip
    assert state(platform, suspended)["suspended"] is True


def test_a_lost_lift_is_healed_as_a_lift(suspended, ordered, platform):
    lift = ordered("unsuspend", account=suspended.account, parent=suspended)
    drain(lift)
    platform.ledger.lose("main", suspended.account.external_id, 1)

    look()

    assert Enforcement.objects.get(parent=lift).kind == "unsuspend"


def test_several_lost_effects_come_back_in_their_order(suspended, ordered, platform):
    drain(ordered("restrict", account=suspended.account, scope="live"))
    platform.ledger.lose("main", suspended.account.external_id, 0)

    look()
    drain(suspended)

    assert list(Enforcement.objects.filter(seq__gt=2).order_by("seq").values_list("kind", "scope")) == [
        ("suspend", ""), ("restrict", "live"),
    ]  # fmt: skip
    assert state(platform, suspended)["restricted"] == ["live"]


def test_a_notice_that_was_lost_is_not_sent_twice(ordered, platform):
    action = ordered("warn")
    actions.drain(action.account_id, now=NOON)
    platform.ledger.lose("main", action.account.external_id, 0)

    look()

    assert Enforcement.objects.count() == 1


@pytest.mark.parametrize("hand", [{"suspended": False}, {"banned": True}, {"restricted": ["posts"]}], ids=str)
def test_anothers_hand_is_reported_once_and_never_undone(suspended, platform, hand):
    platform.ledger.other_hand("main", suspended.account.external_id, hand)

    look()
    look()

    finding = Finding.objects.get()
    assert (finding.kind, finding.account_id) == ("drift", suspended.account_id)
    assert Enforcement.objects.count() == 1
    assert events("drift.found").count() == 1
    assert events("finding.raised").count() == 1


def test_a_hand_that_comes_back_is_reported_again(suspended, platform):
    for banned in (True, False, True):
        platform.ledger.other_hand("main", suspended.account.external_id, {"banned": banned})
        look()

    assert Finding.objects.count() == 2
    assert events("drift.ended").count() == 1


def test_nothing_is_healed_where_another_hand_was_at_work(suspended, platform):
    platform.ledger.lose("main", suspended.account.external_id, 0)
    platform.ledger.other_hand("main", suspended.account.external_id, {"banned": True})

    look()

    assert Enforcement.objects.count() == 1
    assert standing(suspended).found == "foreign"


def test_a_finding_names_measures_of_its_own_lane_only(ordered, platform):
    about = account()
    for lane, kind in (("general", "suspend"), ("minors", "require_age_check")):
        drain(ordered(kind, decision=released_decision(about, lane=lane)))
    platform.ledger.other_hand("main", about.external_id, {"suspended": False, "age_check": False})

    look()

    told = {row.enforcement.decision.case.lane: row.detail for row in Finding.objects.all()}
    assert set(told) == {"general", "minors"}
    assert "age" not in told["general"]
    assert "suspend" not in told["minors"]


def test_nothing_is_compared_while_an_action_is_open(suspended, ordered, platform):
    ordered("label", account=suspended.account)
    platform.ledger.lose("main", suspended.account.external_id, 0)

    look()

    assert Enforcement.objects.count() == 2
    assert standing(suspended).found == ""


def test_what_was_applied_a_moment_ago_is_given_time(suspended, platform):
    change(Enforcement.objects.all(), settled_at=soon() + timedelta(minutes=2))

    look()

    assert standing(suspended).found == ""


def test_what_was_ordered_while_we_read_is_looked_at_later(suspended, ordered, platform, monkeypatch):
    platform.ledger.lose("main", suspended.account.external_id, 0)
    read = reconciling.connector.read

    def slow(*given, **named):
        told = read(*given, **named)
        ordered("unsuspend", account=suspended.account)
        return told

    monkeypatch.setattr(reconciling.connector, "read", slow)
    look()

    assert list(Enforcement.objects.order_by("seq").values_list("kind", flat=True)) == ["suspend", "unsuspend"]
    assert standing(suspended).found == ""


def test_a_paused_backend_is_not_asked(suspended, platform, ben):
    actions.pause(Backend.objects.get(pk="platform"), by=ben, now=NOON, why="moving house")

    assert look() == 0


def test_a_backend_at_rest_is_not_asked_and_a_full_one_neither(suspended, platform, monkeypatch):
    Backend.objects.update(open_until=soon() + timedelta(minutes=2, seconds=9))
    assert look() == 0

    Backend.objects.update(open_until=None)
    monkeypatch.setattr(reconciling, "ask", lambda *_: [(None, None, NOON, 32)])
    assert look() == 0


def test_a_backend_that_is_away_is_left_alone_and_the_account_comes_back(suspended, settings):
    settings.PLATFORM_URL = "http://127.0.0.1:9"
    settings.ENFORCEMENT_HOSTS = ["127.0.0.1:9"]
    at = soon() + timedelta(minutes=2)

    assert reconciling.reconcile(at) == 0
    assert standing(suspended).found == ""
    assert at < standing(suspended).look_at <= at + reconciling.LEASE
    assert Backend.objects.get(pk="platform").window_failures == 1


def test_an_account_that_is_gone_is_no_drift(suspended, platform):
    platform.ledger.mark_gone("main", suspended.account.external_id, 410)

    look()

    assert standing(suspended).found == "gone"
    assert not Finding.objects.exists()


def test_gauges_say_who_differs_and_how_far_the_looking_has_come(suspended, platform):
    from moderation.insight.gauges import gauges

    platform.ledger.other_hand("main", suspended.account.external_id, {"banned": True})
    look()

    told = gauges().decode()
    assert 'reeve_drift_accounts{backend="platform",found="foreign"} 1.0' in told
    assert 'reeve_drift_compared{backend="platform"} 1.0' in told
    assert 'reeve_drift_late_seconds{backend="platform"} 0.0' in told


def test_an_erased_account_is_forgotten(suspended, platform):
    from risk.intake.models import Account

    Account.objects.filter(pk=suspended.account_id).update(erased_at=NOON)

    look()

    assert standing(suspended).look_at is None


def test_a_backend_that_cannot_be_read_back_is_not_compared():
    from dataclasses import replace

    from moderation.enforcement import connector

    shipped = connector.descriptions()
    assert all(reconciling.can_be_read(one) for one in shipped.values())
    assert not reconciling.can_be_read(replace(shipped["platform"], read_path=""))


def test_what_a_run_had_no_time_for_is_due_at_once(suspended, ordered, platform, monkeypatch):
    drain(ordered("label"))
    at = soon() + timedelta(minutes=2)
    monkeypatch.setattr(reconciling, "RUN_FOR", 0.0)
    assert reconciling.reconcile(at) == 0
    assert set(AccountSequence.objects.values_list("look_at", flat=True)) == {at}
    monkeypatch.setattr(reconciling, "RUN_FOR", 5.0)

    assert reconciling.reconcile(at) == 2
