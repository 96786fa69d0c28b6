"""Is each account decided on once, in its own transaction, and does it pause and stop when it should?"""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import transaction

from moderation.bulk import actions, carrying, stopping
from moderation.cases import actions as cases
from moderation.cases.models import Case, Queue
from moderation.decisions import caps
from moderation.decisions.models import Decision
from moderation.enforcement.actions import order
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.people import actions as people
from portal.people.models import User
from portal.refusal import Refused
from risk.intake.models import Standing
from tests.make import change, later, make_case, make_decision

from .group import RUN, SUSPEND, make_accounts, run, running


def test_it_decides_on_each_account_with_both_names(lena, ben):
    bulk = running(make_accounts(3), by=lena, approver=ben)

    assert run(bulk) == 3

    assert bulk.status == "done"
    assert set(Decision.objects.values_list("status", "made_by", "approved_by")) == {("released", lena.pk, ben.pk)}
    assert set(Enforcement.objects.values_list("kind", "status")) == {("suspend", "queued")}
    assert Standing.objects.filter(strikes=1).count() == 3
    assert set(Case.objects.values_list("status", flat=True)) == {"decided"}
    assert AuditEvent.objects.filter(type="bulk.item_decided").count() == 3


def test_it_decides_the_case_that_waits(lena, ben):
    case = make_case()

    run(running([case.account], by=lena, approver=ben))

    assert Decision.objects.get().case == case


def test_run_again_it_decides_on_nobody_twice(lena, ben):
    bulk = running(make_accounts(2), by=lena, approver=ben)
    run(bulk)

    assert run(bulk) == 0
    assert Decision.objects.count() == 2


def test_it_goes_on_where_it_was_left(lena, ben):
    bulk = running(make_accounts(5), by=lena, approver=ben)

    assert [run(bulk, limit=2), bulk.status] == [2, "running"]
    assert [run(bulk, limit=2), run(bulk, limit=2), bulk.status] == [2, 1, "done"]
    assert Decision.objects.count() == 5


def test_the_first_stage_is_decided_then_it_pauses(lena, ben, monkeypatch):
    monkeypatch.setattr(stopping, "FIRST_STAGE", 2)
    bulk = running(make_accounts(4), by=lena, approver=ben)

    assert run(bulk) == 2
    assert (bulk.status, Decision.objects.count()) == ("paused", 2)
    assert "the other 2" in bulk.why
    assert run(bulk) == 0

    actions.go_on(bulk, by=ben, now=later(minutes=20))
    assert run(bulk, now=later(minutes=21)) == 2
    assert bulk.status == "done"


def test_it_leaves_out_who_became_protected_since(lena, ben):
    one, two = make_accounts(2)
    bulk = running([one, two], by=lena, approver=ben)
    one.attributes = {"is_protected": True}
    one.save(update_fields=["attributes"])

    run(bulk)

    assert bulk.items.get(account=one).status == "left_out"
    assert Decision.objects.get().account == two


def test_it_does_not_take_a_case_out_of_a_reviewers_hands(lena, ben, ada):
    case = make_case()
    bulk = running([case.account], by=lena, approver=ben)
    cases.claim(case, by=ada, now=later(minutes=2), limits=False)

    run(bulk)

    assert bulk.items.get().status == "left_out"
    assert Case.objects.get(pk=case.pk).claimed_by == ada


def test_one_that_cannot_be_decided_keeps_no_other_back(lena, ben, monkeypatch):
    accounts = make_accounts(3)
    bulk = running(accounts, by=lena, approver=ben)
    real = carrying._decision

    def once(item, *args, **kwargs):
        if item.account_id == accounts[1].pk:
            raise Refused("The platform takes no more.")
        return real(item, *args, **kwargs)

    monkeypatch.setattr(carrying, "_decision", once)
    run(bulk)

    assert (bulk.status, Decision.objects.count()) == ("done", 2)
    assert bulk.items.get(status="failed").why == "The platform takes no more."


def test_one_that_breaks_is_told_apart_and_leaves_nothing_behind(lena, ben, monkeypatch):
    bulk = running(make_accounts(2), by=lena, approver=ben)
    real = carrying.decisions.approve
    times = iter([True, False])

    def breaks(*args, **kwargs):
        if next(times):
            raise KeyError("policy")
        return real(*args, **kwargs)

    monkeypatch.setattr(carrying.decisions, "approve", breaks)
    run(bulk)

    assert (bulk.status, Decision.objects.count()) == ("done", 1)
    assert "server's log" in bulk.items.get(status="failed").why


