"""Can an auditor read what happened, follow it, and find nothing they may not see?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from moderation.decisions import actions as decisions
from moderation.insight import history
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from tests import make
from tests.insight.conftest import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(signed_in):
    def page(user, **query):
        answer = signed_in(user).get(reverse("log"), query)
        assert answer.status_code == 200, answer.content
        return [line.sentence for line in answer.context["lines"]], answer

    return page


def test_it_tells_each_step_of_a_decision_newest_first(read, ada, vera):
    decision = decide(ada)

    said, _ = read(vera, case=str(decision.case_id))

    steps = [line for line in said if line.startswith("ada")]
    assert steps.index(f"ada claimed case {decision.case_id} until 2026-11-20 12:09 UTC") > steps.index(
        f"ada put the decision “warn” into effect on {decision.account.platform} {decision.account.external_id}"
    )
    assert any("decided case" in line and "under SPM-1.1 for bulk messages" in line for line in steps)


def test_it_links_cases_and_accounts(read, ada, vera):
    decision = decide(ada)

    _, answer = read(vera, case=str(decision.case_id))
    page = answer.content.decode()

    assert f'href="{reverse("case", args=[decision.case_id])}"' in page
    assert f'href="{reverse("account", args=["main", decision.account.external_id])}"' in page


def test_it_shows_the_told_time_beside_the_time_of_writing(read, ada, vera):
    decision = decide(ada)

    _, answer = read(vera, case=str(decision.case_id))

    assert "told as" in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ({"type": "case.claimed"}, {"case.claimed"}),
        ({"type": "decision"}, {"decision.held", "decision.released"}),
        ({"policy": "SPM-1.1", "type": "decision.held"}, {"decision.held"}),
        ({"from": "2026-11-20", "to": "2026-11-20", "type": "case.opened"}, {"case.opened"}),
        ({"to": "2026-11-19"}, set()),
    ],
)
def test_it_filters_as_asked(query, types, read, ada, vera):
    decide(ada)

    _, answer = read(vera, **query)

    assert {line.type for line in answer.context["lines"]} == types


def test_it_filters_by_who_did_it(read, ada, vera):
    decide(ada)

    _, answer = read(vera, actor="ada")

    assert {line.actor for line in answer.context["lines"]} == {"ada"}


def test_it_says_plainly_what_it_did_not_understand(signed_in, vera):
    client = signed_in(vera)

    for query in ({"actor": "nobody"}, {"case": "x"}, {"account": "main:none"}, {"type": "moon"}, {"from": "soon"}):
        assert client.get(reverse("log"), query).status_code == 400


def test_it_tells_that_somebody_read_it_once_in_five_minutes(read, vera, told):
    told(minutes=1)
    read(vera)
    read(vera)
    told(minutes=4)
    read(vera)
    assert AuditEvent.objects.filter(type=Event.AUDIT_VIEWED).count() == 1

    read(vera, type="case")
    assert AuditEvent.objects.filter(type=Event.AUDIT_VIEWED).count() == 2

    told(minutes=9)
    read(vera)
    assert AuditEvent.objects.filter(type=Event.AUDIT_VIEWED).count() == 3


def test_it_hides_events_of_lanes_somebody_does_not_have(read, ruth, ben, person):
    lena = person("lena", "lead", "lane:minors")
    case = make.make_case(at="claimed", by=ruth, risk_type="underage")
    make.make_decision(at="released", by=ruth, case=case)
    of_minors = {"actor": "ruth"}

    assert read(ben, **of_minors)[0] == []
    assert {line.split(" ")[0] for line in read(lena, **of_minors)[0]} == {"ruth"}
    kinds = {line.type for line in read(lena, **of_minors)[1].context["lines"]}
    assert {"decision.held", "decision.released", "enforcement.ordered", "standing.recorded"} <= kinds


def test_it_hides_a_single_event_too(signed_in, ruth, ben):
    case = make.make_case(at="claimed", by=ruth, risk_type="underage")
    claimed = AuditEvent.objects.get(type=Event.CASE_CLAIMED)
    client = signed_in(ben)

    assert client.get(reverse("event", args=[claimed.pk])).status_code == 404
    assert case.audit_name in claimed.subjects


def test_it_shows_the_exact_bytes_and_that_their_hash_fits(signed_in, ada, vera):
    make.make_case(at="claimed", by=ada)
    claimed = AuditEvent.objects.get(type=Event.CASE_CLAIMED)

    page = signed_in(vera).get(reverse("event", args=[claimed.pk])).content.decode()

    assert "the hash fits" in page
    assert bytes(claimed.payload_hash).hex() in page


def test_it_shows_hostile_facts_as_text(signed_in, read, vera, system):
    account = make.make_row_account()
    hostile = audit.record(
        Event.ENFORCEMENT_STOPPED, by=system, of=account, detail="<script>alert(1)</script>\u202egnp"
    )

    page = signed_in(vera).get(reverse("event", args=[hostile.pk])).content.decode()
    _, answer = read(vera)

    assert "<script>alert" not in page
    assert "<script>alert" not in answer.content.decode()


def test_it_pages_without_losing_or_doubling_an_event(read, vera, system):
    account = make.make_row_account()
    made = [
        audit.record(Event.ACCOUNT_VIEWED, by=system, of=account, now=make.NOON - timedelta(minutes=index // 3)).pk
        for index in range(120)
    ]

    seen: list[object] = []
    mark = ""
    while mark is not None:
        _, answer = read(vera, type="account.viewed", **({"cursor": mark} if mark else {}))
        seen += [line.pk for line in answer.context["lines"]]
        mark = answer.context["next"]

    assert len(seen) == 120
    assert set(seen) == set(made)


def test_it_asks_a_bounded_number_of_queries(signed_in, ada, ben, vera, django_assert_max_num_queries):
    for minutes in range(4):
        decisions.reverse(
            decide(ada, minutes=minutes), by=ben, now=make.later(hours=1), reason_code="not_violating", note="x"
        )
    client = signed_in(vera)
    client.get(reverse("log"))

    with django_assert_max_num_queries(16):
        client.get(reverse("log"))


@pytest.mark.parametrize("role", ["reviewer", "specialist", "analyst", "operator", "admin"])
def test_it_is_closed_to_who_may_not_read_it(role, signed_in, person):
    assert signed_in(person("x", role)).get(reverse("log")).status_code == 403


@pytest.mark.parametrize("subject", ["case", "account"])
def test_it_finds_the_events_of_one_thing_by_their_subject(subject, ada, person):
    decision = decide(ada)
    lena = person("lena", "lead", "lane:minors", "lane:safety")  # all lanes: no filter of lanes that costs something
    wanted = {"case": str(decision.case_id), "account": f"main:{decision.account.external_id}"}
    found = history.read({subject: wanted[subject]}, wanted_by=lena).events(lena).order_by("-when", "-id")[:51]

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a small table is read as a whole; a large one is not
    plan = found.explain()

    assert "event_by_subject" in plan
    assert "event_newest_first" not in plan
    assert len(found) > 3
