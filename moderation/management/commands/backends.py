"""`manage.py backends [list | check NAME]`: who is at the other end, may they be called, and would they understand?"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count

from moderation.enforcement import connector, trying
from moderation.enforcement.description import Description, parse
from moderation.enforcement.models import Backend, Enforcement
from portal import peer
from portal.described import BadDescription


class Command(BaseCommand):
    """`list` ends with 1 when a backend could not be called as things are set; `check` with 0, 1 or 2."""

    help = "List the described backends, or try a description against the real thing without effect."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="verb")
        commands.add_parser("list", help="address, switch, and what is open for each; exit 1 if one cannot be called")
        check = commands.add_parser("check", help="exit 0 sound, 1 wrong (with the line and the reason), 2 cannot tell")
        check.add_argument("name", help="a backend, or a file that is to become one")
        check.add_argument("--account", default="", help="an account to read: shows what each kind sees")

    def handle(self, *args: Any, verb: str | None = None, **options: Any) -> None:
        """A description in its folder that does not check out was refused before this ran, with its line."""
        if verb == "check":
            self.check_one(options["name"], account=options["account"])
        else:
            self.list_all()

    def list_all(self) -> None:
        rows = {backend.name: backend for backend in Backend.objects.all()}
        waiting = dict(Enforcement.objects.open().values_list("backend").annotate(number=Count("pk")))
        sound = True
        for name, description in connector.descriptions().items():
            base, serves = peer.value_of(description.peer.base), ", ".join(description.platforms)
            if not base:
                self.stdout.write(f"{name}: not set up ({description.peer.base}), serves {serves}")
                continue
            secret = peer.value_of(description.peer.secret)
            complaint = peer.wrong_base(base) or ("" if secret else "no secret is set")
            sound = sound and not complaint
            row = rows.get(name)
            switch = f"paused: {row.paused_why}" if row and row.paused_at else "on"
            self.stdout.write(f"{name}: {base}, serves {serves}, {switch}, {waiting.get(name, 0)} open")
            if complaint:
                self.stderr.write(f"{name}: {complaint}")
        if not sound:
            raise SystemExit(1)

    def check_one(self, name: str, *, account: str) -> None:
        try:
            description = self.described(name)
        except BadDescription as bad:
            self.stderr.write(str(bad))
            raise SystemExit(trying.WRONG) from None
        found = trying.try_out(description, account=account, clock=datetime.now(UTC))
        for one in found:
            if one.verdict == trying.FINE:
                self.stdout.write(f"{description.name}: {one.said}")
            else:
                self.stderr.write(f"{description.file}, line {description.line(one.where)}: {one.said}")
        worst = trying.WRONG if any(one.verdict == trying.WRONG for one in found) else max(one.verdict for one in found)
        if worst != trying.FINE:
            raise SystemExit(worst)

    def described(self, name: str) -> Description:
        """Raises `BadDescription`, or `CommandError` (exit 2) when there is none of this name."""
        if name in connector.descriptions():
            return connector.descriptions()[name]
        path = Path(name)
        if path.suffix != ".toml":
            there = ", ".join(connector.descriptions())
            raise CommandError(f"There is no backend {name}; there are {there}.", returncode=trying.CANNOT_TELL)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as unread:
            raise CommandError(f"{name} cannot be read: {unread}", returncode=trying.CANNOT_TELL) from None
        return parse(text, file=path.name)
