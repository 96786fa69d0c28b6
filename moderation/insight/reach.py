"""How far does an export reach? What it is proven over, what of it its asker may have, and what names mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Max, Min, Q, TextField
from django.db.models.functions import Cast

from portal.audit.bundle import Rights, Scope
from portal.audit.models import WHEN, AuditEvent
from portal.people.models import LANE_PERMISSION, User
from risk.intake.models import Account

from .history import LogFilter, in_words

PAYLOAD, LEAF = "payload", "leaf"


# What nobody can prove of a filter: said in the manifest, by verify.py and on the page of the export.
TIMES = (
    "Times: a leaf says when it was written, not when its event happened. That nothing outside these leaves, and "
    "nothing shown without its event, happened in the times asked for is the server's word; an export without times "
    "proves it."
)
TIMES_OF_A_NAME = (
    "Times: which of the leaves shown without their event are outside the times asked for is the server's word; an "
    "export without times proves it."
)
LANES = (
    "Restricted cases: what the asker may not know of is given by its hash alone, and that it is restricted is the "
    "server's word."
)
LANES_OF_A_NAME = (
    "Restricted cases: what the asker may not know of, if there is any, is numbered apart and is no part of this."
)


def scope_of(chosen: LogFilter, *, asked_by: User) -> Scope:
    """What the bundle is proven to be complete over, with the rest of the filter as far as a leaf can tell.

    The narrowest name of the filter: an account, a case, a policy, a person; without a name the leaves from the first
    to the last that can fit its times, or all.
    """
    said = unproven(chosen, asked_by=asked_by)
    names = [("subject", name) for name in chosen.subjects] + ([("actor", chosen.by)] if chosen.by else [])
    if names:
        (kind, name), *also = names
        return Scope(kind, name, asked_by.lanes, types=chosen.types, also=also, unproven=said)
    start, end = _leaves(chosen)
    return Scope("range", "", asked_by.lanes, start, end, types=chosen.types, unproven=said)


def unproven(chosen: LogFilter, *, asked_by: User) -> list[str]:
    """What of this filter no bundle can prove, for this asker, in sentences."""
    named = bool(chosen.subjects or chosen.by)
    said = [TIMES_OF_A_NAME if named else TIMES] if chosen.start or chosen.end else []
    if len(asked_by.lanes) <= len(LANE_PERMISSION):
        said.append(LANES_OF_A_NAME if named else LANES)
    return said


def over(chosen: LogFilter) -> str:
    """In words, what the bundle is proven to be complete over."""
    told = in_words(chosen, only=("account", "case", "policy", "actor")).partition("; ")[0]
    if chosen.subjects:
        return f"every event that names {told}"
    if chosen.by:
        return f"everything done by {told.removeprefix('actor ')}"
    return "every leaf that the times can fit" if chosen.start or chosen.end else "the whole log"


def _leaves(chosen: LogFilter) -> tuple[int, int | None]:
    """The first leaf that can fit the times, by when it happened or by when it was written, and one after the last."""
    if not chosen.start and not chosen.end:
        return 0, None
    events = AuditEvent.objects.annotate(when=WHEN)
    told, written = Q(), Q()
    if chosen.start:
        told, written = told & Q(when__gte=chosen.start), written & Q(occurred_at__gte=chosen.start)
    if chosen.end:
        told, written = told & Q(when__lt=chosen.end), written & Q(occurred_at__lt=chosen.end)
    found = events.filter(told | written).aggregate(first=Min("leaf__index"), last=Max("leaf__index"))
    if found["first"] is None:
        return 0, 0
    return found["first"], found["last"] + 1 if chosen.end else None


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
