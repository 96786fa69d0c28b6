"""Is an account found by what is exact, and by nothing less?"""

from __future__ import annotations

import pytest

from moderation.desk.search import find
from portal.privacy.lookup import digest
from tests.make import make_case, make_row_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def handled():
    account = make_row_account(external_id="48211")
    account.handle_lookup = digest("handle", "Lucky_Deals")
    account.handle_shown = "lu•••deals"
    account.save()
    return account


def test_it_finds_an_account_by_its_exact_id(ada, handled):
    assert find("48211", by=ada).accounts == [handled]


def test_it_finds_an_account_by_its_exact_handle(ada, handled):
    assert find("lucky_deals", by=ada).accounts == [handled]
    assert find("@Lucky_Deals", by=ada).accounts == [handled]


def test_it_finds_nothing_by_a_part_of_a_handle(ada, handled):
    assert find("lucky", by=ada).accounts == []


def test_it_finds_a_case_by_its_number(ada):
    case = make_case()
    assert find(f"#{case.pk}", by=ada).case == case.pk


def test_it_does_not_find_a_case_of_a_lane_that_is_not_theirs(ada, ruth):
    case = make_case(risk_type="underage")
    assert find(str(case.pk), by=ada).case is None
    assert find(str(case.pk), by=ruth).case == case.pk


def test_it_finds_nothing_for_who_may_not_look(cleo, handled):
    found = find("48211", by=cleo)
    assert found.case is None
    assert found.accounts == []


def test_the_handle_stands_in_no_address(ada, handled, at_desk):
    answer = at_desk(ada).post("/search/", {"q": "lucky_deals"})
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/main/48211/"


def test_the_page_says_when_nothing_fits(ada, at_desk, handled):
    answer = at_desk(ada).post("/search/", {"q": "nobody_at_all"})
    assert "Nothing fits exactly" in answer.content.decode()


def test_it_costs_the_same_few_queries_whatever_is_asked(ada, at_desk, at_most, handled):
    client = at_desk(ada)
    with at_most(12):
        client.post("/search/", {"q": "lucky_deals_not_there"})
