"""`manage.py erase FILE`: whose personal data goes? A list of platform,id; each is answered; dry unless applied."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import clock
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy import erasure
from portal.refusal import Refused


class Command(BaseCommand):
    help = "Show what would go with each account of a CSV file (platform,id); with --apply, erase them one by one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--by", required=True, help="the privacy officer in whose name it happens")
        parser.add_argument("--ticket", required=True, help="the number of the request; no names, it stands in the log")
        parser.add_argument("--legal-basis", required=True, choices=list(erasure.LEGAL_BASES))
        parser.add_argument("--apply", action="store_true", help="erase; without it nothing changes")

    def handle(self, *args: Any, **options: Any) -> None:
        """One answer per line; exit 0 only if none was refused."""
        by = User.objects.filter(username=options["by"]).first()
        if by is None or not by.may(Permission.ACCOUNT_ERASE):
            raise CommandError(f"{options['by']} may not erase; name a privacy officer.")
        try:
            with options["file"].open(newline="", encoding="utf-8-sig") as file:
                lines = [[cell.strip() for cell in line] for line in csv.reader(file) if any(line)]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from None
        if lines and lines[0] == ["platform", "id"]:
            lines = lines[1:]
        refused = 0
        try:
            for number, line in enumerate(lines, start=1):
                done, said = self.answer(line, by=by, options=options)
                refused += not done
                self.stdout.write(f"{number}: {':'.join(line)}: {said}")
        finally:
            if options["apply"]:
                erasure.forget_samples()
        self.stdout.write(
            f"{'erased' if options['apply'] else 'would erase'} {len(lines) - refused}, refused {refused}"
        )
        if refused:
            raise SystemExit(1)

    def answer(self, line: list[str], *, by: User, options: dict[str, Any]) -> tuple[bool, str]:
        """Whether it was (or would be) erased, and what there is to say."""
        if len(line) != 2:
            return False, "refused: a line is platform,id"
        try:
            if options["apply"]:
                seen = erasure.erase(
                    *line, legal_basis=options["legal_basis"], ticket=options["ticket"], by=by, now=clock.now(),
                    one_of_many=True,
                )  # fmt: skip
            elif (subject := erasure.find(*line)) is None:
                return False, "refused: there is no account of that name here, or it was erased before"
            elif (seen := erasure.preview(subject)).against:
                return False, f"refused: {' '.join(seen.against)}"
        except Refused as refused:
            return False, f"refused: {refused.sentence}"
        goes = ", ".join(f"{n} {what}" for what, n in seen.goes.items()) or "nothing but its name"
        return True, f"{'erased' if options['apply'] else 'would go'}: {goes}"
