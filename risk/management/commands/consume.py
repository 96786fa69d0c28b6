"""How do signals get in from the stream? `manage.py consume` reads INTAKE_URL until it is told to stop."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import clock
from portal.people.models import User
from risk.intake import stream


class Command(BaseCommand):
    help = "Take in signals from the Redis stream that INTAKE_URL names (redis://host:6379/stream-name)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop when the stream is empty")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if not settings.INTAKE_URL:
            raise CommandError(
                "INTAKE_URL is not set: it names the stream, such as redis://localhost:6379/signals.", returncode=2
            )
        try:
            address = stream.Address.of(settings.INTAKE_URL)
        except stream.BadAddress as error:
            raise CommandError(str(error), returncode=2) from None
        stopping: list[int] = []
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda number, frame: stopping.append(number))
        by = User.objects.service("consume")
        self.stderr.write(f"Reading {address.stream}.")
        consumer = stream.run(address, by=by, clock=clock.now, stopped=lambda: bool(stopping), once=once)
        self.stdout.write(f"accepted {consumer.accepted} duplicates {consumer.duplicates} rejected {consumer.rejected}")
