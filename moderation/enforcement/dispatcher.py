"""Who hears that there is something to do? Rings the worker on NOTIFY and each second, or does it when nobody comes.

Any number may run and none is special: a bell rung twice is rung once, and what is done here is done under the same
leases as in a worker. A publish can hang when the broker does, so only the ringer's own thread ever talks to it.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg2
from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models import F
from django.db.models.functions import Now

from . import actions
from .models import Enforcement

CHANNEL = "reeve_enforcement"
TICK = 1.0  # seconds
PATIENCE = 3.0  # a head that is due and unclaimed for so long is drained here
REST = 2.0  # after the broker failed, for so long nothing is published: each try can take most of a second
CROWD = 4  # bells that nobody has answered yet: what comes now is drained here at once
LONGEST_PATIENCE = 9.0  # one that was lost again and again is left to workers for longer, whose pool can be killed
HAND_LIMIT = 45.0  # seconds: as long as a worker's task may take
SILENCE = 30.0  # seconds without a sign of life after which the process is ended
LOOK_AT = 2000  # heads per look
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bell:
    """A message for a worker: the task's name, its queue, what it is told."""

    task: str
    queue: str
    told: dict[str, Any] = field(default_factory=dict)
    expires: float | None = None  # seconds after which nobody needs to hear it
    crowd: int = 0  # with so many waiting in the queue it is not rung: nobody would come soon; 0: it always is


@dataclass(frozen=True)
class Chore:
    """Something done each `every` seconds and whenever one of the channels it `hears` speaks."""

    name: str
    run: Callable[[], object]
    every: float = TICK
    hears: tuple[str, ...] = ()


class Ringer:
    """Publishes bells from its own thread; what cannot be published is handed back to be done here.

    `publish` returns False where nobody would come soon.
    """

    def __init__(self, publish: Callable[[Bell], object]) -> None:
        self.publish = publish
        self.waiting: queue.Queue[tuple[Bell, Callable[[], object]] | None] = queue.Queue(maxsize=20_000)
        self.thread = threading.Thread(target=self._work, name="ringer", daemon=True)
        self.complained_at = float("-inf")
        self.rest_until = float("-inf")

    def ring(self, bell: Bell, *, otherwise: Callable[[], object]) -> None:
        """Publish soon; never waits. With too many waiting the broker hangs, and a look at the table finds the work."""
        with suppress(queue.Full):
            self.waiting.put_nowait((bell, otherwise))

    def stop(self) -> None:
        """Publish nothing more. A publish that hangs is left behind."""
        with suppress(queue.Full):
            self.waiting.put_nowait(None)
        if self.thread.ident:
            self.thread.join(timeout=2)

    def _work(self) -> None:
        while (item := self.waiting.get()) is not None:
            bell, otherwise = item
            if time.monotonic() < self.rest_until:
                otherwise()
                continue
            try:
                if self.publish(bell) is False:
                    otherwise()
            except Exception as broken:  # whatever the broker's library raises, the work goes on here
                self.rest_until = time.monotonic() + REST
                if time.monotonic() - self.complained_at > 30:
                    self.complained_at = time.monotonic()
                    _log.warning("The broker does not take bells (%s); the dispatcher does the work itself.", broken)
                otherwise()


