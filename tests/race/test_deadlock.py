"""What if the database ends my transaction because it stood in a ring? It is done again, once."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from moderation.cases.models import Case
from moderation.decisions import actions, making
from moderation.decisions.models import Decision
from tests.make import NOON, make_case

pytestmark = pytest.mark.usefixtures("real_commits")
WARN = {"outcome": "warn", "reason_code": "bulk_messages", "undo_seconds": 0}


def ended_by_the_database(times, act):
    """The act, whose transaction the database ends the first few times, as it ends one of a ring."""
    left = [times]

    def perform(*args, **kwargs):
        if left[0]:
            left[0] -= 1
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'ring' USING ERRCODE = 'deadlock_detected'; END $$")
        return act(*args, **kwargs)

    return perform


def test_a_decision_is_made_again_from_the_start(person, monkeypatch):
    ada = person("ada", "reviewer")
    case = make_case(at="claimed", by=ada)
    monkeypatch.setattr(making.cases, "freeze", ended_by_the_database(2, making.cases.freeze))

    decision = actions.decide(case, by=ada, now=NOON, version=case.version, request_key="k", **WARN)

    assert (decision.status, Decision.objects.count()) == ("released", 1)
    assert Case.objects.get().version == case.version == 3


def test_it_gives_up_in_the_end_and_leaves_nothing(person, monkeypatch):
    ada = person("ada", "reviewer")
    case = make_case(at="claimed", by=ada)
    monkeypatch.setattr(making.cases, "freeze", ended_by_the_database(9, making.cases.freeze))

    with pytest.raises(OperationalError):
        actions.decide(case, by=ada, now=NOON, version=case.version, request_key="k", **WARN)

    assert not Decision.objects.exists()
    assert Case.objects.get().status == "claimed"