def stop(row):
    """The platform refused it."""
    mine = Enforcement.objects.filter(pk=row.pk)
    change(mine, status="in_flight", lease_token=uuid4(), lease_until=RUN)
    change(mine, status="stopped", lease_token=None, lease_until=None)


def test_it_stops_by_itself_on_failures(lena, ben):
    bulk = running(make_accounts(6), by=lena, approver=ben)
    run(bulk, limit=3)
    for row in list(Enforcement.objects.order_by("pk")[:2]):
        stop(row)

    assert run(bulk) == 0
    assert bulk.status == "stopped"
    assert bulk.why == "Stopped by itself: 2 of 3 failed, more than 5%."

    actions.go_on(bulk, by=ben, now=later(minutes=9))
    assert run(bulk, now=later(minutes=10)) == 3


def test_notices_that_nobody_takes_do_not_stop_it(lena, ben):
    bulk = running(make_accounts(6), by=lena, approver=ben)
    run(bulk, limit=3)
    for row in list(Enforcement.objects.select_related("account")):
        with transaction.atomic():
            about = {"decision_id": row.decision_id, "account": row.account, "by": lena, "now": RUN}
            stop(order(kind="notify", parent=row, **about))

    assert run(bulk) == 3

    assert bulk.status == "done"


def test_it_stops_by_itself_on_complaints(lena, ben):
    accounts = make_accounts(6)
    bulk = running(accounts, by=lena, approver=ben)
    run(bulk, limit=3)
    for account in accounts[:2]:
        cases.open_case(
            account, queue=Queue.objects.get(slug="appeals"), lane="general", risk_type="", score=None, why="Appeal",
            opened_by="appeal", by=ben, now=later(minutes=6),
        )  # fmt: skip

    assert run(bulk, now=later(minutes=7)) == 0
    assert (bulk.status, bulk.why) == ("stopped", "Stopped by itself: 2 complaints on 3 accounts, more than 2%.")
    assert AuditEvent.objects.filter(type="bulk.stopped", by__startswith="user:").exists()


@pytest.mark.parametrize(
    ("tried", "failed", "complaints", "stops"),
    [(50, 2, 0, False), (50, 3, 0, True), (3, 1, 1, False), (3, 2, 0, True), (50, 0, 1, False), (50, 0, 2, True)],
)
def test_the_limits_are_five_and_two_in_a_hundred(tried, failed, complaints, stops):
    said = stopping.why_stop(tried=tried, failed=failed, decided=tried - failed, complaints=complaints)

    assert (said is not None) is stops


def test_the_bell_gives_everything_under_way_its_turn(lena, ben):
    bulks = [running(make_accounts(2), by=lena, approver=ben) for _ in range(2)]

    assert actions.run_under_way(now=RUN) == 4
    for bulk in bulks:
        bulk.refresh_from_db()
    assert {bulk.status for bulk in bulks} == {"done"}


def test_two_groups_of_the_same_accounts_decide_on_each_once(lena, ben):
    accounts = make_accounts(3)
    first, second = (running(accounts, by=lena, approver=ben) for _ in range(2))

    run(first)
    run(second)

    assert Decision.objects.count() == 3
    assert set(second.items.values_list("status", "why")) == {("left_out", "was decided within a day")}


@pytest.mark.parametrize("leaves", ["lena", "ben"])
def test_it_stops_when_one_of_its_leads_is_a_lead_no_more(lena, ben, leaves):
    bulk = running(make_accounts(4), by=lena, approver=ben)
    people.revoke({"lena": lena, "ben": ben}[leaves], "lead", by=User.objects.service("system"), now=later(minutes=2))

    run(bulk)

    assert (bulk.status, Decision.objects.count()) == ("stopped", 0)
    assert bulk.items.filter(status="waiting").count() == 2


def test_it_does_not_count_against_the_limit_of_an_hour(lena, ben, monkeypatch):
    monkeypatch.setitem(caps.CAPS_AN_HOUR, "suspend", 1)
    run(running(make_accounts(2), by=lena, approver=ben))
    case = make_case(at="claimed", by=lena, now=RUN)

    assert caps.at_their_cap(RUN) == []
    assert make_decision(by=lena, case=case, now=RUN, note="again and again", **SUSPEND).outcome == "suspend"
    assert [one.person for one in caps.at_their_cap(RUN)] == [lena]
