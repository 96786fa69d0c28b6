"""Can somebody go beyond their limit of an hour by coming twice at once? Real connections, real commits."""

from __future__ import annotations

import pytest

from moderation.decisions import actions, caps
from moderation.decisions.models import CapOpening, Decision
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.make import BAN, later, make_case, make_decision
from tests.race.crowd import all_at_once

pytestmark = pytest.mark.usefixtures("real_commits")
FULL, AT_ONCE = 3, 8


@pytest.fixture(autouse=True)
def small_cap(monkeypatch):
    monkeypatch.setitem(caps.CAPS_AN_HOUR, "ban", FULL)


def bans_at_once(by):
    """What eight bans of eight cases by one person, all at once, come to: made and refused."""
    cases = [make_case(at="claimed", by=by) for _ in range(AT_ONCE)]

    def decide(case):
        return actions.decide(
            case, by=by, now=later(minutes=11), version=case.version, request_key=f"of {case.pk}", **BAN
        )

    results = all_at_once([lambda case=case: decide(case) for case in cases])
    made = [result for result in results if isinstance(result, Decision)]
    refused = [result for result in results if isinstance(result, Refused) and "at the limit" in result.sentence]
    assert len(made) + len(refused) == AT_ONCE, results
    return len(made)


@pytest.mark.parametrize("before", [0, FULL - 1, FULL])
def test_eight_bans_at_once_never_pass_the_limit(person, before):
    ada = person("ada", "reviewer")
    for _ in range(before):
        make_decision(at="proposed", by=ada)

    assert bans_at_once(ada) == FULL - before
    assert Decision.objects.count() == FULL
    assert AuditEvent.objects.filter(type="decision.proposed").count() == FULL


def test_eight_bans_at_once_never_pass_what_a_lead_opened(person):
    ada, ben = person("ada", "reviewer"), person("ben", "lead")
    for _ in range(FULL):
        make_decision(at="proposed", by=ada)
    actions.open_cap(ada, by=ben, now=later(minutes=10), outcome="ban", number=2, hours=1, reason="a wave")

    assert bans_at_once(ada) == 2
    assert Decision.objects.count() == FULL + 2


def test_eight_leads_at_once_open_it_once(person):
    ada = person("ada", "reviewer")
    leads = [person(f"lead{number}", "lead") for number in range(AT_ONCE)]
    for _ in range(FULL):
        make_decision(at="proposed", by=ada)

    def open_it(lead):
        return actions.open_cap(ada, by=lead, now=later(minutes=10), outcome="ban", number=2, hours=1, reason="a wave")

    results = all_at_once([lambda lead=lead: open_it(lead) for lead in leads])

    assert [type(result) for result in results].count(Refused) == AT_ONCE - 1, results
    assert CapOpening.objects.count() == 1
