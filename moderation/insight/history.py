"""Which events does somebody want to see? One filter object for the log page and for exports, echoed in both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.audit.events import Event
from portal.audit.models import WHEN, AuditEvent
from portal.people.models import LANE_PERMISSION, User
from portal.refusal import Refused
from risk.intake.models import Account

from .periods import moment

# The same time, written so that no index fits it: PostgreSQL cannot tell how rare a name is, and would walk the log
# in order of time to find the few events of one case; without that road it asks the index of names, then sorts the few.
WHEN_OF_FEW = Coalesce("told_at", "occurred_at", "occurred_at")

FIELDS = ("from", "to", "account", "case", "actor", "policy", "type")

# An event is hidden from who lacks the lane of a case it is about, also by way of a decision, an action or a standing;
# that of a confidential legal hold from who lacks the lane of those.
# Names are told apart by their first letters, and checked before they are cast: the log may hold anything.
HIDDEN = """EXISTS (
  SELECT 1 FROM unnest(portal_auditevent.subjects) AS named (name)
   WHERE CASE left(named.name, 5)
     WHEN 'case:' THEN CASE WHEN named.name ~ '^case:[0-9]{1,18}$' THEN
       (SELECT c.lane FROM moderation_case c WHERE c.id = substr(named.name, 6)::bigint) END
     WHEN 'decis' THEN CASE WHEN named.name ~ '^decision:[0-9a-f-]{36}$' THEN
       (SELECT c.lane FROM moderation_decision d JOIN moderation_case c ON c.id = d.case_id
         WHERE d.id = substr(named.name, 10)::uuid) END
     WHEN 'enfor' THEN CASE WHEN named.name ~ '^enforcement:[0-9a-f-]{36}$' THEN
       (SELECT c.lane FROM moderation_enforcement e JOIN moderation_decision d ON d.id = e.decision_id
          JOIN moderation_case c ON c.id = d.case_id WHERE e.id = substr(named.name, 13)::uuid) END
     WHEN 'hold:' THEN CASE WHEN named.name ~ '^hold:[0-9a-f-]{36}$' THEN
       (SELECT CASE WHEN h.confidential THEN 'holds' ELSE 'general' END FROM portal_hold h
         WHERE h.id = substr(named.name, 6)::uuid) END
     WHEN 'stand' THEN CASE WHEN named.name ~ '^standing:[0-9]{1,18}$' THEN
       (SELECT c.lane FROM risk_standing s JOIN moderation_decision d ON d.id = s.decision
          JOIN moderation_case c ON c.id = d.case_id WHERE s.id = substr(named.name, 10)::bigint) END
     END <> ALL(%s))"""


_IN_LANE = f"SELECT id FROM portal_auditevent WHERE id = ANY(%s::uuid[]) AND {HIDDEN}"


def lanes_of(events: Sequence[UUID]) -> dict[UUID, str]:
    """The restricted lane of each of these events that is in one; asked by the sequencer, with its own role."""
    found: dict[UUID, str] = {}
    with connections["sequencer"].cursor() as cursor:
        for lane in LANE_PERMISSION:
            others = ["general", *(other for other in LANE_PERMISSION if other != lane)]
            cursor.execute(_IN_LANE, [[str(event) for event in events], others])
            found |= {row[0]: lane for row in cursor.fetchall()}
    return found


@dataclass(frozen=True)
class LogFilter:
    """What is asked for. `echo` is what stands in the URL and in the file; the other fields are what it means."""

    echo: dict[str, Any]
    start: datetime | None = None
    end: datetime | None = None
    subjects: tuple[str, ...] = ()
    by: str = ""
    types: tuple[str, ...] = ()

    def events(self, user: User | None) -> models.QuerySet[Any]:
        """The events it asks for that this person may know of, or all of them; each carries `when`."""
        about_few = any(name.startswith(("case:", "account:")) for name in self.subjects)
        found: models.QuerySet[Any] = AuditEvent.objects.annotate(when=WHEN_OF_FEW if about_few else WHEN)
        if self.start:
            found = found.filter(when__gte=self.start)
        if self.end:
            found = found.filter(when__lt=self.end)
        if self.subjects:
            found = found.filter(subjects__contains=list(self.subjects))
        if self.by:
            found = found.filter(by=self.by)
        if self.types:
            found = found.filter(type__in=self.types) if len(self.types) > 1 else found.filter(type=self.types[0])
        lanes = None if user is None else user.lanes
        if lanes is not None and len(lanes) <= len(LANE_PERMISSION):
            found = found.exclude(RawSQL(HIDDEN, [lanes], output_field=models.BooleanField()))
        return found


def read(given: Mapping[str, Any], *, wanted_by: User) -> LogFilter:
    """The filter that a form or a call asks for. Raises `Refused` (400) with the field and what it should be."""
    zone = timezone.get_default_timezone()
    echo = {name: given[name] for name in FIELDS if given.get(name) not in (None, "", [], {})}
    subjects: list[str] = []
    if account := echo.get("account"):
        subjects.append(_account(account).audit_name)
    if (case := echo.get("case")) is not None:
        if not re.fullmatch(r"[0-9]{1,18}", str(case)):
            raise Refused("case: give the number of a case.", status=400)
        subjects.append(f"case:{case}")
    if policy := echo.get("policy"):
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", str(policy)):
            raise Refused("policy: give the code of a policy, such as SPM-1.2.", status=400)
        subjects.append(f"policy:{policy}")
    chosen = LogFilter(echo, subjects=tuple(subjects))
    if start := echo.get("from"):
        chosen = replace(chosen, start=moment(_text(start, "from"), zone=zone))
    if end := echo.get("to"):
        chosen = replace(chosen, end=moment(_text(end, "to"), zone=zone, ends=True))
    if actor := echo.get("actor"):
        chosen = replace(chosen, by=_actor(_text(actor, "actor")))
    if kinds := echo.get("type"):
        chosen = replace(chosen, types=_types(kinds))
    return chosen


def _account(given: Any) -> Account:
    """An account as `platform:id` or as {"platform", "id"}."""
    if isinstance(given, Mapping):
        platform, identity = str(given.get("platform", "")), str(given.get("id", ""))
    else:
        platform, _, identity = _text(given, "account").partition(":")
    found = Account.objects.filter(platform=platform, external_id=identity).first() if identity else None
    if found is None:
        raise Refused("account: no account of that name; write it as platform:id, such as main:48211.", status=400)
    return found


def _actor(given: str) -> str:
    found = User.objects.filter(username=given.removeprefix("@")).first()
    if found is None and re.fullmatch(r"user:[0-9]{1,18}", given):
        return given
    if found is None:
        raise Refused("actor: nobody of that user name.", status=400)
    return found.audit_name


def _types(given: Any) -> tuple[str, ...]:
    names = given if isinstance(given, list) else [part for part in _text(given, "type").split(",") if part]
    known = set(Event)
    for name in names:
        if not isinstance(name, str) or (name not in known and name not in {kind.partition(".")[0] for kind in known}):
            raise Refused("type: not a kind of event; see the list on the log page.", status=400)
    return tuple(
        sorted({str(kind) for kind in known for name in names if kind in (name,) or kind.startswith(name + ".")})
    )


def _text(given: Any, field: str) -> str:
    if not isinstance(given, str) or len(given) > 200:
        raise Refused(f"{field}: give a text.", status=400)
    return given


def in_words(chosen: LogFilter, *, only: Sequence[str] = FIELDS) -> str:
    """The filter as people read it: "actor ada; from 2026-11-20"."""

    def say(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    return "; ".join(f"{name} {say(chosen.echo[name])}" for name in only if name in chosen.echo)


def facts(chosen: LogFilter) -> dict[str, Any]:
    """The filter as it stands in the log: ids and codes, no typed text beyond them."""
    stated: dict[str, Any] = {}
    if chosen.start:
        stated["from"] = chosen.start.isoformat()
    if chosen.end:
        stated["to"] = chosen.end.isoformat()
    if chosen.by:
        stated["by"] = chosen.by
    if chosen.subjects:
        stated["of"] = list(chosen.subjects)
    if kinds := chosen.echo.get("type"):
        stated["type"] = kinds
    return stated
