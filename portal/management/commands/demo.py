"""How do I see all of it on my machine? `manage.py demo`; manage.py goes straight to the supervisor, before Django."""

from __future__ import annotations

import sys

from django.core.management.base import BaseCommand

from portal.local import supervisor


class Command(BaseCommand):
    help = "Runs everything on this one machine and tells a believable day."

    def run_from_argv(self, argv: list[str]) -> None:
        sys.exit(supervisor.main(argv[2:]))

    def handle(self, *arguments: str, **_options: object) -> None:
        sys.exit(supervisor.main(list(arguments)))
