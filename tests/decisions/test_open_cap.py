"""May somebody at their limit of an hour go on? When a lead says so: some more, for some hours, and why."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from moderation.decisions import actions, caps
from moderation.decisions.models import CapOpening, Decision
from portal.audit.models import AuditEvent
from portal.audit.sentences import sentence
from portal.privacy.actions import open_value
from portal.privacy.models import VaultValue
from portal.refusal import Refused
from tests.make import NOON, later, make_case, make_decision, tell

FULL = 3  # what the limit is here; `test_decide.py` reaches the real one


@pytest.fixture(autouse=True)
def small_cap(monkeypatch):
    monkeypatch.setitem(caps.CAPS_AN_HOUR, "ban", FULL)


@pytest.fixture
def full(ada):
    """Ada has made as many as she may, a minute apart."""
    for minute in range(FULL):
        make_decision(at="proposed", by=ada, now=later(minutes=minute))
    return ada


def open_cap(person, *, by, now=None, **said):
    said = {"outcome": "ban", "number": 2, "hours": 1, "reason": "a wave of copied shops"} | said
    return actions.open_cap(person, by=by, now=now or later(minutes=10), **said)


def ban(by, *, minutes=11.0):
    return make_decision(at="proposed", by=by, now=later(minutes=minutes))


def test_it_lets_the_person_make_so_many_more_and_no_more(full, ben):
    open_cap(full, by=ben)

    assert [ban(full).status, ban(full).status] == ["proposed", "proposed"]
    with pytest.raises(Refused, match="at the limit"):
        ban(full)
    assert Decision.objects.count() == FULL + 2


def test_it_ends_by_itself(full, ben):
    open_cap(full, by=ben, now=later(minutes=10), hours=1)
    for minute in (60.5, 61.5, 62.5):  # the hour has room again; these count against the opening too
        ban(full, minutes=minute)

    with pytest.raises(Refused, match="at the limit"):
        ban(full, minutes=71)


def test_it_is_not_for_what_was_sent_before_it(full, ben):
    """It would not count against the opening: its time is before."""
    open_cap(full, by=ben, now=later(minutes=10))

    with pytest.raises(Refused, match="at the limit"):
        ban(full, minutes=9.9)


def test_it_says_when_the_hour_has_room_and_that_leads_see_it(full):
    with pytest.raises(Refused) as refused:
        ban(full)

    assert "The team leads see this on their Approvals page" in refused.value.sentence
    assert "go on from 13:00." in refused.value.sentence
    assert ban(full, minutes=60).status == "proposed"


def test_another_kind_of_decision_is_not_limited_by_it(full):
    assert make_decision(by=full, now=later(minutes=11)).outcome == "warn"


def test_who_sends_a_decision_again_hears_the_first_answer_at_the_limit(ada):
    word = {"outcome": "ban", "reason_code": "deceptive_link", "note": "sells codes behind a copied page"}
    case = make_case(at="claimed", by=ada)
    word["version"] = case.version
    first = actions.decide(case, by=ada, now=NOON, request_key="one", **word)
    ban(ada)
    ban(ada)

    again = actions.decide(case, by=ada, now=later(minutes=12), request_key="one", **word)

    assert again == first


def test_nobody_opens_their_own(ben, person):
    for _ in range(FULL):
        ban(ben)

    with pytest.raises(Refused, match="your own limit"):
        open_cap(ben, by=ben, now=later(minutes=12))
    assert open_cap(ben, by=person("lena", "lead"), now=later(minutes=12)).person == ben


def test_only_a_lead_opens_it(full, ruth):
    with pytest.raises(Refused, match=r"cap\.open"):
        open_cap(full, by=ruth)


def test_it_is_not_opened_ahead(ada, ben):
    with pytest.raises(Refused, match="not at this limit"):
        open_cap(ada, by=ben)


def test_it_is_not_opened_twice_while_something_is_left(full, ben, person):
    open_cap(full, by=ben)

    with pytest.raises(Refused, match="just before you"):
        open_cap(full, by=person("lena", "lead"))
    ban(full)
    ban(full)
    assert open_cap(full, by=ben, now=later(minutes=12)).number == 2


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"reason": "  so  "}, "Say why"),
        ({"reason": "x" * 501}, "Say why"),
        ({"number": 0}, "between 1 and 30"),
        ({"number": 31}, "between 1 and 30"),
        ({"hours": 5}, "1, 2 or 4 hours"),
        ({"outcome": "warn"}, "no limit"),
    ],
)
def test_it_says_what_does_not_fit(full, ben, said, sentence):
    with pytest.raises(Refused, match=sentence) as refused:
        open_cap(full, by=ben, **said)

    assert refused.value.status == 400
    assert not CapOpening.objects.exists()


def test_the_log_tells_it_and_the_reason_stays_in_the_vault(full, ben):
    opening = open_cap(full, by=ben)

    event = AuditEvent.objects.get(type="cap.opened")
    kept = VaultValue.objects.get(pk=opening.reason)
    assert set(event.subjects) == {f"cap:{opening.pk}", f"user:{full.pk}"}
    facts = json.loads(bytes(event.payload))["facts"]
    assert facts["commitment"] == bytes(kept.commitment).hex()
    assert b"copied shops" not in bytes(event.payload)
    assert open_value(opening.reason) == "a wave of copied shops"
    told = sentence(event.type, f"user:{ben.pk}", event.subjects, facts, str)
    assert told == (
        f"user:{ben.pk} let user:{full.pk} go beyond the limit of an hour: ban, 2 more until 2026-11-20 13:10 UTC."
    )


def test_leads_find_who_is_at_their_limit(full, ben):
    one = caps.at_their_cap(later(minutes=10))[0]
    assert (one.person, one.outcome, one.made, one.free_at) == (full, "ban", FULL, later(hours=1))

    opening = open_cap(full, by=ben)

    assert caps.at_their_cap(later(minutes=11)) == []
    ban(full)
    assert caps.in_force(later(minutes=12)) == [(opening, 1)]
    ban(full)
    assert [one.made for one in caps.at_their_cap(later(minutes=12))] == [FULL + 2]
    assert caps.in_force(later(minutes=12)) == []


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"opened_by": "ada"}, "nobody_opens_their_own_cap"),
        ({"number": 31}, "cap_opening_is_small"),
        ({"until": NOON + timedelta(hours=4, seconds=1)}, "cap_opening_is_short"),
        ({"until": NOON}, "cap_opening_is_short"),
        ({"outcome": "warn"}, "cap_opening_is_of_a_capped_kind"),
    ],
)
def test_the_database_refuses_what_no_action_would_write(ada, ben, wrong, constraint):
    if "opened_by" in wrong:
        wrong = {"opened_by": ada}
    row = {"person": ada, "outcome": "ban", "number": 2, "opened_by": ben, "opened_at": NOON, "until": later(hours=1)}
    opening = CapOpening(**(row | wrong), reason="12345678-1234-5678-1234-567812345678")

    tell(opening)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        opening.save(force_insert=True)
