"""How long may I hold a case, and what is left when I lose it? Extending, expiring, drafts, reassigning, remarks."""

from __future__ import annotations

import pytest

from moderation.cases import actions
from moderation.cases.models import Case, Draft
from portal.people import actions as people
from portal.privacy.actions import open_value
from portal.refusal import Refused
from tests.make import NOON, later, make_case


def test_extending_gives_another_lease_and_keeps_the_version(ada):
    case = make_case(at="claimed", by=ada)

    actions.extend(case, by=ada, now=later(minutes=7))

    found = Case.objects.get()
    assert (found.claimed_until, found.version) == (later(minutes=15), case.version)


def test_extending_ends_at_the_longest_hold(ada):
    case = make_case(at="claimed", by=ada)

    actions.extend(case, by=ada, now=later(minutes=28))
    assert Case.objects.get().claimed_until == later(minutes=30)
    with pytest.raises(Refused, match="at most 30 minutes"):
        actions.extend(case, by=ada, now=later(minutes=30))


def test_an_expired_claim_returns_after_the_idle_minutes_and_the_draft_stays(ada):
    case = make_case(at="claimed", by=ada)
    actions.save_draft(case, by=ada, now=NOON, body={"outcome": "warn"}, note="half a thought")

    assert actions.return_expired(now=later(minutes=13)) == 0
    assert actions.return_expired(now=later(minutes=13, seconds=1)) == 1

    assert Case.objects.get().status == "waiting"
    draft = Draft.objects.get()
    assert (draft.body, open_value(draft.note)) == ({"outcome": "warn"}, "half a thought")


def test_the_claims_of_somebody_who_left_return_at_once(ada, system):
    make_case(at="claimed", by=ada)
    people.disable(ada, by=system, now=NOON)

    assert actions.return_expired(now=NOON) == 1


def test_a_draft_is_saved_over_the_one_before(ada):
    case = make_case(at="claimed", by=ada)
    actions.save_draft(case, by=ada, now=NOON, body={"outcome": "warn"}, note="a")

    actions.save_draft(case, by=ada, now=NOON, body={"outcome": "ban"}, note="")

    assert (Draft.objects.get().body, Draft.objects.get().note) == ({"outcome": "ban"}, None)


def test_a_lead_gives_a_case_to_somebody_and_takes_it_back(ada, ben, ruth):
    case = make_case(at="claimed", by=ada)

    actions.reassign(case, to=ruth, by=ben, now=NOON)
    assert Case.objects.get().claimed_by == ruth
    actions.reassign(case, to=None, by=ben, now=NOON)
    assert Case.objects.get().status == "waiting"


def test_only_a_lead_reassigns_and_only_to_who_works_there(ada, ben, ruth, cleo):
    case = make_case()

    for by in (ada, ruth):
        with pytest.raises(Refused, match="for team leads"):
            actions.reassign(case, to=ruth, by=by, now=NOON)
    with pytest.raises(Refused, match="does not work the queue"):
        actions.reassign(case, to=cleo, by=ben, now=NOON)
    with pytest.raises(Refused, match="for team leads"):
        actions.reassign(make_case(risk_type="underage"), to=ruth, by=ben, now=NOON)


def test_a_remark_keeps_its_words_in_the_vault(ada):
    note = actions.annotate(make_case(), by=ada, now=NOON, text=" see the other shop ")

    assert open_value(note.text) == "see the other shop"


def test_a_remark_is_for_people_of_the_lane(ada, vera):
    with pytest.raises(Refused, match="people who work"):
        actions.annotate(make_case(risk_type="underage"), by=ada, now=NOON, text="t")
    with pytest.raises(Refused, match="people who work"):
        actions.annotate(make_case(), by=vera, now=NOON, text="t")
