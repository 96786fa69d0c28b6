"""What do cases hold of an account that must go with it? Why they were opened, and drafts; an open one ends first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from portal.privacy import erasure, holding
from portal.privacy.erasure import Subject

from .models import Case, Draft


def register() -> None:
    """Tell privacy what goes here."""
    erasure.register(erasure.Part("cases", count, erase, objections))
    holding.finds_cases(lambda pk: Case.objects.filter(pk=pk).values_list("account_id", flat=True).first())


def objections(subject: Subject) -> Iterable[str]:
    """An open case is somebody's work: it ends first."""
    for pk, status in Case.objects.open().filter(account=subject.id).order_by("id").values_list("id", "status"):
        yield f"Case {pk} is still {Case.Status(status).label.lower()}: have it decided first."


def count(subject: Subject) -> Mapping[str, int]:
    """How much there is."""
    mine = Case.objects.filter(account=subject.id)
    return {"cases emptied": mine.count(), "drafts": Draft.objects.filter(case__in=mine).count()}


def erase(subject: Subject, now: datetime) -> list[str]:
    """Take out what was read from the account; what people typed went with the key."""
    Draft.objects.filter(case__account=subject.id).delete()
    told = Case.objects.filter(account=subject.id).exclude(why="", language="", pending_for="")
    mine = list(told.values_list("pk", flat=True))
    Case.objects.filter(pk__in=mine).update(why="", language="", pending_for="")
    return [f"case:{pk}" for pk in mine]
