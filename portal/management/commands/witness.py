"""`manage.py witness`: who signs beside the log? A door to `portal.audit.witness`, which needs none of this."""

from __future__ import annotations

import sys

from django.core.management.base import BaseCommand

from portal.audit import witness


class Command(BaseCommand):
    """Its arguments are read there: nothing of our settings and database is for it."""

    help = "Sign checkpoints of logs beside them; see --help."

    def run_from_argv(self, argv: list[str]) -> None:
        """Serve until stopped."""
        sys.exit(witness.main(argv[2:], program="manage.py witness"))
