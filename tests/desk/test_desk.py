"""Does the desk show what waits, what is next and what I did, at a bounded cost?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from moderation.cases import actions as cases
from moderation.decisions import actions as decisions
from tests.make import make_case, make_decision, ship_settings

pytestmark = pytest.mark.django_db


def page(client, address="/"):
    return client.get(address).content.decode()


def test_it_names_the_most_urgent_case_as_next(ada, at_desk, now):
    make_case(shown=55, now=now)
    make_case(shown=90, now=now, risk_type="fake_account")

    assert "Next: Fake accounts" in page(at_desk(ada))


def test_it_opens_the_next_case_at_start(ada, at_desk, now):
    case = make_case(shown=90, now=now)

    answer = at_desk(ada).post("/start/")

    assert answer["Location"] == f"/cases/{case.pk}/"
    case.refresh_from_db()
    assert case.claimed_by == ada


def test_it_says_when_nothing_waits(ada, at_desk):
    ship_settings()
    client = at_desk(ada)

    assert "Nothing waits for you" in page(client)
    assert client.post("/start/", follow=True).content.decode().count("Nothing waits in your queues") == 1


def test_it_counts_only_queues_that_are_mine(ada, at_desk, now):
    make_case(risk_type="underage", now=now)

    html = page(at_desk(ada))

    assert "Age and minors" not in html
    assert "Nothing waits for you" in html


def test_it_marks_what_is_late(ada, at_desk, now):
    make_case(now=now - timedelta(days=2))

    html = page(at_desk(ada))

    assert "1 late" in html
    assert "Past their time" in page(at_desk(ada), "/?view=late")


def test_it_goes_on_with_the_case_i_hold(ada, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now)

    assert f"You hold case {case.pk}" in page(at_desk(ada))


def test_it_asks_to_read_a_changed_policy_once(ada, at_desk, now, system):
    make_case(now=now)
    decisions.publish_policy("SPM-1.1", by=system, now=now, text="A new wording.")
    client = at_desk(ada)

    assert "A new wording." in page(client)
    client.post("/policies/SPM-1.1/read/")
    assert "A new wording." not in page(client)


def test_it_shows_what_came_back(ada, ben, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now)
    decision = make_decision(at="proposed", by=ada, case=case, now=now)
    decisions.decline(decision, by=ben, now=now, reason="too hard for a first time")

    assert "was declined by ben" in page(at_desk(ada))


def test_it_counts_my_day(ada, at_desk, now):
    make_decision(at="released", by=ada, case=make_case(at="claimed", by=ada, now=now), now=now)

    assert "<dt>Decided</dt><dd>1</dd>" in page(at_desk(ada))


def test_a_person_on_a_break_is_handed_nothing(person, at_desk, now):
    ada = person("ada", "reviewer", duty="break")
    make_case(now=now)
    client = at_desk(ada)

    assert "Your status is “break”" in page(client)
    assert client.post("/start/").status_code == 409


@pytest.mark.parametrize("many", [1, 25])
def test_it_costs_the_same_queries_however_many_cases_wait(ada, at_desk, at_most, now, many):
    for _ in range(many):
        make_case(now=now)
    client = at_desk(ada)
    page(client)

    with at_most(18):
        page(client)


def test_the_rail_counts_are_kept_for_some_seconds(ada, at_desk, now, at_most):
    from moderation.desk.counts import forget, rail_counts

    forget(ada)
    make_case(now=now)
    assert rail_counts(ada) == {"desk": "1"}
    with at_most(0):
        assert rail_counts(ada) == {"desk": "1"}


def test_a_draft_of_mine_on_a_case_nobody_holds_is_offered(ada, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now)
    cases.save_draft(case, by=ada, now=now, body={"outcome": "warn"})
    cases.release(case, by=ada, now=now)

    assert "your draft is kept" in page(at_desk(ada))
