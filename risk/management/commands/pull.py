"""How do reports get in that are kept elsewhere? `manage.py pull [NAME …]` asks the described systems for them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import clock, peer
from portal.people.models import User
from risk.intake import feeds, pulling


class Command(BaseCommand):
    """Ends with 0, 1 (a setting or the description is wrong) or 2 (nobody answered, or there is no such feed)."""

    help = "Take in what people reported on the described systems (risk/intake/sources, FEEDS_DIR). Twice is once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="*", help="feeds; without one, all that are set up")
        parser.add_argument("--again", action="store_true", help="to the end, not only to what is known")

    def handle(self, *args: Any, name: list[str], again: bool = False, **options: Any) -> None:
        there = feeds.feeds()
        if unknown := [one for one in name if one not in there]:
            raise CommandError(f"There is no feed {unknown[0]}; there are {', '.join(there)}.", returncode=2)
        chosen = name or [one for one, feed in there.items() if peer.value_of(feed.peer.base)]
        if not chosen:
            raise CommandError("No feed is set up; docs/intake.md says how.", returncode=2)
        by = User.objects.service("pull")
        worst = 0
        for one in chosen:
            try:
                self.tell(one, pulling.pull(there[one], by=by, clock=clock.now, again=again))
            except pulling.Stuck as stuck:
                self.stderr.write(f"{one}: {stuck}")
                worst = max(worst, 2 if stuck.away else 1) if worst != 1 else 1
        if worst:
            raise SystemExit(worst)

    def tell(self, name: str, told: pulling.Pulled) -> None:
        for bad in told.rejected:
            self.stderr.write(f"{name} {bad}")
        if told.unread:
            self.stderr.write(f"{name}: {told.unread} too large to be read")
        counts = f"accepted {told.accepted} duplicates {told.duplicates} rejected {len(told.rejected) + told.unread}"
        self.stdout.write(f"{name}: {counts}, read up to {told.cursor}")
