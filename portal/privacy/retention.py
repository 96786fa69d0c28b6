"""What is old enough to go? Rules by class and purpose; rooms register what each rule looks at; holds beat all of them.

A run is dry unless it is told to apply. Applied, it deletes in batches, each in a transaction of its own with its
event: the certificate of what was deleted, by number, digest of ids and age, never by content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User

from . import holding
from .models import Hold, RetentionRun

BATCH = 1000
MOST_BATCHES = 200  # of one rule in one run; the next run goes on
EVERY = timedelta(hours=23)  # a day, less what a bell may be early


@dataclass(frozen=True)
class Rule:
    """What is deleted after some days: the name of its period in `RETENTION_DAYS`, its class and purpose."""

    name: str
    what: str
    counted: str  # from when
    data_class: str
    purpose: str


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("signals_raw", "Signals and the texts in them", "receipt", "restricted", "moderation"),
        Rule(
            "evidence_restricted",
            "Texts typed on cases that ended with a measure",
            "the end of the case",
            "restricted",
            "appeals",
        ),
        Rule(
            "evidence_no_action",
            "Texts typed on cases that ended without one",
            "the end of the case",
            "restricted",
            "quality",
        ),
        Rule("group_decisions", "Texts typed on group decisions", "their typing", "confidential, staff", "appeals"),
        Rule(
            "minors_restricted",
            "The same about minors, with a measure",
            "the end of the case",
            "restricted, minors",
            "appeals",
        ),
        Rule(
            "minors_no_action",
            "The same about minors, without one",
            "the end of the case",
            "restricted, minors",
            "quality",
        ),
        Rule(
            "link_hashes_after_last_use", "Keyed hashes that link accounts", "their last use", "restricted", "security"
        ),
        Rule("reveals_and_reads", "Who was shown which personal value", "the showing", "confidential", "audit"),
        Rule("staff_metrics_named", "Numbers of named reviewers", "the hour", "confidential", "statistics"),
        Rule("export_files", "Files of exports", "their making", "confidential", "audit"),
    )
}


@dataclass(frozen=True)
class Due:
    """What a rule would delete: how many rows, how old the oldest is, how many more are held back by legal holds."""

    rows: int
    oldest: datetime | None
    held: int


@dataclass(frozen=True)
class Walker:
    """One room's part of a rule.

    `due` looks, `delete` takes up to so many of them away inside the caller's transaction and gives their ids.
    """

    rule: str
    due: Callable[[datetime, datetime], Due]  # cut-off, now
    delete: Callable[[datetime, datetime, int], Sequence[Any]]  # cut-off, now, limit


@dataclass(frozen=True)
class Line:
    """What became of one rule in a run."""

    rule: Rule
    days: int
    cut_off: datetime
    due: Due
    deleted: int = 0

    def told(self) -> dict[str, Any]:
        """As a run keeps it."""
        return {
            "rule": self.rule.name, "days": self.days, "cut_off": self.cut_off.isoformat(), "rows": self.due.rows,
            "oldest": self.due.oldest.isoformat() if self.due.oldest else None, "held": self.due.held,
            "deleted": self.deleted,
        }  # fmt: skip


_walkers: dict[str, Walker] = {}
_keepers: list[Callable[[datetime], QuerySet[Any]]] = []


def register(walker: Walker) -> None:
    """Add what a rule looks at; called once when the app is ready."""
    if walker.rule not in RULES:
        raise KeyError(f"there is no retention rule {walker.rule}")
    _walkers[walker.rule] = walker


def keeps_accounts(keeper: Callable[[datetime], QuerySet[Any]]) -> None:
    """Say whose data is still needed: `now` → a query of account ids (an open case, a window for appeals)."""
    _keepers.append(keeper)


def unneeded(rows: QuerySet[Any], now: datetime, *, account: str = "account") -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Rows whose account nobody needs any more: those that may go, and those that a hold keeps back."""
    for keeper in _keepers:
        rows = rows.exclude(**{f"{account}__in": keeper(now)})
    held = Hold.objects.in_force().values("account")
    return rows.exclude(**{f"{account}__in": held}), rows.filter(**{f"{account}__in": held})


def due_of(free: QuerySet[Any], held: QuerySet[Any], *, at: str) -> Due:
    """The figures of a dry run over these rows; `at` is the column their age is counted from."""
    oldest = free.order_by(at).values_list(at, flat=True).first()
    return Due(free.count(), oldest, held.count())


def days_of(rule: str) -> int:
    """How many days what a rule is about is kept."""
    return int(settings.RETENTION_DAYS[rule])


def sweep(*, by: User, now: datetime, apply: bool = False, rules: Iterable[str] = ()) -> list[Line]:
    """Look at every rule, and with `apply` delete what is due; the run is kept with its figures."""
    lines = []
    for name in rules or RULES:
        if walker := _walkers.get(name):
            days = days_of(name)
            cut_off = now - timedelta(days=days)
            due = walker.due(cut_off, now)
            deleted = _delete(walker, cut_off, by=by, now=now) if apply else 0
            lines.append(Line(RULES[name], days, cut_off, due, deleted))
    RetentionRun.objects.create(by=by, at=now, applied=apply, lines=[line.told() for line in lines])
    return lines


def is_time(now: datetime) -> bool:
    """Whether a day has passed since rules were last applied."""
    return not RetentionRun.objects.filter(applied=True, at__gt=now - EVERY).exists()


def _delete(walker: Walker, cut_off: datetime, *, by: User, now: datetime) -> int:
    deleted = 0
    for _ in range(MOST_BATCHES):
        ids = _delete_batch(walker, cut_off, by=by, now=now)
        deleted += len(ids)
        if len(ids) < BATCH:
            break
    return deleted


@transaction.atomic
def _delete_batch(walker: Walker, cut_off: datetime, *, by: User, now: datetime) -> Sequence[Any]:
    holding.keep_out_new_holds()
    ids = walker.delete(cut_off, now, BATCH)
    if ids:
        digest = hashlib.sha256("\n".join(map(str, ids)).encode()).hexdigest()
        audit.record(
            Event.RETENTION_APPLIED, by=by, of=f"retention:{walker.rule}", now=now, rule=walker.rule, rows=len(ids),
            cut_off=cut_off.isoformat(), days=days_of(walker.rule), digest=digest,
        )  # fmt: skip
    return ids
