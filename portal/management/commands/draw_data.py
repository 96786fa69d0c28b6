"""How do I draw docs/data.md again?

`manage.py draw_data`; with `--check` it only says whether the page is stale.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import inventory


class Command(BaseCommand):
    help = "Draw docs/data.md from the classes and purposes that the models declare."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is stale")

    def handle(self, *args: Any, **options: Any) -> None:
        if wrong := inventory.wrong():
            raise CommandError("\n".join(wrong))
        file = settings.BASE_DIR / "docs" / "data.md"
        drawn = inventory.page()
        if not options["check"]:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            raise CommandError("docs/data.md is stale: run `make data` and commit what it draws.")
