"""What does a lead see of the work, and what may nobody see without its lane?"""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from moderation.decisions import actions as decisions
from moderation.insight import tiles
from tests import make
from tests.insight.conftest import apply, decide

pytestmark = pytest.mark.django_db


def test_it_shows_each_number_with_its_definition_and_the_way_to_its_rows(signed_in, ada, ben, told):
    decision = decide(ada)
    apply(decision, after=20)
    decisions.reverse(decision, by=ben, now=make.later(minutes=30), reason_code="not_violating", note="banter")
    make.make_case()
    told(minutes=40)

    page = signed_in(ben).get(reverse("dashboard")).content.decode()

    assert "1 of 1" in page  # reversed of decided
    assert "p50 19 min" in page or "p50 20 min" in page
    assert "reversed ÷ decided" in page
    assert reverse("dashboard-rows", args=["decided"]) + "?range=24h&amp;policy=SPM-1.1" in page
    assert "as of 12:40:00" in page


@pytest.mark.parametrize("tile", tiles.TABLES)
def test_it_gives_every_tile_as_table_and_as_csv(tile, signed_in, ada, ben, told):
    apply(decide(ada), after=20)
    make.make_case()
    told(minutes=40)
    client = signed_in(ben)

    page = client.get(reverse("dashboard-tile", args=[tile]), {"range": "7d"})
    text = client.get(reverse("dashboard-tile", args=[tile]), {"range": "7d", "format": "csv"})

    assert page.status_code == 200
    table = list(csv.reader(io.StringIO(text.content.decode())))
    assert len({len(row) for row in table}) == 1
    assert tile == "rules" or len(table) > 1
    assert "attachment" in text["Content-Disposition"]


@pytest.mark.parametrize("what", ["waiting", "late", "due", "decided", "reversed", "proposed", "effects"])
def test_it_opens_the_rows_behind_a_number(what, signed_in, ada, ben, told):
    decision = decide(ada)
    apply(decision, after=20)
    decisions.reverse(decision, by=ben, now=make.later(minutes=30), reason_code="not_violating", note="banter")
    make.make_case()
    make.make_case(now=make.later(hours=-30))
    make.make_case(now=make.later(hours=-11))
    make.make_decision(at="proposed", by=ada)
    told(minutes=40)

    page = signed_in(ben).get(reverse("dashboard-rows", args=[what]), {"range": "7d"}).content.decode()

    assert "data-row" in page


def test_it_counts_exactly_the_rows_it_opens(signed_in, ada, ben, told):
    for minutes in range(3):
        decide(ada, minutes=minutes)
    decide(ada, outcome="no_action", reason_code="not_violating", note="friends")
    told(minutes=40)
    client = signed_in(ben)

    table = client.get(reverse("dashboard-tile", args=["policies"]), {"format": "csv"}).content.decode()
    rows = client.get(
        reverse("dashboard-rows", args=["decided"]), {"policy": "SPM-1.1", "format": "csv"}
    ).content.decode()

    assert '"SPM-1.1 Unsolicited bulk messages","3"' in table
    assert len(list(csv.reader(io.StringIO(rows)))) == 1 + 3


def test_it_hides_the_lanes_somebody_does_not_have(signed_in, ruth, ben, person, told):
    lena = person("lena", "lead", "lane:minors")
    make.make_case(risk_type="underage")
    case = make.make_case(at="claimed", by=ruth, risk_type="underage")
    make.make_decision(at="released", by=ruth, case=case)
    told(minutes=40)

    def seen(user):
        client = signed_in(user)
        page = client.get(reverse("dashboard")).content.decode()
        rows = client.get(reverse("dashboard-rows", args=["waiting"]), {"format": "csv"}).content.decode()
        return "Age and minors" in page, "MIN-1.2" in page, len(list(csv.reader(io.StringIO(rows)))) - 1

    assert seen(ben) == (False, False, 0)
    assert seen(lena) == (True, True, 1)
    assert signed_in(ben).get(reverse("dashboard"), {"queue": "minors"}).status_code == 404


