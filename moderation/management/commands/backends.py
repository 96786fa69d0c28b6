"""`manage.py backends`: who is at the other end, may they be called, and what waits for them?"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db.models import Count

from moderation.enforcement import connector
from moderation.enforcement.models import Backend, Enforcement


class Command(BaseCommand):
    """Prints one line per description; exit 1 when one could not be called as things are set."""

    help = "List the described backends: address, switch, and what is open for them."

    def handle(self, *args: Any, **options: Any) -> None:
        """A description that does not check out was refused before this ran, with its line."""
        rows = {backend.name: backend for backend in Backend.objects.all()}
        waiting = dict(Enforcement.objects.open().values_list("backend").annotate(number=Count("pk")))
        sound = True
        for name, description in connector.descriptions().items():
            base = str(getattr(settings, description.base, ""))
            complaint = connector.wrong_base(base) or ("" if self.secret(description.secret) else "no secret is set")
            sound = sound and not complaint
            row = rows.get(name)
            switch = f"paused: {row.paused_why}" if row and row.paused_at else "on"
            serves = ", ".join(description.platforms)
            self.stdout.write(f"{name}: {base}, serves {serves}, {switch}, {waiting.get(name, 0)} open")
            if complaint:
                self.stderr.write(f"{name}: {complaint}")
        if not sound:
            raise SystemExit(1)

    def secret(self, name: str) -> bool:
        """Whether it is set; never what it is."""
        return bool(getattr(settings, name, ""))
