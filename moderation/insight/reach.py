"""How far does an export reach? What it is proven over, what of it its asker may have, and what names mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Max, Min, Q, TextField
from django.db.models.functions import Cast

from portal.audit.bundle import Rights, Scope
from portal.audit.models import WHEN, AuditEvent
from portal.people.models import User
from risk.intake.models import Account

from .history import LogFilter

PAYLOAD, LEAF = "payload", "leaf"


def scope_of(chosen: LogFilter, *, asked_by: User) -> Scope:
    """What the bundle is proven to be complete over.

    The narrowest name of the filter: an account, a case, a policy, a person; without a name the leaves from the first
    to the last that can fit its times, or all.
    """
    if chosen.subjects:
        return Scope("subject", chosen.subjects[0], asked_by.lanes)
    if chosen.by:
        return Scope("actor", chosen.by, asked_by.lanes)
    if not chosen.start and not chosen.end:
        return Scope("range")
    events = AuditEvent.objects.annotate(when=WHEN)
    told, written = Q(), Q()
    if chosen.start:
        told, written = told & Q(when__gte=chosen.start), written & Q(occurred_at__gte=chosen.start)
    if chosen.end:
        told, written = told & Q(when__lt=chosen.end), written & Q(occurred_at__lt=chosen.end)
    found = events.filter(told | written).aggregate(first=Min("leaf__index"), last=Max("leaf__index"))
    if found["first"] is None:
        return Scope("range", start=0, end=0)
    return Scope("range", start=found["first"], end=found["last"] + 1 if chosen.end else None)


def rights_of(chosen: LogFilter, *, asked_by: User) -> Rights:
    """What the asker may have of events: the bytes where the filter asks for them, else the leaf, in their lanes."""
    everything = LogFilter({})
    narrow = chosen != LogFilter(chosen.echo)

    def rights(events: Sequence[str]) -> Mapping[str, str]:
        wanted = _among(chosen, events, asked_by)
        rest = [event for event in events if event not in wanted]
        known = _among(everything, rest, asked_by) if narrow and rest else set()
        return dict.fromkeys(known, LEAF) | dict.fromkeys(wanted, PAYLOAD)

    return rights


def called(names: Iterable[str]) -> Mapping[str, str]:
    """What people and accounts are called, by their names in the log, in a query each."""
    kinds: dict[str, list[str]] = {"user": [], "account": []}
    for name in names:
        kind, _, rest = name.partition(":")
        kinds.get(kind, []).append(rest)
    people = User.objects.filter(pk__in=[rest for rest in kinds["user"] if rest.isdigit() and len(rest) <= 18])
    found = {f"user:{pk}": name for pk, name in people.values_list("pk", "username")}
    accounts = Account.objects.filter(pk__in=kinds["account"]) if kinds["account"] else Account.objects.none()
    for pk, platform, external_id in accounts.values_list("pk", "platform", "external_id"):
        found[f"account:{pk}"] = f"{platform}:{external_id}"
    return found


def _among(chosen: LogFilter, events: Sequence[str], asked_by: User) -> set[str]:
    """Which of these the filter asks for and the asker may know of. Ids stay text: a hundred thousand are read here."""
    found = chosen.events(asked_by).extra(where=["portal_auditevent.id = ANY(%s::uuid[])"], params=[list(events)])
    return set(found.values_list(Cast("pk", TextField()), flat=True))
