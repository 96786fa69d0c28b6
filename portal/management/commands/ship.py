"""How do the shipped settings get into a new installation? Queues, workflows, policies, strategies; idempotent."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from moderation.cases import actions as cases
from moderation.decisions import actions as decisions
from moderation.enforcement import actions as enforcement
from portal import clock
from portal.people.models import User
from risk.intake import actions as intake
from risk.strategy import actions as strategy


class Command(BaseCommand):
    help = "Puts the shipped settings into the database; what is there already stays as it is."

    @transaction.atomic
    def handle(self, *_arguments: Any, **_options: Any) -> None:
        by, now = User.objects.service("system"), clock.now()
        for room in (intake, strategy, cases, decisions, enforcement):
            room.ship(by=by, now=now)
