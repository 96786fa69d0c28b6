"""Do the bars of a score say what its rows add up to?"""

from __future__ import annotations

from moderation.desk.gauge import contributions, missing, said


def reason(rule, points, before, group="content", **detail):
    return {
        "rule": rule,
        "group": group,
        "title": f"{rule} fired",
        "points": points,
        "before_cap": before,
        "detail": detail,
    }


def test_all_bars_grow_from_one_zero():
    up, down = contributions([reason("a", 30, 30), reason("t", -10, -10, group="trust")], raw=20)
    assert up.x == down.x + down.w == 25.0
    assert up.w == 75.0


def test_it_shows_what_the_cap_took():
    first, second = contributions([reason("a", 15, 20), reason("b", 15, 20)], raw=30)
    assert first.note == "2 rules together capped at 30"
    assert second.note == ""
    assert first.ghost_w > 0
    assert second.points == "+15"


def test_without_a_rule_its_group_fills_up_to_the_cap():
    first, _, other = contributions(
        [reason("a", 15, 20), reason("b", 15, 20), reason("c", 30, 30, group="velocity")], raw=60
    )
    assert first.without == "50, review"  # 20 of the other rule are still below the cap of 30
    assert other.without == "30, watch"


def test_a_rule_that_pulls_back_is_said_with_a_true_minus():
    (row,) = contributions([reason("t", -15, -15, group="trust")], raw=-15)
    assert row.points == "−15"
    assert row.tone == "trust"
    assert row.without == "0, low"


def test_no_reasons_give_no_rows():
    assert contributions([], raw=0) == []


def test_values_are_said_for_people():
    assert said(None) == "not known"
    assert said(True) == "yes"
    assert said(12345) == "12\u202f345"
    assert said(0.256) == "0.26"


def test_a_rule_not_evaluated_names_what_is_missing():
    assert missing({"sp_known_phishing": ["top_domain"]}) == [("Known phishing", "top_domain")]
