"""Can two people hold one case? Real connections, real commits."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from moderation.cases import actions
from moderation.cases.models import Case
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.make import NOON, later, make_case, make_row_account, make_score, ship_settings
from tests.race.crowd import all_at_once

pytestmark = pytest.mark.usefixtures("real_commits")
CASES = int(os.environ.get("RACE_CASES", "240"))  # 10,000 for the figure in the notes


def test_eight_reviewers_on_one_queue_never_get_the_same_case(person):
    ship_settings()
    people = [person(f"p{number}", "reviewer") for number in range(8)]
    for _ in range(CASES):
        make_score(make_row_account())
    while actions.take_new(now=NOON):
        pass  # a batch at a time

    def claim_until_nothing_waits(user):
        mine = []
        while (case := actions.claim_next(by=user, now=NOON, limits=False)) is not None:
            mine.append(case.pk)
        return mine

    taken = all_at_once([lambda user=user: claim_until_nothing_waits(user) for user in people])

    counts = Counter(pk for mine in taken for pk in mine)
    assert len(counts) == CASES
    assert set(counts.values()) == {1}
    assert AuditEvent.objects.filter(type="case.claimed").count() == CASES
    for user, mine in zip(people, taken, strict=True):
        assert set(Case.objects.filter(claimed_by=user).values_list("pk", flat=True)) == set(mine)


def test_one_case_has_one_winner(person):
    case = make_case()
    people = [person(f"p{number}", "reviewer") for number in range(8)]
    seen = [Case.objects.select_related("queue").get(pk=case.pk) for _ in people]

    results = all_at_once(
        [
            lambda mine=mine, user=user: actions.claim(mine, by=user, now=NOON)
            for mine, user in zip(seen, people, strict=True)
        ]
    )

    refused = [result for result in results if isinstance(result, Refused)]
    assert (len(results) - len(refused), len(refused)) == (1, 7)
    assert {refusal.state for refusal in refused} == {"claimed"}
    assert AuditEvent.objects.filter(type="case.claimed").count() == 1


def test_two_clicks_of_one_person_take_one_case(person):
    ada = person("ada", "reviewer")
    for _ in range(4):
        make_case()

    results = all_at_once([lambda: actions.claim_next(by=ada, now=NOON)] * 4)

    assert sum(isinstance(result, Refused) for result in results) == 3
    assert Case.objects.filter(claimed_by=ada).count() == 1


def test_a_claim_that_expires_is_returned_once(person):
    ada = person("ada", "reviewer")
    for _ in range(20):
        make_case(at="claimed", by=ada)

    returned = all_at_once([lambda: actions.return_expired(now=later(hours=1))] * 4)

    assert sum(returned) == 20
    assert AuditEvent.objects.filter(type="case.returned").count() == 20


def test_the_same_news_opens_one_case(person):
    ship_settings()
    for _ in range(50):
        account = make_row_account()
        make_score(account, risk_type="spam")
        make_score(account, risk_type="bullying")

    taken = all_at_once([lambda: actions.take_new(now=NOON, limit=30)] * 4)
    while actions.take_new(now=NOON, limit=30):
        pass

    assert all(isinstance(number, int) for number in taken)
    assert Case.objects.count() == 50