class Dispatcher:
    """Listens, looks, rings, and lends a hand."""

    def __init__(self, publish: Callable[[Bell], object]) -> None:
        self.ringer = Ringer(publish)
        self.hands = settings.ENFORCEMENT_HANDS
        self.work: queue.SimpleQueue[UUID | None] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.draining: set[UUID] = set()
        self.begun: dict[int, float] = {}  # hand → since when it is at an account
        self.rung: dict[UUID, float] = {}  # account → when; forgotten after a tick
        self.seen: dict[UUID, float] | None = None  # head → since when it was seen due; None: never looked
        self.stopping = threading.Event()
        self.wake_up, self.wake = os.pipe()
        self.bells: dict[Chore, threading.Event] = {}
        for name, run in (("look", self.look), ("sweep", actions.sweep), ("end", actions.end_due)):
            self.add(Chore(name, run))

    def add(self, chore: Chore) -> None:
        """One more thing to do, before `run()`; rooms above hand in theirs, so that this one knows none of them."""
        self.bells[chore] = threading.Event()

    def run(self) -> None:
        """Until `stop()`. What was begun is finished first."""
        threads = [threading.Thread(target=self._repeat, args=(c,), name=c.name, daemon=True) for c in self.bells]
        threads += [
            threading.Thread(target=self._lend_a_hand, name=f"hand-{n}", daemon=True) for n in range(self.hands)
        ]
        for thread in (self.ringer.thread, *threads):
            thread.start()
        while not self.stopping.is_set():
            try:
                self._listen()
            except (Error, psycopg2.Error, OSError) as broken:  # the driver's own too: Django wraps no poll()
                _log.warning("The database is away (%s); listening again in a second.", broken)
                connection.close()
                self.stopping.wait(TICK)
        for bell in self.bells.values():
            bell.set()
        for _ in range(self.hands):
            self.work.put(None)
        for thread in threads:
            thread.join(timeout=30)
        self.ringer.stop()
        connection.close()

    def stop(self) -> None:
        """End soon; may be called by a signal handler."""
        self.stopping.set()
        os.write(self.wake, b"!")

    def watch(self) -> None:
        """End the process when a hand does not come back, or nothing here runs any more; who supervises starts it anew.

        Nothing ends a thread, and one that loops for ever takes the others' time. The timer needs no interpreter.
        """
        faulthandler.dump_traceback_later(SILENCE, exit=True)
        while not self.stopping.wait(TICK):
            if not self.stuck():
                faulthandler.dump_traceback_later(SILENCE, exit=True)
        faulthandler.cancel_dump_traceback_later()

    def stuck(self) -> bool:
        """Whether a hand has been at one account for longer than a worker might."""
        return any(time.monotonic() - since > HAND_LIMIT for since in list(self.begun.values()))

    def heard(self, channel: str, payload: str) -> None:
        """Somebody spoke: an action of an account was ordered, or a chore has something to do."""
        if channel == CHANNEL:
            with suppress(ValueError):
                self._ring(UUID(payload))
        for chore, bell in self.bells.items():
            if channel in chore.hears:
                bell.set()

    def look(self) -> None:
        """Ring for what has become due, and drain what is due for long and nobody has come for."""
        now = time.monotonic()
        heads = Enforcement.objects.due_heads().annotate(waited=Now() - F("next_attempt_at"))
        due = list(heads.values_list("pk", "account_id", "lost_leases", "waited")[:LOOK_AT])
        self.rung = {account: at for account, at in self.rung.items() if now - at <= TICK}
        before = self.seen
        if before is None:  # another saw them before us, and has died since: what they waited counts
            self.seen = {pk: now - waited.total_seconds() for pk, _, _, waited in due}
        else:
            self.seen = {pk: before.get(pk, now) for pk, _, _, _ in due}
        for pk, account, lost, _ in due:
            if now - self.seen[pk] >= min(LONGEST_PATIENCE, PATIENCE * max(1, lost)):
                self._drain_here(account)
            elif pk not in (before or ()) and account not in self.rung:
                self._ring(account, feared=lost > 1)

    def _ring(self, account_id: UUID, *, feared: bool = False) -> None:
        self.rung[account_id] = time.monotonic()
        told = {"account_id": str(account_id)}
        bell = Bell("moderation.enforcement.tasks.drain", "enforcement", told, crowd=CROWD)
        self.ringer.ring(bell, otherwise=lambda: None if feared else self._drain_here(account_id))

    def _drain_here(self, account_id: UUID) -> None:
        with self.lock:
            if account_id in self.draining or self.stopping.is_set():
                return
            self.draining.add(account_id)
        self.work.put(account_id)

    def _lend_a_hand(self) -> None:
        while (account_id := self.work.get()) is not None:
            try:
                close_old_connections()
                self.begun[threading.get_ident()] = time.monotonic()
                if not self.stopping.is_set():
                    actions.drain(account_id)
            except Exception:
                _log.exception("Draining account %s failed; the next look finds it again.", account_id)
                connection.close()
            finally:
                self.begun.pop(threading.get_ident(), None)
                with self.lock:
                    self.draining.discard(account_id)
        connection.close()

    def _listen(self) -> None:
        """Hear what is said, at once. Returns when told to stop; raises when the connection is lost."""
        channels = {CHANNEL, *(channel for chore in self.bells for channel in chore.hears)}
        with connection.cursor() as cursor:
            for channel in sorted(channels):
                cursor.execute(f"LISTEN {connection.ops.quote_name(channel)}")
        raw = connection.connection
        while not self.stopping.is_set():
            while raw.notifies:
                said = raw.notifies.pop(0)
                self.heard(said.channel, said.payload)
            ready, _, _ = select.select([raw, self.wake_up], [], [], 60)
            if raw in ready:
                raw.poll()
            elif not ready:  # after an idle minute ask, so that a dead connection shows
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")

    def _repeat(self, chore: Chore) -> None:
        bell = self.bells[chore]
        while not self.stopping.is_set():
            bell.clear()
            try:
                close_old_connections()
                chore.run()
            except Exception:
                _log.exception("%s failed; it is tried again.", chore.name)
                connection.close()
                self.stopping.wait(TICK)
            bell.wait(chore.every)
        connection.close()