def test_it_shows_a_reviewer_their_own_work_and_nobody_elses(signed_in, ada, person, told):
    milo = person("milo", "reviewer")
    decide(ada)
    decide(milo)
    decide(milo)
    told(minutes=40)
    client = signed_in(ada)

    page = client.get(reverse("dashboard")).content.decode()
    rows = client.get(reverse("dashboard-rows", args=["decided"]), {"by": "milo", "format": "csv"}).content.decode()

    assert "My work" in page
    assert "milo" not in page
    assert "milo" not in rows
    assert rows.count('"ada"') == 1
    assert client.get(reverse("dashboard-tile", args=["reviewers"])).status_code == 403
    assert client.get(reverse("dashboard-rows", args=["waiting"])).status_code == 404


def test_it_lists_reviewers_by_name_and_never_by_number(signed_in, ada, ben, person, told):
    milo = person("milo", "reviewer")
    decide(ada)
    for _ in range(3):
        decide(milo)
    told(minutes=40)

    text = signed_in(ben).get(reverse("dashboard-tile", args=["reviewers"]), {"format": "csv"}).content.decode()

    assert [row[0] for row in csv.reader(io.StringIO(text))][1:] == ["ada", "milo"]


def test_it_asks_a_bounded_number_of_queries(signed_in, ada, ben, told, django_assert_max_num_queries):
    for minutes in range(6):
        decide(ada, minutes=minutes)
    told(minutes=40)
    client = signed_in(ben)
    client.get(reverse("dashboard"))

    with django_assert_max_num_queries(22):
        client.get(reverse("dashboard"))


def test_it_refuses_times_that_make_no_sense(signed_in, ben):
    client = signed_in(ben)

    assert client.get(reverse("dashboard"), {"range": "century"}).status_code == 400
    assert client.get(reverse("dashboard"), {"from": "yesterday"}).status_code == 400
    assert client.get(reverse("dashboard"), {"from": "2020-01-01", "to": "2026-01-01"}).status_code == 400


def test_it_pages_through_what_waits_without_losing_or_doubling_a_case(signed_in, ben, told):
    made = {make.make_case(now=make.later(minutes=-index)).pk for index in range(55)}
    told(minutes=1)
    client = signed_in(ben)

    from moderation.insight import rows

    pages, mark = [], ""
    while mark is not None:
        listing = client.get(reverse("dashboard-rows", args=["waiting"]), {"cursor": mark} if mark else {}).context[
            "listing"
        ]
        pages.append([row[0].raw for row in listing.rows])
        mark = listing.next
    text = client.get(reverse("dashboard-rows", args=["waiting"]), {"format": "csv"}).content.decode()
    table = list(csv.reader(io.StringIO(text)))

    assert [len(page) for page in pages] == [rows.PAGE, 5]
    assert {pk for page in pages for pk in page} == made
    assert {int(row[0]) for row in table[1:]} == made
    assert len(table) == 1 + 55


def test_it_opens_the_decisions_behind_a_rule(signed_in, ada, ben, told):
    from risk.scoring.models import Score
    from risk.strategy.models import Strategy, Version

    decide(ada)
    decide(ada, outcome="no_action", reason_code="not_violating", note="friends")
    version = Version.objects.create(
        strategy=Strategy.objects.get(risk_type="spam"), number=3, severity="0.60", digest="0" * 64
    )
    make.tell(version)
    Score.objects.update(version=version)
    told(minutes=40)
    client = signed_in(ben)

    table = client.get(reverse("dashboard-tile", args=["rules"])).context["table"]
    (row,) = table.rows
    rows = client.get(row[2].url).context["listing"].rows
    confirmed = client.get(row[3].url).context["listing"].rows

    assert (row[0].said, row[2].raw, row[3].raw) == ("Spam v3: some_rule", 2, 1)
    assert (len(rows), len(confirmed)) == (2, 1)
    assert client.get(reverse("dashboard-rows", args=["rule"]), {"rule": "x"}).status_code == 404
