"""Where does an export end? At the moment of asking, with real commits."""

from __future__ import annotations

import threading

from django.db import connection, transaction
from django.utils import timezone

from moderation.insight import actions, exports, history
from portal.audit import actions as audit
from portal.audit.events import Event
from tests.insight.conftest import decide


def ask(by):
    chosen = history.read({}, wanted_by=by)
    return actions.request_export(chosen, formats=["jsonl"], purpose="yearly check", by=by, now=timezone.now())


def test_it_leaves_out_what_happened_after_the_asking(real_commits, ada, vera, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    decide(ada)
    export = ask(vera)
    decide(ada)

    assert exports.make(export.pk, clock=timezone.now)

    export.refresh_from_db()
    told = (exports.folder() / export.path).read_text()
    assert told.count('"type":"decision.held"') == 1
    assert told.splitlines()[-1].count('"type":"export.requested"') == 1


def test_it_waits_for_a_transaction_that_began_before_the_asking(real_commits, ada, vera, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            audit.record(Event.ACCOUNT_VIEWED, by=ada, of="account:slow")
            begun.set()
            go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(20)
    export = ask(vera)

    assert exports.make(export.pk, clock=timezone.now) is False
    export.refresh_from_db()
    assert export.status == "queued"

    go_on.set()
    thread.join()
    assert exports.make(export.pk, clock=timezone.now)
    export.refresh_from_db()
    assert "account:slow" in (exports.folder() / export.path).read_text()
