"""May a lead look at what a decision on many would do? At a group only, and the log tells of each look."""

from __future__ import annotations

import json

import pytest

from moderation.bulk import actions
from moderation.bulk.models import LEAST
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.make import NOON, make_row_account

from .group import make_accounts, propose


@pytest.fixture
def as_shipped(small_groups, monkeypatch):
    monkeypatch.setattr("moderation.bulk.actions.LEAST", LEAST)


def look(accounts, *, by, **more):
    return actions.look([account.pk for account in accounts], by=by, now=NOON, risk_type="spam", **more)


def test_the_log_tells_who_looked_at_how_many(lena):
    look([*make_accounts(3), make_row_account(is_protected=True)], by=lena, chosen={"by": "list"})

    event = AuditEvent.objects.get(type="bulk.previewed")
    facts = json.loads(bytes(event.payload))["facts"]
    assert (event.by, facts["accounts"], facts["left_out"]) == (lena.audit_name, 3, 1)


def test_fewer_than_ten_are_no_group(lena, as_shipped):
    """Of one account alone, who is left out would tell of a hold."""
    for few in (make_accounts(LEAST - 1), [make_row_account(is_protected=True)]):
        with pytest.raises(Refused, match="of 10 accounts or more"):
            look(few, by=lena)
        with pytest.raises(Refused, match="of 10 accounts or more"):
            propose(few, by=lena, typed=len(few))


def test_ids_that_nobody_has_do_not_make_a_group(lena, as_shipped):
    known = make_accounts(2)
    ids = [account.pk for account in known] + [type(known[0].pk)(int=number) for number in range(20)]

    with pytest.raises(Refused, match="these are 2 that we know"):
        actions.look(ids, by=lena, now=NOON, risk_type="spam")


def test_ten_are_a_group(lena, as_shipped):
    assert len(look(make_accounts(10), by=lena).accounts) == 10


def test_it_is_for_leads(ada):
    with pytest.raises(Refused, match="for team leads"):
        look(make_accounts(3), by=ada)
