"""`manage.py sequencer`: who gives events their place in the tree? One works, any number stand by."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connections

from moderation.insight.history import lanes_of
from portal.audit import sealing

log = logging.getLogger(__name__)

EVERY = 0.4  # seconds between two batches: the tree's upper tiles and a signature are paid once for each
STANDING_BY = 0.3
NO_DATABASE = 0.5
LOCK = 0x5EA1


class Command(BaseCommand):
    """Seals until SIGTERM; after each batch the next begins at once while there is more."""

    help = "Give committed events their place in the tree, in batches; stand by while another sequencer works."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="seal what waits now, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Until told to stop; a batch that was begun is finished, or the database takes it back."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                pause = self._round()
            except OperationalError as error:
                log.warning("the database does not answer: %s", str(error).strip().splitlines()[0])
                connections[sealing.DATABASE].close()
                pause = NO_DATABASE
            if options["once"] and pause:
                return
            stop.wait(pause)

    def _round(self) -> float:
        """One batch; returns how long to wait before the next."""
        with connections[sealing.DATABASE].cursor() as cursor:
            # held by the session: it ends with its process or its connection, whatever killed them
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                " AND objid = %s) OR pg_try_advisory_lock(%s)",
                [LOCK, LOCK],
            )
            if not cursor.fetchone()[0]:
                return STANDING_BY
        return 0.0 if sealing.seal(lanes=lanes_of) == sealing.BATCH else EVERY
