"""Does the queue page show each case once, in the order asked for, whatever the page?"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from moderation.desk import lists
from tests.make import make_case, ship_settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(now):
    return [make_case(shown=50 + number % 5 * 10, now=now - timedelta(minutes=number)) for number in range(12)]


def walk(client, query=""):
    seen, address = [], f"/queues/spam/?{query}"
    while address:
        html = client.get(address).content.decode()
        seen += [int(pk) for pk in re.findall(r'class="cover mono" href="/cases/(\d+)/"', html)]
        following = re.search(r'class="end" href="([^"]+)"', html)
        address = f"/queues/spam/{following[1].replace('&amp;', '&')}" if following else ""
    return seen


@pytest.mark.parametrize("order", ["urgency", "due", "newest"])
def test_the_pages_together_show_each_case_once(ada, at_desk, filled, monkeypatch, order):
    monkeypatch.setattr(lists, "PAGE", 5)
    seen = walk(at_desk(ada), f"order={order}")

    assert sorted(seen) == sorted(case.pk for case in filled)
    if order == "newest":
        assert seen == [case.pk for case in filled]
    if order == "due":
        assert seen == [case.pk for case in reversed(filled)]
    if order == "urgency":
        ranks = {case.pk: case.rank for case in filled}
        assert [ranks[pk] for pk in seen] == sorted(ranks.values())


def test_a_lead_sees_what_is_claimed_and_by_whom(ada, ben, at_desk, now):
    make_case(at="claimed", by=ada, now=now)

    html = at_desk(ben).get("/queues/spam/?state=claimed").content.decode()

    assert re.search(r"<td class=\"number nowrap\">\s*ada", html)


def test_a_queue_of_another_lane_does_not_exist(ada, ruth, at_desk):
    ship_settings()

    assert at_desk(ada).get("/queues/minors/").status_code == 404
    assert at_desk(ruth).get("/queues/minors/").status_code == 200


def test_a_broken_page_mark_is_refused_with_a_sentence(ada, at_desk):
    ship_settings()
    answer = at_desk(ada).get("/queues/spam/?cursor=rubbish")

    assert answer.status_code == 400
    assert "start again from the first page" in answer.content.decode()


def test_it_claims_the_next_of_this_queue(ada, at_desk, now):
    make_case(shown=90, risk_type="fake_account", now=now)
    wanted = make_case(shown=60, now=now)

    assert at_desk(ada).post("/queues/spam/claim/")["Location"] == f"/cases/{wanted.pk}/"


def test_it_costs_the_same_queries_for_one_row_and_for_many(ada, at_desk, at_most, filled):
    client = at_desk(ada)
    client.get("/queues/spam/")
    with at_most(11):
        client.get("/queues/spam/")
