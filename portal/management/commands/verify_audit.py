"""`manage.py verify_audit`: is the log what was signed? Exit 0, or 1 with the first bad position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.audit import epochs, note, proving, witnessing
from portal.audit.models import Alarm


class Command(BaseCommand):
    help = "Check every event, leaf, tile, counter and checkpoint of the log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--key",
            type=Path,
            help="a file with the public key of the log, kept somewhere else (default: the signer's)",
        )
        parser.add_argument(
            "--witness", type=Path, action="append", default=[], help="a file with public keys of witnesses"
        )
        parser.add_argument("--need", type=int, help="how many of them must have signed (default: all)")
        parser.add_argument("--saved", type=Path, help="a file with a checkpoint that somebody kept, to compare")
        parser.add_argument(
            "--known-gone",
            type=int,
            default=0,
            help="how many events taken out before they were sealed are looked into",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = _keys(options["key"])[0] if options["key"] else proving.public_key()
        witnesses = [key for file in options["witness"] for key in _keys(file)]
        if key is None:
            raise CommandError("No public key: give --key FILE, or set AUDIT_VKEY; nothing was checked.", returncode=2)
        verdict = proving.verify(key)
        if not verdict.sound:
            raise CommandError(f"not sound at {verdict.position}: {verdict.why}")
        self._say_up_to_where(verdict)
        if verdict.unplaced:
            raise CommandError(f"sound, but not whole: {verdict.whole().why}")
        gone = Alarm.objects.filter(kind=Alarm.Kind.GONE)
        if (count := gone.count()) != options["known_gone"]:
            newest = gone.order_by("-created_at").first()
            raise CommandError(f"sound, but not whole: {count} alarms like this: {newest.told if newest else 'none'}")
        if options["saved"]:
            self.stdout.write(_compared(options["saved"], key))
        if witnesses:
            quorum = witnessing.quorum(witnesses, options["need"] or len(witnesses))
            if not quorum.enough:
                raise CommandError(f"not witnessed: {quorum.told}")
            self.stdout.write(quorum.told)

    def _say_up_to_where(self, verdict: proving.Verdict) -> None:
        signed = verdict.size - verdict.waiting
        if not verdict.at:
            self.stdout.write(f"sound: {verdict.size} leaves; no checkpoint was signed yet")
            return
        self.stdout.write(
            f"sound up to checkpoint {signed}, signed {verdict.at:%Y-%m-%d %H:%M:%S} UTC by {verdict.origin}"
        )
        if verdict.waiting:
            self.stdout.write(f"{verdict.waiting} later leaves wait for the next checkpoint")


def _keys(file: Path) -> list[note.Verifier]:
    """The public keys in a file, at least one."""
    try:
        return [note.Verifier.parse(word) for word in file.read_text(encoding="utf-8").split() or [""]]
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: not a public key ({error})", returncode=2) from None


def _compared(file: Path, key: note.Verifier) -> str:
    """What became of a checkpoint that somebody kept."""
    try:
        return epochs.compare(note.Note.parse(file.read_text(encoding="utf-8")), key)
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: not a checkpoint ({error})", returncode=2) from None
    except epochs.NoEpoch as lost:
        raise CommandError(str(lost)) from None
