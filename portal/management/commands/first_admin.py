"""Who lets the first person in? This command, once: as soon as there is an admin, people are made on the team page."""

from __future__ import annotations

import getpass
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from portal import clock
from portal.people import actions
from portal.people.models import Grant, User
from portal.refusal import Refused


class Command(BaseCommand):
    help = "Makes the first admin. The password is asked for, or read from FIRST_ADMIN_PASSWORD."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    @transaction.atomic
    def handle(self, *_arguments: Any, username: str, **_options: Any) -> None:
        if Grant.objects.in_force().filter(role="admin", user__is_active=True).exists():
            raise CommandError("There is an admin already; people are made on the team page.")
        password = os.environ.get("FIRST_ADMIN_PASSWORD") or getpass.getpass("Password: ")
        if len(password) < 12:
            raise CommandError("A password has 12 characters or more.")
        by, now = User.objects.service("system"), clock.now()
        try:
            user = actions.create_user(username, by=by, now=now, password=password)
            actions.grant(user, "admin", by=by, now=now)
        except Refused as no:
            raise CommandError(str(no)) from None
        self.stdout.write(f"{username} may sign in as admin.")
