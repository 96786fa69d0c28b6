"""`manage.py verify_audit`: is the log what was signed? Exit 0, or 1 with the first bad position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.audit import note, proving


class Command(BaseCommand):
    help = "Check every event, leaf, tile, counter and checkpoint of the log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--key",
            type=Path,
            help="a file with the public key of the log, kept somewhere else (default: the signer's)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = proving.public_key()
        if options["key"]:
            try:
                key = note.Verifier.parse(options["key"].read_text(encoding="utf-8").strip())
            except (OSError, ValueError) as error:
                raise CommandError(f"{options['key']}: not a public key of a log ({error})") from None
        if key is None:
            raise CommandError("No public key: give --key FILE, or set AUDIT_VKEY; nothing was checked.", returncode=2)
        verdict = proving.verify(key)
        if not verdict.sound:
            raise CommandError(f"not sound at {verdict.position}: {verdict.why}")
        signed = verdict.size - verdict.waiting
        if not verdict.at:
            self.stdout.write(f"sound: {verdict.size} leaves; no checkpoint was signed yet")
            return
        self.stdout.write(f"sound up to checkpoint {signed}, signed {verdict.at:%Y-%m-%d %H:%M:%S} UTC by {key.name}")
        if verdict.waiting:
            self.stdout.write(f"{verdict.waiting} later leaves wait for the next checkpoint")
