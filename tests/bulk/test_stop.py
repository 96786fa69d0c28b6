"""Can it be stopped half way, and go on?"""

from __future__ import annotations

import pytest

from moderation.bulk import actions
from moderation.decisions.models import Decision
from portal.refusal import Refused
from tests.make import later

from .group import make_accounts, propose, run, running


def test_stopped_it_touches_nobody_more_and_goes_on_with_the_rest(lena, ben):
    bulk = running(make_accounts(4), by=lena, approver=ben)
    run(bulk, limit=2)

    actions.stop(bulk, by=ben, now=later(minutes=6))
    assert run(bulk) == 0
    assert Decision.objects.count() == 2

    actions.go_on(bulk, by=lena, now=later(minutes=7))
    assert run(bulk, now=later(minutes=8)) == 2
    assert (bulk.status, Decision.objects.count()) == ("done", 4)


def test_only_what_runs_or_is_paused_is_stopped(lena, ben):
    with pytest.raises(Refused, match="still waits"):
        actions.stop(propose(make_accounts(2), by=lena), by=ben, now=later(minutes=1))


def test_only_what_is_paused_or_stopped_goes_on(lena, ben):
    bulk = running(make_accounts(2), by=lena, approver=ben)

    with pytest.raises(Refused, match="It is running"):
        actions.go_on(bulk, by=ben, now=later(minutes=6))


def test_a_reviewer_does_neither(lena, ben, ada):
    bulk = running(make_accounts(2), by=lena, approver=ben)

    for act in (actions.stop, actions.go_on):
        with pytest.raises(Refused, match="for team leads"):
            act(bulk, by=ada, now=later(minutes=6))
