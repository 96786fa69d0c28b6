"""`manage.py signer`: who vouches for the tree? One process with its own key and its own record."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections

from portal.audit import signing, witnessing
from portal.local.children import STAYS_DOWN

log = logging.getLogger(__name__)

EVERY = 0.1  # seconds; a checkpoint follows growth within this and the time of a signature


class Command(BaseCommand):
    """Signs until SIGTERM; refuses, and ends with 3, where the tree is no continuation of what it signed."""

    help = "Sign the tree as it grows; refuse when it was set back or rewritten."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="sign what stands now, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Until told to stop."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        try:
            signer = signing.Signer()
        except signing.AnotherSigns as why:
            raise CommandError(str(why)) from None
        if not options["once"]:
            witnessing.start(stop)
        try:
            while not stop.is_set():
                self._round(signer)
                if options["once"]:
                    break
                stop.wait(EVERY)
        except signing.RefusesToSign as why:
            self._round(signer, why)
            raise CommandError(str(why), returncode=STAYS_DOWN) from None
        finally:
            signer.close()

    def _round(self, signer: signing.Signer, refusal: signing.RefusesToSign | None = None) -> None:
        try:
            signer.tell(refusal) if refusal else signer.sign()
        except DatabaseError as error:
            log.warning("the database does not answer: %s", str(error).strip().splitlines()[0])
            connections[signing.DATABASE].close()
