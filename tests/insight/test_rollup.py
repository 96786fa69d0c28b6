"""Do the rollups count what happened, once, however often they are filled?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from moderation.decisions import actions as decisions
from moderation.insight import rollups
from moderation.insight.models import HourlyRollup
from tests import make
from tests.insight.conftest import apply, decide

HOUR = rollups.HOUR


def fill(now=None):
    rollups.fill(make.NOON - HOUR, make.NOON + 3 * HOUR, now=now or make.NOON)


def counted(measure: str) -> Counter[tuple[int, str]]:
    """The measure by hour after noon and what it is of."""
    rows = HourlyRollup.objects.filter(measure=measure).values_list("hour", "of", "n")
    return Counter({(round((hour - make.NOON) / HOUR), of): n for hour, of, n in rows})


def test_it_counts_by_the_hour_in_which_things_happened(ada):
    for minutes in (1, 2, 50, 58):
        decide(ada, minutes=minutes)

    fill()

    assert counted("opened") == {(0, "score"): 4}
    assert counted("closed") == {(0, "decided"): 3, (1, "decided"): 1}
    assert counted("decided") == {(0, "SPM-1.1"): 3, (1, "SPM-1.1"): 1}
    assert counted("decided_by") == {(0, str(ada.pk)): 3, (1, str(ada.pk)): 1}


def test_it_counts_once_however_often_it_is_filled(ada):
    decide(ada)
    fill()
    before = sorted(HourlyRollup.objects.values_list("measure", "hour", "lane", "queue", "of", "n"))

    fill()
    rollups.fill(make.NOON, make.NOON + HOUR, now=make.NOON)

    assert sorted(HourlyRollup.objects.values_list("measure", "hour", "lane", "queue", "of", "n")) == before


def test_it_leaves_hours_outside_the_asked_ones_alone(ada):
    decide(ada)
    fill()

    rollups.fill(make.NOON + HOUR, make.NOON + 2 * HOUR, now=make.NOON)

    assert counted("opened") == {(0, "score"): 1}


def test_it_does_not_count_what_was_taken_back_or_only_proposed(ada):
    undone = make.make_decision(at="held", by=ada)
    decisions.undo(undone, by=ada, now=make.later(seconds=5))
    make.make_decision(at="proposed", by=ada, case=make.make_case(at="claimed", by=ada))

    fill()

    assert counted("decided") == {}
    assert counted("undone_by") == {(0, str(ada.pk)): 1}


def test_it_counts_a_reversal_at_its_own_hour_and_against_who_decided(ada, ben):
    decision = decide(ada)
    decisions.reverse(decision, by=ben, now=make.later(hours=2), reason_code="not_violating", note="banter")

    fill()

    assert counted("reversed") == {(2, "SPM-1.1"): 1}
    assert counted("reversed_by") == {(2, str(ada.pk)): 1}
    assert counted("decided_by") == {(0, str(ada.pk)): 1}


def test_it_measures_handling_from_the_claim(ada):
    decide(ada, took=4)
    decide(ada, took=6)

    fill()

    assert counted("handled") == {(0, ""): 2}
    assert counted("handled_seconds") == {(0, ""): 600}


def test_it_judges_a_rule_by_decisions_that_say_yes_or_no(ada, ben):
    yes = decide(ada)
    decide(ada, outcome="no_action", reason_code="not_violating", note="friends")
    decide(ada, outcome="no_action", reason_code="insufficient_evidence", note="cannot tell")
    turned = decide(ada)
    decisions.reverse(turned, by=ben, now=make.later(hours=1), reason_code="not_violating", note="banter")
    version = make_version()
    from risk.scoring.models import Score

    Score.objects.update(version=version)

    fill()

    assert counted("rule_decided") == {(0, "spam v1 some_rule"): 3}
    assert counted("rule_confirmed") == {(0, "spam v1 some_rule"): 1}
    assert yes.label == "positive"


def make_version():
    from risk.strategy.models import Strategy, Version

    strategy = Strategy.objects.get(risk_type="spam")
    found = Version.objects.filter(strategy=strategy, number=1).first()
    found = found or Version.objects.create(strategy=strategy, number=1, severity="0.60", digest="0" * 64)
    make.tell(found)
    return found


def test_it_measures_effects_from_receipt(ada):
    decision = decide(ada)
    apply(decision, after=20)

    fill()

    (bucket,) = [int(of) for (_, of) in counted("effect_time")]
    from moderation.insight.figures import middle_of

    assert middle_of(bucket) == pytest.approx(20 * 60, rel=0.03)
    assert counted("settled") == {(0, "platform applied"): 1}


def test_it_takes_stock_of_what_waits(ada):
    for minutes in (-30, -150, -1500):
        make.make_case(now=make.later(minutes=minutes))
    make.make_case(at="claimed", by=ada)

    rollups.take_stock(now=make.NOON)

    stock = {
        (measure, of): n
        for measure, of, n in HourlyRollup.objects.values_list("measure", "of", "n")
        if measure != "stock"
    }
    assert stock["waiting", "review"] == 3
    assert (stock["age", "under 1 h"], stock["age", "1–4 h"], stock["age", "over 24 h"]) == (1, 1, 1)
    assert (stock["open", "waiting"], stock["open", "claimed"]) == (3, 1)
    assert stock["late", ""] == 1
    assert stock["oldest", ""] == int(make.later(minutes=-1500).timestamp())


def test_it_fills_for_a_reader_what_is_missing_and_nothing_twice(ada, django_assert_max_num_queries):
    decide(ada)
    rollups.freshen_for_reader(make.NOON - timedelta(hours=30), now=make.later(minutes=30))

    assert counted("opened") == {(0, "score"): 1}
    assert rollups.unfilled(make.NOON - timedelta(hours=30), now=make.later(minutes=30)) == []
    with django_assert_max_num_queries(3):
        rollups.freshen_for_reader(make.NOON - timedelta(hours=30), now=make.later(minutes=30, seconds=5))
