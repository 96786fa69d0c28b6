"""`manage.py dispatcher`: who wires the rooms to the one process that hears everything?"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from celery import current_app
from django.core.management.base import BaseCommand
from django.db import connection

from moderation.cases import actions as cases
from moderation.decisions import actions as decisions
from moderation.enforcement import reconciling
from moderation.enforcement.dispatcher import Bell, Chore, Dispatcher
from moderation.insight.actions import BEAT_LOST
from moderation.insight.models import Export, LogCheck
from risk.intake.models import Account, Signal
from risk.scoring.models import Score

SCORE = Bell("risk.scoring.tasks.score_stale", "scoring", expires=5)
TAKE = Bell("moderation.cases.tasks.take_new", "cases", expires=5)
INSIGHT = Bell("moderation.insight.tasks.sweep", "insight", expires=5)


def clock() -> datetime:
    """The database's clock: the one all deadlines are compared with."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


class Line:
    """The dispatcher's own line to the broker, for its one thread that rings: tried once, never for long.

    The pool of the broker's library tries for 6 s before it says that nobody is there.
    """

    ONCE: ClassVar = {"max_retries": 0, "socket_timeout": 2}

    def __init__(self, url: str | None = None) -> None:
        self.url = url
        self.producer: Any = None

    def publish(self, bell: Bell) -> bool:
        """Ring; False where too many bells wait to be answered. Raises what the broker's library raises."""
        try:
            if self.producer is None:
                connection = current_app.connection_for_write(self.url, transport_options=self.ONCE)
                self.producer = current_app.amqp.Producer(connection)
            if bell.crowd and self.producer.channel.client.llen(bell.queue) >= bell.crowd:
                return False
            told = {"kwargs": bell.told, "queue": bell.queue, "expires": bell.expires}
            current_app.send_task(bell.task, **told, retry=False, producer=self.producer)
        except Exception:
            broken, self.producer = self.producer, None
            with suppress(Exception):
                broken.connection.release()
            raise
        return True


def ring(dispatcher: Dispatcher, bell: Bell, wanted: Callable[[], bool]) -> Callable[[], None]:
    """A chore that rings a worker where something waits. Without a broker it is left to the next look."""

    def chore() -> None:
        if wanted():
            dispatcher.ringer.ring(bell, otherwise=lambda: None)

    return chore


def deadlines() -> None:
    """What days and hours bring: answers that did not come, proposals that nobody took up."""
    now = clock()
    decisions.expire_pending(now=now)
    decisions.expire_proposals(now=now)


def findings() -> None:
    """What enforcement found is given to people, and taken from them where it settled by itself."""
    now = clock()
    decisions.take_findings(now=now)
    decisions.close_settled(now=now)


def to_take() -> bool:
    """Whether cases have something to take."""
    return (
        Score.objects.filter(taken_at__isnull=True, latest=True).exists()
        or Signal.objects.filter(taken_at__isnull=True, opens=True).exists()
    )


def to_make() -> bool:
    """Whether insight has an export or a check of the log that nobody makes."""
    silent = clock() - BEAT_LOST
    return Export.objects.to_make(silent).exists() or LogCheck.objects.to_make(silent).exists()


def wire() -> Dispatcher:
    """The dispatcher with what every room wants done."""
    dispatcher = Dispatcher(Line().publish)
    stale = Account.objects.filter(stale_at__isnull=False)
    for chore in (
        Chore("release", lambda: decisions.release_due(now=clock())),
        Chore("claims", lambda: cases.return_expired(now=clock()), every=5),
        Chore("deadlines", deadlines, every=15),
        Chore("reconcile", reconciling.reconcile, every=5),
        Chore("findings", findings, every=5),
        Chore("score", ring(dispatcher, SCORE, stale.exists), hears=("reeve_intake",)),
        Chore("take", ring(dispatcher, TAKE, to_take), hears=("reeve_intake", "reeve_scores")),
        Chore("insight", ring(dispatcher, INSIGHT, to_make), hears=("reeve_insight",)),
    ):
        dispatcher.add(chore)
    return dispatcher


class Command(BaseCommand):
    """Rings and lends a hand until SIGTERM."""

    help = "Hear what is to be done (NOTIFY, and each second), ring the workers, and do what nobody comes for."

    def handle(self, *args: Any, **options: Any) -> None:
        """Until told to stop; what was begun is finished."""
        dispatcher = wire()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: dispatcher.stop())
        threading.Thread(target=dispatcher.watch, name="watch", daemon=True).start()
        dispatcher.run()
