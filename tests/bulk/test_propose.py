"""Can a lead propose one decision on many accounts? Only with the number typed, and not on whom it must leave out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moderation.bulk import actions, reading
from moderation.bulk.models import Bulk, BulkItem
from moderation.decisions import actions as decisions
from moderation.decisions.models import Decision
from portal.audit.models import AuditEvent
from portal.privacy.actions import open_value
from portal.privacy.models import Hold
from portal.refusal import Refused
from risk.scoring.models import Score
from tests.make import NOON, later, make_case, make_decision, make_row_account, make_score, tell

from .group import SUSPEND, make_accounts, propose


def why(accounts, *, now=NOON):
    seen = reading.preview([account.pk for account in accounts], risk_type="spam", now=now)
    return {str(pk): reason for pk, reason in seen.left_out.items()}


def test_it_waits_for_a_second_person_and_decides_on_nobody(lena):
    bulk = propose(make_accounts(3), by=lena)

    assert (bulk.status, bulk.accounts) == ("proposed", 3)
    assert set(bulk.items.values_list("status", flat=True)) == {"waiting"}
    assert not Decision.objects.exists()
    assert AuditEvent.objects.get(type="bulk.proposed").subjects[0] == bulk.audit_name


def test_it_asks_for_the_number_to_be_typed(lena):
    accounts = make_accounts(3)

    with pytest.raises(Refused, match="on 3 accounts, and you typed 4"):
        propose(accounts, by=lena, typed=4)

    assert not Bulk.objects.exists()


def test_it_is_for_leads(ada, cleo):
    for person in (ada, cleo):
        with pytest.raises(Refused, match="for team leads"):
            propose(make_accounts(2), by=person)


def test_it_counts_an_account_named_twice_once(lena):
    one, two = make_accounts(2)

    assert propose([one, two, one], by=lena).accounts == 2


def test_sent_twice_it_is_proposed_once(lena):
    accounts = make_accounts(2)

    first, second = (propose(accounts, by=lena, request_key="the-same") for _ in range(2))

    assert first == second
    assert BulkItem.objects.count() == 2


def test_the_same_key_for_something_else_is_refused(lena):
    accounts = make_accounts(2)
    propose(accounts, by=lena, request_key="the-same")

    with pytest.raises(Refused, match="used for another"):
        propose(accounts, by=lena, request_key="the-same", until=later(days=9))


def test_it_refuses_more_than_a_group_may_be(lena, monkeypatch):
    monkeypatch.setattr("moderation.bulk.actions.MOST", 2)

    with pytest.raises(Refused, match="at most 2 accounts"):
        propose(make_accounts(4), by=lena)


def test_it_leaves_out_protected_accounts_and_says_so_in_its_items(lena):
    kept, protected = make_row_account(), make_row_account(is_protected=True)

    bulk = propose([kept, protected], by=lena)

    assert bulk.accounts == 1
    assert bulk.items.get(account=protected).why == reading.ALONE


def test_it_leaves_out_who_is_held_with_the_same_words_as_who_is_protected(lena, ben, pia):
    held = make_row_account()
    hold = Hold(
        reference="LR-1", account=held.pk, reason=held.pk, asked_by=pia, asked_at=NOON, asked_of=ben, agreed_by=ben,
        agreed_at=NOON, review_at=later(days=90), status="active",
    )  # fmt: skip
    hold.save(force_insert=True)
    tell(hold)

    assert why([held]) == {str(held.pk): reading.ALONE}


def test_it_leaves_out_who_has_a_case_in_another_lane(lena):
    case = make_case(risk_type="underage")

    assert why([case.account]) == {str(case.account_id): reading.ALONE}


def test_it_leaves_out_who_was_cleared_lately(ada, ben):
    decision = make_decision(at="released", by=ada)
    decisions.reverse(decision, by=ben, now=later(minutes=1), reason_code="not_violating")

    assert why([decision.account], now=later(days=179)) == {str(decision.account_id): "was cleared lately"}
    assert why([decision.account], now=later(days=181)) == {}


def test_it_leaves_out_who_was_decided_within_a_day(ada):
    decision = make_decision(at="released", by=ada)

    assert why([decision.account], now=later(hours=23)) == {str(decision.account_id): "was decided within a day"}
    assert why([decision.account], now=later(hours=25)) == {}


def test_it_leaves_out_whose_case_somebody_has_in_hand(ada):
    waiting, claimed = make_case(), make_case(at="claimed", by=ada)

    assert list(why([waiting.account, claimed.account])) == [str(claimed.account_id)]


def test_it_refuses_when_nobody_is_left(lena):
    with pytest.raises(Refused, match="Nobody is left"):
        propose([make_row_account(is_protected=True)], by=lena)


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ({"outcome": "no_action", "until": None}, "is a measure"),
        ({"note": " "}, "needs a note"),
        ({"until": None}, "needs an end"),
        ({"until": NOON - timedelta(days=1)}, "lies in the past"),
        ({"reason_code": "nothing"}, "no reason code"),
        ({"outcome": "verify_age", "until": None}, "no outcome of"),
    ],
)
def test_it_refuses_what_does_not_fit(lena, word, match):
    with pytest.raises(Refused, match=match):
        propose(make_accounts(2), by=lena, **(SUSPEND | word))


def test_the_sample_is_of_five_and_the_same_for_both(lena):
    ids = [account.pk for account in make_accounts(9)]

    first = reading.preview(ids, risk_type="spam", now=NOON)
    again = reading.preview(reversed(ids), risk_type="spam", now=NOON)

    assert len(set(first.sample)) == 5
    assert first.sample == again.sample


def test_it_keeps_the_sample_that_was_shown_and_how_they_were_chosen(lena):
    accounts = make_accounts(7)
    seen = reading.preview([account.pk for account in accounts], risk_type="spam", now=NOON)

    bulk = propose(accounts, by=lena, chosen={"by": "filter", "band": "watch"}, unknown=2)

    assert bulk.sample == list(seen.sample)
    assert bulk.chosen == {"by": "filter", "band": "watch", "asked": 9, "unknown": 2}


def test_it_is_refused_when_others_would_be_decided_on_than_were_looked_at(lena):
    accounts = make_accounts(4)
    seen = actions.look([account.pk for account in accounts[:2]], by=lena, now=NOON, risk_type="spam")

    with pytest.raises(Refused, match="has changed since you looked"):
        propose(accounts, by=lena, digest=seen.digest.hex())


def test_most_below_review_it_asks_why(lena):
    scored, low, none = make_accounts(3)
    make_score(scored)
    Score.objects.filter(account=make_score(low, shown=20).account).update(band="low")

    with pytest.raises(Refused, match="2 of these 3 are below review"):
        propose([scored, low, none], by=lena, although=" ")

    bulk = propose([scored, low, none], by=lena, although="one tool posts for all of them")
    assert open_value(bulk.note).endswith("Although most are below review: one tool posts for all of them")


def test_half_at_review_it_asks_nothing(lena):
    scored, none = make_accounts(2)
    make_score(scored)

    assert propose([scored, none], by=lena, although="").accounts == 2
