"""`manage.py sweep_retention [--apply]`: what is old enough to go, what holds keep back, and is it to be deleted?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import clock
from portal.people.models import User
from portal.privacy import retention


class Command(BaseCommand):
    help = "Show what each retention rule would delete; with --apply, delete it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="delete what is due")
        parser.add_argument("--rule", action="append", default=[], help="only this rule; may be given several times")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per rule: period, rows due, the oldest, held back, deleted."""
        if unknown := set(options["rule"]) - set(retention.RULES):
            raise CommandError(f"There is no rule {min(unknown)}; there are {', '.join(retention.RULES)}.")
        apply = options["apply"]
        lines = retention.sweep(by=User.objects.service("system"), now=clock.now(), apply=apply, rules=options["rule"])
        for line in lines:
            oldest = f"{line.due.oldest:%Y-%m-%d}" if line.due.oldest else "-"
            said = f"deleted {line.deleted}" if apply else "dry run"
            self.stdout.write(
                f"{line.rule.name}: {line.days} days, {line.due.rows} due, oldest {oldest}, "
                f"{line.due.held} held back by legal holds, {said}"
            )
