"""Does a legal hold take two persons, and does nobody see it who may not?"""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from moderation.insight import history
from portal.audit.models import AuditEvent
from portal.privacy import erasure, holding
from portal.privacy.actions import open_value
from portal.privacy.models import Hold
from portal.refusal import Refused
from tests.make import NOON, later, make_account, make_case

pytestmark = pytest.mark.django_db


def ask(by, of, *, account=None, reference="LR-031", confidential=True, **more):
    account = account or make_account("60100", handle="somebody_else")
    return holding.ask(
        account.pk, of=of, reference=reference, reason="order of a court", confidential=confidential, by=by, now=NOON,
        **more,
    )  # fmt: skip


def agreed(by, of, **more):
    hold = ask(by, of, **more)
    holding.agree(hold, by=of, now=later(minutes=15))
    return hold


def test_it_keeps_from_the_moment_a_second_person_agreed(pia, ben):
    hold = ask(pia, ben)
    assert holding.objections(hold.account) == []

    holding.agree(hold, by=ben, now=later(minutes=15))

    assert (hold.status, hold.agreed_by, hold.agreed_at) == ("active", ben, later(minutes=15))
    assert hold.review_at == later(minutes=15, days=90)
    assert holding.objections(hold.account) == ["The legal hold LR-031 is on this account: it must be released first."]
    assert open_value(hold.reason) == "order of a court"


def test_nobody_agrees_to_their_own(pia, ben):
    hold = ask(pia, ben)

    with pytest.raises(Refused, match="Another person was asked"):
        holding.agree(hold, by=pia, now=NOON)
    with pytest.raises(Refused, match="second person"):
        ask(pia, pia, reference="LR-032")
    with pytest.raises(IntegrityError, match="a_hold_needs_two_persons"), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(status="active", agreed_by=pia, agreed_at=NOON, review_at=NOON)


def test_only_a_lead_is_asked(pia, ada):
    with pytest.raises(Refused, match="name a team lead"):
        ask(pia, ada)


def test_a_hold_that_was_declined_keeps_nothing(pia, ben):
    hold = ask(pia, ben)

    holding.decline(hold, by=ben, now=later(minutes=1))

    assert hold.status == "declined"
    with pytest.raises(Refused, match="Somebody was first"):
        holding.agree(hold, by=ben, now=later(minutes=2))


def test_it_keeps_until_two_persons_release_it(pia, ben, person):
    lena = person("lena", "lead")
    hold = agreed(pia, ben)

    holding.ask_release(hold, of=lena, by=pia, now=later(hours=1))
    assert holding.objections(hold.account)
    with pytest.raises(Refused, match="Another person"):
        holding.release(hold, by=pia, now=later(hours=2))
    holding.release(hold, by=lena, now=later(hours=2))

    assert (hold.status, hold.released_by, hold.ended_at) == ("released", lena, later(hours=2))
    assert holding.objections(hold.account) == []


def test_a_release_that_is_refused_leaves_it_in_force(pia, ben):
    hold = agreed(pia, ben)
    holding.ask_release(hold, of=ben, by=pia, now=later(hours=1))

    holding.keep_on(hold, by=ben, now=later(hours=2))

    assert hold.status == "active"
    assert holding.objections(hold.account)


def test_the_database_refuses_a_release_by_one(pia, ben):
    hold = agreed(pia, ben)
    holding.ask_release(hold, of=ben, by=pia, now=later(hours=1))

    with pytest.raises(IntegrityError, match="a_release_needs_two_persons"), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(status="released", released_by=pia, ended_at=NOON)


def test_it_is_looked_at_again(pia, ben):
    hold = agreed(pia, ben)

    holding.review(hold, by=pia, now=later(days=80))

    assert (hold.status, hold.review_at) == ("active", later(days=170))


def test_what_was_erased_cannot_be_held(pia, ben):
    hold = ask(pia, ben)
    erasure.erase("main", "60100", legal_basis="objection", ticket="R1", by=pia, now=later(minutes=1))

    with pytest.raises(Refused, match="erased in the meantime"):
        holding.agree(hold, by=ben, now=later(minutes=2))


def test_every_step_is_told(pia, ben):
    hold = agreed(pia, ben)
    holding.review(hold, by=pia, now=later(days=1))
    holding.ask_release(hold, of=ben, by=pia, now=later(days=2))
    holding.release(hold, by=ben, now=later(days=3))

    told = AuditEvent.objects.filter(subjects__contains=[hold.audit_name]).order_by("id")
    assert [event.type for event in told] == [
        "hold.asked", "hold.agreed", "hold.reviewed", "hold.release_asked", "hold.released"
    ]  # fmt: skip
    assert not any(b"court" in bytes(event.payload) for event in told)


def test_who_may_not_know_sees_no_event_of_a_confidential_one(pia, ben, vera):
    agreed(pia, ben)

    def seen(user):
        types = history.LogFilter({}).events(user).values_list("type", flat=True)
        return {kind for kind in types if kind.startswith("hold.")}

    assert seen(pia) == {"hold.asked", "hold.agreed"}
    assert seen(ben) == seen(vera) == set()


def test_an_open_one_stands_in_the_log_for_all(pia, ben, vera):
    hold = agreed(pia, ben, confidential=False)

    found = history.LogFilter({}).events(vera).filter(subjects__contains=[hold.audit_name])
    assert found.count() == 2


def test_who_may_know_of_it(pia, ben, ada, person):
    lena = person("lena", "lead")
    hold = agreed(pia, ben)
    other = agreed(pia, lena, reference="LR-032", confidential=False, account=make_account("60101"))

    assert set(Hold.objects.visible_to(pia)) == {hold, other}
    assert set(Hold.objects.visible_to(ben)) == {hold, other}
    assert set(Hold.objects.visible_to(lena)) == {other}
    assert not Hold.objects.visible_to(ada).exists()


def test_a_case_stands_for_its_account(pia, ben):
    case = make_case()

    hold = holding.ask(
        holding.account_of_case(case.pk), case=case.pk, of=ben, reference="LR-9", reason="x", confidential=False,
        by=pia, now=NOON,
    )  # fmt: skip

    assert (hold.account, hold.case) == (case.account_id, case.pk)


@pytest.mark.parametrize("reference", ["", "of Kara Smith", "x" * 65])
def test_a_reference_is_a_number_and_no_name(pia, ben, reference):
    with pytest.raises(Refused, match="Give the reference"):
        ask(pia, ben, reference=reference)


def test_a_reference_is_used_once(pia, ben):
    ask(pia, ben)

    with pytest.raises(Refused, match="used by another"):
        ask(pia, ben, account=make_account("60102"))
