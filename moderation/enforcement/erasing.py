"""What do actions hold of an account that must go with it? What its backend answered; an open one must end first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Value
from django.db.models.functions import Coalesce

from portal.privacy import erasure
from portal.privacy.erasure import Subject

from .models import AccountSequence, Attempt, Enforcement, Finding, Notice


def register() -> None:
    """Tell privacy what goes here."""
    erasure.register(erasure.Part("enforcement", count, erase, objections))


def objections(subject: Subject) -> Iterable[str]:
    """An action that is still to be sent needs the account's name."""
    rows = Enforcement.objects.open().filter(account=subject.id).order_by("seq")
    for kind, status in rows.values_list("kind", "status"):
        said = Enforcement.Status(status).label.lower()
        yield f"The action “{kind.replace('_', ' ')}” is still {said}: let it end, or have it skipped in the outbox."


def count(subject: Subject) -> Mapping[str, int]:
    """How much there is; measures in force end on the platform as they stand, since nobody can be named there."""
    mine = Enforcement.objects.filter(account=subject.id)
    return {
        "answers of backends": mine.exclude(detail="", effect_id="").count(),
        "words of notices, unreadable without the account's key": Notice.objects.filter(
            decision__account=subject.id
        ).count(),
        "measures that we will not lift by ourselves any more": mine.filter(expires_at__isnull=False).count(),
    }


def erase(subject: Subject, now: datetime) -> list[str]:
    """Take out what backends answered, and what would call one again."""
    told = Enforcement.objects.filter(account=subject.id).exclude(detail="", effect_id="", expires_at=None)
    mine = list(told.values_list("pk", flat=True))
    Enforcement.objects.filter(pk__in=mine).update(detail="", effect_id="", expires_at=None)
    Attempt.objects.filter(enforcement__account=subject.id).exclude(detail="").update(detail="")
    AccountSequence.objects.filter(pk=subject.id).update(look_at=None, found="", said="")  # nobody to ask for any more
    raised = Finding.objects.filter(account=subject.id).exclude(detail="", taken_at__isnull=False)
    found = list(raised.values_list("pk", flat=True))
    Finding.objects.filter(pk__in=found).update(detail="", taken_at=Coalesce("taken_at", Value(now)))
    return [*(f"enforcement:{pk}" for pk in mine), *(f"finding:{pk}" for pk in found)]
