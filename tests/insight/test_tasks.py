"""Do the bells of insight ring for what is to be done, and does hearing one twice harm nothing?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.insight import actions, history, rollups, tasks
from moderation.insight.models import HourlyRollup
from tests import make

pytestmark = pytest.mark.django_db


def ask(by):
    return actions.request_export(
        history.read({}, wanted_by=by), formats=["csv"], purpose="check", by=by, now=timezone.now()
    )


def test_it_rings_for_what_is_queued_and_for_what_fell_silent(vera, monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr(tasks.make_export, "delay", lambda export_id: rung.append(export_id))
    queued, silent, alive = ask(vera), ask(vera), ask(vera)
    actions.start_export(silent, now=timezone.now() - timedelta(minutes=2))
    actions.start_export(alive, now=timezone.now())

    tasks.sweep()

    assert set(rung) == {str(queued.pk), str(silent.pk)}


def test_it_counts_the_history_slice_by_slice(told):
    told(minutes=30)
    make.make_case(now=make.later(hours=-40))

    tasks.count_hours()
    newest = HourlyRollup.objects.filter(measure="filled").count()
    tasks.count_hours()

    assert newest == 2 + tasks.SLICE
    assert HourlyRollup.objects.filter(measure="filled").count() == 2 + 2 * tasks.SLICE
    assert HourlyRollup.objects.get(measure="opened").n == 1


def test_it_counts_again_what_changed_afterwards(ada, ben, told):
    from moderation.decisions import actions as decisions

    proposed = make.make_decision(at="proposed", by=ada)
    rollups.fill(make.NOON, make.NOON + rollups.HOUR, now=make.NOON)
    decisions.approve(proposed, by=ben, now=make.later(hours=5))
    told(hours=5, minutes=1)

    tasks.recount_hours()

    assert HourlyRollup.objects.get(measure="decided").n == 1
