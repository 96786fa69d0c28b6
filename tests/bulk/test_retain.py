"""Do the texts typed on group decisions go when they are old, and not while one is under way?"""

from __future__ import annotations

from moderation.bulk import actions
from portal.people.models import User
from portal.privacy import retention
from portal.privacy.actions import open_value
from portal.privacy.models import VaultValue
from tests.make import NOON, later

from .group import make_accounts, propose, run, running


def sweep(days):
    VaultValue.objects.update(created_at=NOON)
    by = User.objects.service("system")
    return retention.sweep(by=by, now=later(days=days), apply=True, rules=["group_decisions"])[0].deleted


def test_a_note_goes_after_its_days(lena, ben):
    bulk = running(make_accounts(2), by=lena, approver=ben)
    run(bulk)

    assert (sweep(214), sweep(216)) == (0, 1)
    assert open_value(bulk.note) is None


def test_a_note_stays_while_it_is_under_way(lena, ben):
    running(make_accounts(2), by=lena, approver=ben)

    assert sweep(400) == 0


def test_why_one_was_declined_goes_too(lena, ben):
    actions.decline(propose(make_accounts(2), by=lena), by=ben, now=later(minutes=1), reason="not one of these is spam")

    assert sweep(216) == 2
