"""What if two come at once? Real connections, real commits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from moderation.enforcement import actions, breaker, connector, counting, tasks
from moderation.enforcement.models import Attempt, Backend, Enforcement
from tests.faults.stage import until
from tests.make import change

from .world import account, released_decision


def at_once(*each: Callable[[], Any]) -> list[Any]:
    """Run all of them in threads that begin together; what each returned or raised."""
    start, results = threading.Barrier(len(each)), [None] * len(each)

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = each[number]()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(each))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_many_workers_for_one_account_make_each_call_once_and_in_order(real_commits, ordered, platform):
    platform.faults.set({"slow_ms": 5})
    whom = account()
    for number in range(12):
        ordered(("suspend", "label", "ban", "unlabel")[number % 4], account=whom, now=timezone.now())

    made = at_once(*[lambda: actions.drain(whom.pk)] * 6)
    while actions.drain(whom.pk):
        pass

    assert all(isinstance(calls, int) for calls in made)
    assert [row["seq"] for row in platform.ledger.rows] == sorted({row["seq"] for row in platform.ledger.rows})
    sent = Enforcement.objects.exclude(status="superseded")
    assert set(sent.values_list("status", "attempts")) == {("applied", 1)}
    assert len(platform.ledger.rows) == sent.count() == Attempt.objects.count()


def test_many_decisions_about_one_account_get_numbers_without_a_gap(real_commits):
    whom = account()
    decisions = [released_decision(whom) for _ in range(10)]

    def order(decision: Any) -> int:
        with transaction.atomic():
            return actions.order(
                decision_id=decision.pk, account=whom, kind="label", by=decision.made_by, now=timezone.now()
            ).seq

    numbers = at_once(*[lambda decision=decision: order(decision) for decision in decisions])

    assert sorted(numbers) == list(range(1, 11))


def test_sweepers_and_workers_do_not_trip_over_each_other(real_commits, ordered, platform):
    rows = [ordered("label", now=timezone.now()) for _ in range(8)]
    for row in rows:
        actions._claim(row.account_id, now=None)
    change(Enforcement.objects.all(), lease_until=timezone.now() - timedelta(seconds=1))

    found = at_once(*[actions.sweep] * 4)

    assert sum(found) == 8
    at_once(*[lambda row=row: actions.drain(row.account_id) for row in rows])
    assert Enforcement.objects.filter(status="applied", attempts=2).count() == 8


def test_a_bell_tells_a_worker_only_that_something_is_due(real_commits, ordered, platform):
    row = ordered("label", now=timezone.now())

    tasks.drain(account_id=str(row.account_id), something_newer="than we know")
    tasks.drain(account_id=str(row.account_id))
    tasks.sweep(something_newer="than we know")

    assert [effect["key"] for effect in platform.ledger.rows] == [str(row.pk)]


@pytest.mark.parametrize(("allows", "come"), [(2, 8), (20, 30)])
def test_a_backend_is_never_called_by_more_at_once_than_it_allows(real_commits, ordered, monkeypatch, allows, come):
    allowed = replace(connector.descriptions()["platform"], at_once=allows)
    monkeypatch.setattr(connector, "descriptions", lambda: {"platform": allowed})
    accounts = [ordered("label", now=timezone.now()).account_id for _ in range(come)]

    at_once(*[lambda pk=pk: actions._claim(pk, now=None) for pk in accounts])

    assert Enforcement.objects.filter(status="in_flight").count() == allows


@pytest.mark.parametrize(
    ("allows", "under_way", "counts"),
    [(64, 0, True), (65, 0, False), (200, 99, False), (200, 100, True), (200, 200, False)],
)
def test_claims_count_each_other_in_the_last_64_and_in_the_upper_half(
    ordered, monkeypatch, django_assert_num_queries, allows, under_way, counts
):
    allowed = replace(connector.descriptions()["platform"], at_once=allows)
    monkeypatch.setattr(connector, "descriptions", lambda: {"platform": allowed})
    row = Enforcement.objects.head_of(ordered("label").account_id)
    row.under_way = under_way

    with django_assert_num_queries(2 if counts else 0):
        assert counting.is_room(row) == (under_way < allows)


def test_a_claim_that_waited_for_room_sees_that_the_backend_went_away_meanwhile(real_commits, ordered, monkeypatch):
    allowed = replace(connector.descriptions()["platform"], at_once=2)
    monkeypatch.setattr(connector, "descriptions", lambda: {"platform": allowed})
    row = ordered("label", now=timezone.now())
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('at_once:' || %s, 0))", [row.backend_id])
        made: list[Any] = []
        claiming = threading.Thread(
            target=lambda: made.extend(at_once(lambda: actions._claim(row.account_id, now=None)))
        )
        claiming.start()
        assert until(_somebody_waits, within=10)
        change(Backend.objects.filter(pk=row.backend_id), open_until=timezone.now() + breaker.REST)
    claiming.join()

    assert made == [None]
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("queued", 0)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])
