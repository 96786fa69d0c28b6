"""Does the report name each account, with its state, why, and how its measure stands?"""

from __future__ import annotations

from moderation.bulk import actions, reporting
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from tests.make import NOON, change, later, make_row_account

from .group import RUN, make_accounts, propose, run, running


def test_it_names_each_account_in_order(lena, ben):
    accounts = make_accounts(2)
    bulk = running([*accounts, make_row_account(is_protected=True)], by=lena, approver=ben)
    run(bulk, limit=1)

    first, second, third = reporting.rows(bulk.items.order_by("position"), bulk)

    assert (first.account, first.state, first.measure) == (accounts[0].external_id, "decided", "queued")
    assert (second.account, second.state, second.measure) == (accounts[1].external_id, "waiting", "")
    assert (third.state, third.why) == ("left_out", "must be decided by itself")
    assert first.settled_at == RUN > NOON
    assert reporting.counts(bulk) == {"decided": 1, "waiting": 1, "left_out": 1}


def test_it_says_how_the_measure_and_what_took_it_back_stand(lena, ben):
    bulk = running(make_accounts(2), by=lena, approver=ben)
    run(bulk)
    change(
        Enforcement.objects.filter(account=bulk.items.get(position=1).account),
        status="in_flight", lease_token=bulk.pk, lease_until=later(minutes=8),
    )  # fmt: skip
    actions.undo(bulk, by=lena, now=later(minutes=9), reason_code="not_violating")
    run(bulk, now=later(minutes=10))

    first, second = reporting.rows(bulk.items.order_by("position"), bulk)

    assert (first.measure, first.lift) == ("in_flight", "queued")
    assert (second.measure, second.lift) == ("superseded", "queued")
    assert reporting.measures(bulk) == {"in_flight": 1, "superseded": 1, "lift:queued": 2}


def test_it_is_read_in_pages(lena):
    bulk = propose(make_accounts(5), by=lena)

    first, mark = reporting.page(bulk, size=3)
    second, end = reporting.page(bulk, size=3, after=mark)

    assert [row.position for row in first + second] == [1, 2, 3, 4, 5]
    assert end == ""
    assert reporting.page(bulk, state="decided") == ([], "")


def test_taking_it_is_in_the_log(lena):
    bulk = propose(make_accounts(2), by=lena)

    rows = actions.take_report(bulk, by=lena, now=later(minutes=1))

    assert [row.cells[0] for row in rows] == [1, 2]
    assert rows[0].cells[1:4] == ["main", rows[0].account, "waiting"]
    assert AuditEvent.objects.get(type="bulk.reported").by == lena.audit_name
