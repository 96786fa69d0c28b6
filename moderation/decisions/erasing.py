"""What do decisions hold of an account that must go with it? Typed answers; an unfinished decision must end first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from portal.privacy import erasure
from portal.privacy.erasure import Subject

from .models import Decision


def register() -> None:
    """Tell privacy what goes here."""
    erasure.register(erasure.Part("decisions", count, erase, objections))


def objections(subject: Subject) -> Iterable[str]:
    """What is not in effect yet needs the account."""
    unfinished = Decision.objects.filter(
        account=subject.id, status__in=(Decision.Status.PROPOSED, Decision.Status.HELD)
    )
    for case, status in unfinished.values_list("case_id", "status"):
        yield f"The decision on case {case} is still {Decision.Status(status).label.lower()}: let it end first."


def count(subject: Subject) -> Mapping[str, int]:
    """How much there is."""
    return {"answers of reviewers": Decision.objects.filter(account=subject.id).exclude(answers={}).count()}


def erase(subject: Subject, now: datetime) -> list[str]:
    """Empty the answers; outcome, reason and who decided stay."""
    told = Decision.objects.filter(account=subject.id).exclude(answers={})
    mine = list(told.values_list("pk", flat=True))
    Decision.objects.filter(pk__in=mine).update(answers={})
    return [f"decision:{pk}" for pk in mine]
