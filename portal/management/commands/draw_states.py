"""How do I draw docs/states.md again?

`manage.py draw_states`; with `--check` it only says whether the page is stale.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import states


class Command(BaseCommand):
    help = "Draw docs/states.md from the state tables of the models."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is stale")

    def handle(self, *args: Any, **options: Any) -> None:
        file = settings.BASE_DIR / "docs" / "states.md"
        drawn = states.page()
        if not options["check"]:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            raise CommandError("docs/states.md is stale: run `make states` and commit what it draws.")
