"""Is every order heard at once, and done even when no worker and no broker is there?"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from moderation.enforcement import dispatcher
from moderation.enforcement.dispatcher import Bell, Chore, Dispatcher
from moderation.enforcement.models import Enforcement
from moderation.management.commands.dispatcher import Line
from tests.make import change


def until(true: Callable[[], Any], within: float = 10.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end and not true():
        time.sleep(0.01)
    return bool(true())


@pytest.fixture
def running(real_commits, monkeypatch):
    """A dispatcher in a thread; `running(publish, *chores)`. It is stopped, and must end, after the test."""
    monkeypatch.setattr(dispatcher, "PATIENCE", 0.3)
    begun = []

    def run(publish: Callable[[Bell], object], *chores: Chore) -> Dispatcher:
        one = Dispatcher(publish)
        for chore in chores:
            one.add(chore)
        thread = threading.Thread(target=one.run)
        thread.start()
        begun.append((one, thread))
        assert until(lambda: listening() > 0)
        return one

    yield run
    for one, thread in begun:
        one.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()


def listening() -> int:
    """How many of this database's connections listen."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        return cursor.fetchone()[0]


def applied() -> int:
    return Enforcement.objects.filter(status="applied").count()


def test_it_rings_the_worker_for_what_is_ordered(running, ordered):
    bells: list[Bell] = []
    running(bells.append)

    action = ordered("suspend", now=timezone.now())

    assert until(lambda: bells, within=5)
    assert bells[0].task == "moderation.enforcement.tasks.drain"
    assert (bells[0].queue, bells[0].told) == ("enforcement", {"account_id": str(action.account_id)})


def test_it_leaves_what_took_others_along_to_workers_for_longer(running, ordered, platform, monkeypatch):
    monkeypatch.setattr(dispatcher, "LONGEST_PATIENCE", 60)
    feared, fresh = ordered("suspend", now=timezone.now()), ordered("suspend", now=timezone.now())
    change(Enforcement.objects.filter(pk=feared.pk), lost_leases=30)
    running(lambda bell: None)

    assert until(lambda: applied() == 1)
    time.sleep(1)
    assert list(Enforcement.objects.filter(status="applied")) == [fresh]


def test_it_knows_of_a_hand_that_does_not_come_back(running, ordered, monkeypatch):
    monkeypatch.setattr(dispatcher, "HAND_LIMIT", 0.5)
    held = threading.Event()
    monkeypatch.setattr(dispatcher.actions, "drain", lambda account_id: held.wait(10))
    one = running(lambda bell: None)
    assert not one.stuck()

    ordered("suspend", now=timezone.now())

    assert until(one.stuck)
    held.set()
    assert until(lambda: not one.begun)


def test_its_process_ends_when_a_hand_does_not_come_back():
    code = (
        "import time; from moderation.enforcement import dispatcher as d; d.SILENCE = 1.5; d.HAND_LIMIT = 1\n"
        "import threading; one = d.Dispatcher(print); one.begun[1] = time.monotonic()\n"
        "threading.Thread(target=one.watch, daemon=True).start(); time.sleep(30)"
    )
    told = "import django; django.setup()\n" + code

    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "Timeout" in ended.stderr


def test_it_does_the_work_itself_when_nobody_comes(running, ordered, platform):
    running(lambda bell: None)

    for _ in range(5):
        ordered("suspend", now=timezone.now())

    assert until(lambda: applied() == 5)
    assert len(platform.ledger.rows) == 5


def test_one_that_begins_goes_on_where_another_died_waiting(ordered, platform, monkeypatch):
    monkeypatch.setattr(dispatcher, "PATIENCE", 3.0)
    left, new = ordered("suspend", now=timezone.now() - timedelta(seconds=4)), ordered("suspend", now=timezone.now())
    bells: list[Bell] = []
    one = dispatcher.Dispatcher(bells.append)
    monkeypatch.setattr(one.ringer, "ring", lambda bell, otherwise: bells.append(bell))

    one.look()

    assert one.draining == {left.account_id}
    assert [bell.told["account_id"] for bell in bells] == [str(new.account_id)]
    later = ordered("suspend", now=timezone.now() - timedelta(seconds=4))
    one.look()
    assert one.draining == {left.account_id}  # what it sees for the first time later, a worker may come for
    assert str(later.account_id) in [bell.told["account_id"] for bell in bells]


