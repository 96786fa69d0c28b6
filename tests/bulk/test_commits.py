"""Does it hold where transactions really commit: is every change in the log, and do two workers decide once?"""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import connection

from moderation.bulk import actions
from moderation.bulk.models import Bulk
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from tests.make import later

from .group import RUN, make_accounts, run, running

pytestmark = pytest.mark.usefixtures("real_commits")


def at_once(*acts):
    def one(act):
        try:
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_whole_life_leaves_an_event_for_every_change(lena, ben):
    """The database refuses at commit what no event names; here it is asked."""
    bulk = running(make_accounts(3), by=lena, approver=ben)
    run(bulk, limit=2)
    actions.stop(bulk, by=ben, now=later(minutes=6))
    actions.undo(bulk, by=lena, now=later(minutes=7), reason_code="not_violating")
    run(bulk, now=later(minutes=8))

    assert bulk.status == "undone"
    told = Counter(AuditEvent.objects.filter(type__startswith="bulk.").values_list("type", flat=True))
    assert told == {
        "bulk.proposed": 1, "bulk.item_named": 3, "bulk.approved": 1, "bulk.item_decided": 2,
        "bulk.stopped": 1, "bulk.undoing": 1,
        "bulk.item_undone": 2, "bulk.item_dropped": 1, "bulk.undone": 1,
    }  # fmt: skip


def test_two_workers_decide_on_each_account_once(lena, ben):
    bulk = running(make_accounts(12), by=lena, approver=ben)

    at_once(*[lambda: actions.run_some(Bulk.objects.get(pk=bulk.pk), now=RUN)] * 3)

    bulk.refresh_from_db()
    assert (bulk.status, bulk.items.decided().count()) == ("done", 12)
    assert Decision.objects.values("account").distinct().count() == Decision.objects.count() == 12
    assert Enforcement.objects.count() == 12


def test_nobody_is_decided_on_after_stop_returned(lena, ben):
    bulk = running(make_accounts(20), by=lena, approver=ben)
    seen = []

    def stop():
        while not Decision.objects.exists():
            pass
        actions.stop(Bulk.objects.get(pk=bulk.pk), by=ben, now=later(minutes=6))
        seen.append(Decision.objects.count())

    at_once(lambda: actions.run_some(Bulk.objects.get(pk=bulk.pk), now=RUN), stop)

    bulk.refresh_from_db()
    assert bulk.status == "stopped"
    assert seen == [Decision.objects.count()]
    assert 0 < Decision.objects.count() < 20
