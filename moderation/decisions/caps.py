"""How many severe decisions may one person make in an hour, and who lets them go on? A lead, never they themself.

Decisions of a capped kind by one person are made one after another: their row is locked before they are counted, so
that two at once never both take the last place. No decision of another kind, and nobody else, waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from moderation.cases.retrying import again_after_deadlock
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy.actions import keep, subject_of_user
from portal.refusal import Refused

from .models import CapOpening, Decision

CAPS_AN_HOUR = {"ban": 30, "suspend": 60}  # of one person
HOUR = timedelta(hours=1)
# Why a second person agreed to a decision on many accounts at once. Such ones are not counted: the number was typed.
IN_A_GROUP = "A decision on many accounts at once has a second person for all of them."
HOURS = (1, 2, 4)  # how long an opening may last
SHORTEST_REASON, LONGEST_REASON = 5, 500


@dataclass(frozen=True)
class AtCap:
    """Somebody who may make no more decisions of this kind for now, and from when they may by themselves."""

    person: User
    outcome: str
    made: int  # within the last hour
    free_at: datetime


def insist_on_the_cap(by: User, outcome: str, *, now: datetime) -> None:
    """Refuse a decision of a capped kind that would go beyond the limit; lock the person until the commit."""
    cap = CAPS_AN_HOUR.get(outcome)
    if not cap:
        return
    _lock(by)
    if (free_at := _full_until(by, outcome, now=now)) is not None and not _room(by, outcome, now=now):
        raise Refused(
            f"You are at the limit of {cap} decisions of this kind within an hour. Nothing was sent. The team leads "
            "see this on their Approvals page and can open the limit for you; "
            f"otherwise go on from {timezone.localtime(free_at):%H:%M}."
        )


@again_after_deadlock
@transaction.atomic
def open_cap(
    person: User, *, by: User, now: datetime, outcome: str, number: int, hours: int, reason: str
) -> CapOpening:
    """Let somebody at their limit make `number` more decisions of this kind within so many hours.

    Raises `Refused`: 400 where what was said does not fit, 409 where it is not theirs to open, or not needed.
    """
    reason = reason.strip()
    if sentence := _malformed(outcome, number=number, hours=hours, reason=reason):
        raise Refused(sentence, status=400)
    if sentence := why_not_open(person, by=by):
        raise Refused(sentence)
    _lock(person)  # two leads at once: the second finds it open
    if _full_until(person, outcome, now=now) is None or _room(person, outcome, now=now):
        raise Refused(f"{person} is not at this limit: it was opened just before you, or the hour went on.")
    kept = keep(subject_of_user(by), "cap.reason", reason, data_class="staff")
    opening = CapOpening.objects.create(
        person=person, outcome=outcome, number=number, opened_by=by, opened_at=now, until=now + hours * HOUR,
        reason=kept.pk,
    )  # fmt: skip
    facts = {
        "outcome": outcome,
        "number": number,
        "until": opening.until.isoformat(),
        "commitment": bytes(kept.commitment).hex(),
    }
    audit.record(Event.CAP_OPENED, by=by, of=opening, also=[person], now=now, **facts)
    return opening


def why_not_open(person: User, *, by: User) -> str | None:
    """Why this person may not open somebody's limit."""
    if not by.may(Permission.CAP_OPEN):
        return f"This needs the permission {Permission.CAP_OPEN}, which your roles do not have."
    if person.pk == by.pk:
        return "You cannot open your own limit; another lead can."
    return None


def at_their_cap(now: datetime) -> list[AtCap]:
    """Who may make no more decisions of a capped kind for now, by name."""
    recent = Decision.objects.filter(
        outcome__in=CAPS_AN_HOUR, made_at__gt=now - HOUR, made_by__kind=User.Kind.PERSON, made_by__is_active=True
    )
    recent = recent.exclude(approval_why=IN_A_GROUP)
    counted = recent.values_list("made_by", "outcome").order_by().annotate(made=Count("pk"))
    full = [(pk, outcome, made) for pk, outcome, made in counted if made >= CAPS_AN_HOUR[outcome]]
    people = User.objects.in_bulk({pk for pk, _, _ in full})
    found = []
    for pk, outcome, made in full:
        free_at = _full_until(people[pk], outcome, now=now)
        if free_at is not None and not _room(people[pk], outcome, now=now):
            found.append(AtCap(people[pk], outcome, made, free_at))
    return sorted(found, key=lambda one: (one.person.username, one.outcome))


def in_force(now: datetime) -> list[tuple[CapOpening, int]]:
    """Openings that stand, the newest first, each with how many of it are left."""
    standing = CapOpening.objects.filter(until__gt=now).select_related("person", "opened_by").order_by("-opened_at")
    return [(opening, left) for opening in standing if (left := _left(opening)) > 0]


def _malformed(outcome: str, *, number: int, hours: int, reason: str) -> str | None:
    if outcome not in CAPS_AN_HOUR:
        return "Decisions of this kind have no limit."
    if not 1 <= number <= CapOpening.MOST:
        return f"Say how many more: between 1 and {CapOpening.MOST}."
    if hours not in HOURS:
        return "Say for how long: 1, 2 or 4 hours."
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        return f"Say why in a few words, {LONGEST_REASON} characters at most."
    return None


def _lock(person: User) -> None:
    """Until the commit. What only refers to the person (every event, every decision of another) does not wait."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)


def _full_until(person: User, outcome: str, *, now: datetime) -> datetime | None:
    """When the hour has room again; None where it has some."""
    cap = CAPS_AN_HOUR[outcome]
    recent = Decision.objects.filter(made_by=person, outcome=outcome, made_at__gt=now - HOUR)
    recent = recent.exclude(approval_why=IN_A_GROUP)
    times = list(recent.order_by("-made_at").values_list("made_at", flat=True)[:cap])
    return times[-1] + HOUR if len(times) == cap else None


def _room(person: User, outcome: str, *, now: datetime) -> bool:
    """Whether an opening stands of which something is left; none is for who came before it and waited for the lock."""
    standing = CapOpening.objects.filter(person=person, outcome=outcome, opened_at__lte=now, until__gt=now)
    return any(_left(opening) > 0 for opening in standing)


def _left(opening: CapOpening) -> int:
    """How many more it allows: every decision of the kind since it was opened counts, within the limit or not."""
    made = Decision.objects.filter(
        made_by=opening.person_id, outcome=opening.outcome, made_at__gte=opening.opened_at
    ).exclude(approval_why=IN_A_GROUP)
    return max(0, opening.number - made.count())
