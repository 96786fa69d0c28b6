"""What do scores hold of an account that must go with it? The features and the sentences; the points stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Value
from django.db.models.functions import Coalesce

from portal.privacy import erasure
from portal.privacy.erasure import Subject

from .models import Reason, Score


def register() -> None:
    """Tell privacy what goes here."""
    erasure.register(erasure.Part("scoring", count, erase))


def count(subject: Subject) -> Mapping[str, int]:
    """How much there is."""
    return {"scores emptied": Score.objects.filter(account=subject.id).count()}


def erase(subject: Subject, now: datetime) -> list[str]:
    """Empty features and sentences; no score of it is the newest any more, and none waits for a case."""
    Reason.objects.filter(score__account=subject.id).update(title="erased", detail={})
    Score.objects.filter(account=subject.id).update(
        snapshot={}, snapshot_digest=b"", missing={}, latest=False, opens=False,
        taken_at=Coalesce("taken_at", Value(now)),
    )  # fmt: skip
    return []
