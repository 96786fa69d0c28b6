"""Which queue, and how soon? Pure."""

from __future__ import annotations

import pytest

from moderation.cases.routing import Facts, Route, order_says, priority, risk_type_of, route

RULES = (
    Route(1, "kind IN ('age_report', 'age_statement') AND strategy_opens = TRUE", "minors", 0, True),
    Route(2, "kind = 'legal_notice'", "notices", 60, True),
    Route(3, "risk_type = 'spam'", "spam"),
    Route(4, "risk_type = 'bullying'", "mixed"),
    Route(5, "risk_type = 'scraping'", "mixed"),
    Route(6, "TRUE", "unrouted"),
)


@pytest.mark.parametrize(
    ("facts", "queue"),
    [
        (Facts(risk_type="spam"), "spam"),
        (Facts(kind="legal_notice", risk_type="spam"), "notices"),
        (Facts(kind="age_report", strategy_opens=True), "minors"),
        (Facts(kind="age_report", strategy_opens=False), "unrouted"),
        (Facts(kind="age_report"), "unrouted"),  # unknown is not true
        (Facts(), "unrouted"),
    ],
)
def test_it_takes_the_first_rule_that_holds(facts, queue):
    assert route(RULES, facts).to == queue


def test_it_says_so_where_no_rule_holds():
    assert route(RULES[:1], Facts(risk_type="spam")) is None


@pytest.mark.parametrize(
    ("urgency", "floor", "expected"), [(540, 0, 540), (100, 60, 600), (700, 60, 700), (1200, 0, 1000)]
)
def test_a_floor_lifts_and_never_lowers(urgency, floor, expected):
    assert priority(urgency, floor) == expected


def test_a_queue_of_one_risk_type_names_it():
    assert risk_type_of(RULES, "spam") == "spam"
    assert risk_type_of(RULES, "mixed") == ""
    assert risk_type_of(RULES, "notices") == ""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"priority": 540, "shown": 90, "must_review": False}, "0.6 × 90"),
        ({"priority": 1000, "shown": 100, "must_review": False}, "1 × 100"),
        ({"priority": 0, "shown": 60, "must_review": False}, "0 × 60"),
        ({"priority": 800, "shown": 0, "must_review": True}, "must be looked at, priority 80"),
        ({"priority": 0, "shown": 0, "must_review": True}, "must be looked at"),
        ({"priority": 200, "shown": 0, "must_review": False}, "priority 20"),
    ],
)
def test_it_says_why_a_case_stands_where_it_stands(given, says):
    assert order_says(**given) == says