def test_it_does_the_work_itself_when_there_is_no_broker(running, ordered, platform, monkeypatch):
    def publish(bell: Bell) -> None:
        raise OSError("nobody there")

    monkeypatch.setattr(dispatcher, "PATIENCE", 3600)  # it needs no patience to know
    running(publish)

    ordered("suspend", now=timezone.now())

    assert until(lambda: applied() == 1)


def test_a_broker_that_failed_is_left_alone_for_a_moment(running, ordered, platform, monkeypatch):
    asked = []

    def publish(bell: Bell) -> None:
        asked.append(bell)
        raise OSError("nobody there")

    monkeypatch.setattr(dispatcher, "PATIENCE", 3600)
    monkeypatch.setattr(dispatcher, "REST", 3600)
    running(publish)

    for _ in range(5):
        ordered("suspend", now=timezone.now())

    assert until(lambda: applied() == 5)
    assert len(asked) == 1


def test_it_does_at_once_what_a_crowded_queue_would_keep_waiting(running, ordered, platform, monkeypatch):
    monkeypatch.setattr(dispatcher, "PATIENCE", 3600)
    bells: list[Bell] = []

    def publish(bell: Bell) -> bool:
        bells.append(bell)
        return False

    running(publish)

    ordered("suspend", now=timezone.now())

    assert until(lambda: applied() == 1)
    assert bells[0].crowd > 0


def test_it_hears_at_once_that_no_broker_is_there(tmp_path):
    line, begun = Line(f"redis+socket://{tmp_path}/nobody"), time.monotonic()

    with pytest.raises(OperationalError):
        line.publish(Bell("a.task", "enforcement", crowd=4))

    assert time.monotonic() - begun < 4  # the library's own patience is 6 s
    assert line.producer is None


def test_a_broker_that_hangs_holds_up_nothing(running, ordered, platform):
    hung = threading.Event()
    running(lambda bell: hung.wait(30))

    for _ in range(3):
        ordered("suspend", now=timezone.now())

    assert until(lambda: applied() == 3)
    hung.set()


def test_it_finds_what_was_ordered_while_nobody_listened(ordered, running, platform):
    ordered("suspend", now=timezone.now())
    bells: list[Bell] = []

    running(bells.append)

    assert until(lambda: bells)
    assert until(lambda: applied() == 1)


def test_two_of_them_do_nothing_twice(running, ordered, platform):
    running(lambda bell: None)
    running(lambda bell: None)

    for _ in range(10):
        ordered("suspend", now=timezone.now())

    assert until(lambda: applied() == 10)
    assert len({row["key"] for row in platform.ledger.rows}) == len(platform.ledger.rows) == 10


def test_a_chore_is_done_when_its_channel_speaks(running):
    done = []
    running(lambda bell: None, Chore("other", lambda: done.append(1), every=3600, hears=("reeve_other",)))
    assert until(lambda: len(done) == 1)  # once at the start, perhaps before anybody listens

    def said_and_done() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("NOTIFY reeve_other")
        return len(done) > 1

    assert until(said_and_done)


def test_a_chore_that_fails_is_tried_again_and_stops_nothing(running, ordered, platform):
    tried = []

    def fail() -> None:
        tried.append(1)
        raise ValueError("broken")

    running(lambda bell: None, Chore("broken", fail, every=0.01))
    ordered("suspend", now=timezone.now())

    assert until(lambda: len(tried) >= 2)
    assert until(lambda: applied() == 1)


def test_it_listens_again_when_the_database_was_away(running, ordered):
    bells: list[Bell] = []
    running(bells.append)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    ordered("suspend", now=timezone.now())

    assert until(lambda: bells)
    assert until(lambda: listening() > 0)
