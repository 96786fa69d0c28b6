"""What follows from what? The ladder, the second person, the fingerprint, and every shipped condition. Pure."""

from __future__ import annotations

import csv
import tomllib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moderation.cases import catalogue as cases
from moderation.decisions import catalogue
from moderation.decisions.approval import ALWAYS, may_give, needs_second_person
from moderation.decisions.effects import OUTCOMES
from moderation.decisions.ladder import Rung, overrides, proposed
from moderation.decisions.word import Word
from moderation.enforcement.kinds import OPPOSITE
from risk.strategy import language
from tests.make import NOON

WORKFLOWS = tomllib.loads((cases.DEFAULTS / "workflows.toml").read_text())
POLICIES = tomllib.loads((catalogue.DEFAULTS / "policies.toml").read_text())["policy"]
CODES = list(csv.DictReader((catalogue.DEFAULTS / "reason_codes.csv").read_text().splitlines()))
ALL = ("warn", "suspend", "ban")


@pytest.mark.parametrize(
    ("strikes", "weight", "rung"),
    [
        (0, 1, Rung("warn")),
        (0, 2, Rung("suspend", 3)),
        (1, 1, Rung("suspend", 3)),
        (1, 2, Rung("suspend", 7)),
        (3, 1, Rung("suspend", 30)),
        (4, 1, Rung("ban")),
        (9, 2, Rung("ban")),
        (3, 0, None),
    ],
)
def test_the_ladder_counts_what_stands_and_what_is_added(strikes, weight, rung):
    assert proposed(strikes=strikes, weight=weight, allowed=ALL) == rung


def test_the_ladder_proposes_nothing_the_workflow_lacks():
    assert proposed(strikes=0, weight=1, allowed=("suspend", "ban")) is None


def test_another_length_leaves_the_rung_but_an_hour_does_not():
    week = Rung("suspend", 7)

    assert not overrides(week, outcome="suspend", until=NOON + timedelta(days=7, hours=-1), now=NOON)
    assert overrides(week, outcome="suspend", until=NOON + timedelta(days=8), now=NOON)
    assert overrides(week, outcome="warn", until=None, now=NOON)
    assert not overrides(week, outcome="label", until=None, now=NOON)  # not on the ladder
    assert not overrides(None, outcome="ban", until=None, now=NOON)


@pytest.mark.parametrize("approval", [{}, {"ban": "never"}, {"ban": "account_age_days >= 30"}])
def test_every_ban_needs_two_whatever_the_workflow_says(approval):
    assert needs_second_person(approval, "ban", {})[0]


def test_what_nobody_told_us_asks_for_nobody():
    approval = {"demonetize": "balance_minor >= 50000"}

    assert needs_second_person(approval, "demonetize", {"balance_minor": 50_000})[0]
    assert not needs_second_person(approval, "demonetize", {"balance_minor": 49_999})[0]
    assert not needs_second_person(approval, "demonetize", {"balance_minor": None})[0]


def test_always_and_never_mean_it():
    assert needs_second_person({"suspend": "always"}, "suspend", {}) == (
        True,
        "The workflow asks for a second person for every suspend.",
    )
    assert needs_second_person({"suspend": "never"}, "suspend", {}) == (False, "")
    assert needs_second_person({}, "warn", {}) == (False, "")


def test_the_second_word_is_a_leads_or_in_the_lanes_a_specialists():
    assert may_give(lane="general", roles={"lead"})
    assert not may_give(lane="general", roles={"specialist"})
    assert may_give(lane="minors", roles={"specialist"})
    assert not may_give(lane="minors", roles={"reviewer", "auditor"})


@pytest.mark.parametrize("risk_type", WORKFLOWS)
def test_every_shipped_condition_can_be_asked(risk_type):
    workflow = WORKFLOWS[risk_type]

    assert set(workflow["outcomes"]) <= set(OUTCOMES)
    assert set(workflow.get("pending", {})) <= set(workflow["outcomes"])
    for outcome, condition in workflow["approval"].items():
        assert outcome in {*OUTCOMES, "bulk"}
        if condition not in ("always", "never"):
            assert language.holds(condition, {"until_days": 1, "followers_count": 1}) in (True, False, None)


def test_every_shipped_reason_belongs_to_a_workflow_and_a_policy():
    codes = {policy["id"] for policy in POLICIES}

    assert len(codes) == len(POLICIES) == 28
    assert len(CODES) == 44
    for code in CODES:
        assert code["workflow"] in {*WORKFLOWS, "any"}
        assert code["policy"] in {*codes, ""}
        assert code["label"] in {"positive", "negative", "none"}


def test_keys_are_not_given_twice_in_a_workflow():
    shared = {code["key"] for code in CODES if code["workflow"] == "any"}

    for workflow in WORKFLOWS:
        keys = [code["key"] for code in CODES if code["workflow"] == workflow]
        assert len(keys) == len(set(keys))
        assert not shared & set(keys)


def test_each_effect_is_undone_by_what_the_backend_calls_its_opposite():
    for effect in OUTCOMES.values():
        assert OPPOSITE.get(effect.sends, "") == effect.reversal


def test_only_bans_are_always_two():
    assert {"ban"} == ALWAYS


words = st.builds(
    Word,
    outcome=st.sampled_from(sorted(OUTCOMES)),
    reason_code=st.sampled_from(["a", "b"]),
    policy=st.sampled_from(["", "p"]),
    note=st.text(max_size=5),
    answers=st.dictionaries(st.sampled_from("12"), st.text(max_size=3), max_size=2),
    evidence=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    until=st.sampled_from([None, NOON, NOON + timedelta(days=1)]),
    scope=st.sampled_from(["", "live"]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may share the machine
@given(words, words, st.integers(1, 3), st.integers(1, 3))
def test_two_words_have_one_fingerprint_only_if_they_are_the_same(one, other, case, version):
    same = one == other

    assert (one.fingerprint(case=case, version=version) == other.fingerprint(case=case, version=version)) is same
    assert one.fingerprint(case=case, version=1) != one.fingerprint(case=case, version=2)
