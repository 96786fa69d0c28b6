"""Are those chosen whom somebody meant: by score, band, queue, label, rule, or by name?"""

from __future__ import annotations

import pytest

from moderation.bulk import choosing
from moderation.bulk.choosing import Filter, by_filter, by_list
from portal.refusal import Refused
from risk.intake.models import Account
from risk.scoring.models import Score
from tests.make import NOON, make_case, make_decision, make_row_account, make_score

pytestmark = pytest.mark.django_db


def chosen(**parts):
    return list(by_filter(Filter(**parts), risk_type="spam").ids)


def scored(*shown):
    return [make_score(make_row_account(), shown=points).account_id for points in shown]


def test_by_score_the_highest_first():
    low, high, between = scored(55, 90, 70)

    assert chosen() == [high, between, low]
    assert chosen(lowest=60) == [high, between]
    assert chosen(highest=70) == [between, low]
    assert chosen(lowest=70, highest=70) == [between]


def test_of_another_risk_nobody():
    make_score(make_row_account(), risk_type="bullying")

    assert chosen() == []


def test_an_older_score_and_one_made_elsewhere_choose_nobody():
    account = make_row_account()
    make_score(account, shown=90)
    make_score(account, shown=51)
    make_score(make_row_account(), model="spamnet-4", shown=99)

    assert chosen(lowest=60) == []


def test_by_band_and_platform():
    one, two = scored(80, 60)
    Score.objects.filter(account=one).update(band="high")
    Account.objects.filter(pk=two).update(platform="forum")

    assert chosen(band="high") == [one]
    assert chosen(platform="forum") == [two]


def test_by_the_queue_a_case_waits_in(ada):
    case = make_case()
    make_case(at="claimed", by=ada)
    scored(70)

    assert chosen(queue="spam") == [case.account_id]


def test_by_what_an_earlier_decision_said(ada):
    decision = make_decision(at="released", by=ada)
    scored(70)

    assert chosen(label="positive") == [decision.account_id]
    assert chosen(label="negative") == []


def test_by_the_rule_that_gave_points():
    (one,) = scored(70)

    assert chosen(rule="some_rule") == [one]
    assert chosen(rule="another_rule") == []


def test_whoever_was_erased_is_not_chosen():
    (one,) = scored(70)
    Account.objects.filter(pk=one).update(erased_at=NOON)

    assert chosen() == []


def test_more_than_a_group_holds_are_cut_and_it_says_so(monkeypatch):
    monkeypatch.setattr(choosing, "MOST", 2)
    scored(55, 90, 70)

    found = by_filter(Filter(), risk_type="spam")

    assert (len(found.ids), found.cut) == (2, True)
    assert by_filter(Filter(lowest=60), risk_type="spam").cut is False


def test_no_more_scores_are_looked_at_than_it_says(monkeypatch):
    monkeypatch.setattr(choosing, "SCAN", 2)
    lowest, *_ = scored(55, 90, 70)
    Account.objects.filter(pk=lowest).update(platform="forum")

    found = by_filter(Filter(platform="forum"), risk_type="spam")

    assert (found.ids, found.cut) == ((), True)


def test_it_takes_two_queries(django_assert_num_queries):
    scored(55, 90)

    with django_assert_num_queries(2):
        by_filter(Filter(platform="main", band="review", queue="spam", label="none", rule="x"), risk_type="spam")


def test_it_keeps_what_was_said_and_no_more():
    assert by_filter(Filter(band="high"), risk_type="spam").how == {"by": "filter", "band": "high"}
    assert Filter(lowest=60).says == {"lowest": 60}


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"band": "worst"}, "no band"),
        ({"label": "x"}, "no label"),
        ({"queue": "minors"}, "no queue"),
        ({"lowest": "-1"}, "0 to 100"),
        ({"lowest": "101"}, "0 to 100"),
        ({"lowest": "90", "highest": "10"}, "above the highest"),
        ({"rule": "a\x00"}, "no name has"),
    ],
)
def test_it_refuses_what_no_filter_is(said, match):
    with pytest.raises(Refused, match=match):
        choosing.filter_in(said)


def test_by_name_in_the_order_given():
    one, two = make_row_account(external_id="b"), make_row_account(external_id="a")

    assert by_list("b\n\n a \r\nb\n", platform="main").ids == (one.pk, two.pk)


def test_by_name_with_the_platform_beside_and_a_first_line_that_names_columns():
    one = make_row_account(external_id="b")

    found = by_list('platform,id\nmain,"b"\nforum,b\n', platform="")

    assert (found.ids, found.unknown) == ((one.pk,), 1)
    assert found.how == {"by": "list", "platforms": ["forum", "main"]}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b,c", "Line 1 is not"),
        ("a" * 400, "Line 1 is not"),
        ("\nb", "Line 2 says no platform"),
        ("a\x00", "no name"),
    ],
)
def test_it_refuses_a_list_it_cannot_read(text, match):
    with pytest.raises(Refused, match=match):
        by_list(text, platform="main" if "\x00" in text else "")


def test_it_refuses_more_names_than_a_group_holds(monkeypatch):
    monkeypatch.setattr(choosing, "MOST", 2)

    with pytest.raises(Refused, match="at most 2"):
        by_list("a\nb\nc", platform="main")
