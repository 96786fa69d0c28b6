"""Who and what are meant? Turns events and their ids into lines with names and links, in a fixed number of queries."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.urls import reverse

from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal import cursor, wording
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.audit.sentences import plainly, tell
from portal.people.models import ServiceKey, User
from portal.people.permissions import Permission
from risk.intake.models import Account

EVENTS_BY_KIND: dict[str, list[str]] = {}
for _event in sorted(Event):
    EVENTS_BY_KIND.setdefault(_event.partition(".")[0], []).append(str(_event))


@dataclass(frozen=True)
class Word:
    """A piece of a line: what is said and where it leads."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Line:
    """One event as the log page shows it."""

    pk: UUID
    type: str
    actor: str
    words: list[Word]
    when: datetime
    written_at: datetime
    told_apart: bool  # whether the told time and the time of writing differ by more than a minute

    @property
    def sentence(self) -> str:
        return f"{self.actor} {''.join(word.text for word in self.words)}"


def page_of(found: QuerySet[Any], mark: str, *, size: int) -> tuple[list[AuditEvent], str | None]:
    """One page of events after a mark, newest first, and the mark of the next."""
    if mark:
        when, pk = cursor.decode(mark, datetime, UUID)
        found = found.filter(Q(when__lt=when) | Q(when=when, pk__lt=pk), when__lte=when)
    page = list(found.order_by("-when", "-id")[: size + 1])
    after = cursor.encode(page[size - 1].when, page[size - 1].pk) if len(page) > size else None
    return page[:size], after


def lines(events: Sequence[AuditEvent], *, viewer: User, now: datetime) -> list[Line]:
    """The events as lines with names."""
    named = names_of({name for event in events for name in (event.by, *event.subjects)}, viewer=viewer)

    def word(name: str) -> Word:
        return named.get(name) or Word(plainly(name))

    made = []
    for event in events:
        facts = json.loads(bytes(event.payload))["facts"]
        words = [
            word(part.name) if part.name else Word(part.text)
            for part in tell(event.type, event.subjects, _with_names(facts, named))
        ]
        when = event.told_at or event.occurred_at
        apart = abs((event.occurred_at - when).total_seconds()) > 60
        made.append(Line(event.pk, event.type, word(event.by).text, words, when, event.occurred_at, apart))
    return made


def names_of(names: Iterable[str], *, viewer: User) -> dict[str, Word]:
    """What each audit name is called, and the page it has for this viewer."""
    by_kind: dict[str, set[str]] = defaultdict(set)
    for name in names:
        kind, _, rest = name.partition(":")
        by_kind[kind].add(rest)
    found: dict[str, Word] = {}
    reads_cases, reads_accounts = viewer.may(Permission.CASE_READ), viewer.may(Permission.ACCOUNT_READ)
    for pk, username in User.objects.filter(pk__in=_numbers(by_kind["user"])).values_list("pk", "username"):
        found[f"user:{pk}"] = Word(username)
    accounts = Account.objects.filter(pk__in=_uuids(by_kind["account"])) if by_kind["account"] else ()
    for account in accounts:
        url = reverse("account", args=[account.platform, account.external_id]) if reads_accounts else ""
        found[account.audit_name] = Word(f"{account.platform} {account.external_id}", url)
    for number in by_kind["case"]:
        if number.isdigit():
            found[f"case:{number}"] = Word(f"case {number}", reverse("case", args=[number]) if reads_cases else "")
    found |= _decisions(by_kind["decision"], linked=reads_cases) | _actions(by_kind["enforcement"], linked=reads_cases)
    if by_kind["key"]:
        for key in ServiceKey.objects.filter(pk__in=_numbers(by_kind["key"])):
            found[key.audit_name] = Word(f"the key {key.prefix}… ({key.title})")
    reads_log = viewer.may(Permission.AUDIT_READ)
    for frozen in _numbers(by_kind["evidence"]):
        url = reverse("evidence", args=[frozen]) if reads_log else ""
        found[f"evidence:{frozen}"] = Word(f"the evidence {frozen}", url)
    for slug in by_kind["queue"]:
        found[f"queue:{slug}"] = Word(
            f"the queue {slug}", reverse("queues") if viewer.may(Permission.SETTINGS_READ) else ""
        )
    for code in by_kind["policy"]:
        found[f"policy:{code}"] = Word(code, reverse("policies") if viewer.may(Permission.SETTINGS_READ) else "")
    for export in by_kind["export"]:
        found[f"export:{export}"] = Word(f"export {export[-6:]}")
    return found


def facts_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts as pairs for a page, nested ones as JSON."""
    return [
        (name.replace("_", " "), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in facts.items()
    ]


def _with_names(facts: dict[str, Any], named: Mapping[str, Word]) -> dict[str, Any]:
    """Facts that are audit names said as names."""
    return {
        key: named[value].text if isinstance(value, str) and value in named else value for key, value in facts.items()
    }


def _decisions(ids: set[str], *, linked: bool) -> dict[str, Word]:
    if not ids:
        return {}
    found = Decision.objects.filter(pk__in=_uuids(ids)).values_list("pk", "outcome", "case_id")
    return {
        f"decision:{pk}": Word(
            f"the decision “{wording.plain(outcome).lower()}”",
            reverse("case", args=[case_id]) if linked else "",
        )
        for pk, outcome, case_id in found
    }


def _actions(ids: set[str], *, linked: bool) -> dict[str, Word]:
    if not ids:
        return {}
    found = Enforcement.objects.filter(pk__in=_uuids(ids)).values_list("pk", "kind", "decision__case_id")
    return {
        f"enforcement:{pk}": Word(
            f"the action {wording.plain(kind).lower()}", reverse("case", args=[case_id]) if linked else ""
        )
        for pk, kind, case_id in found
    }


def _numbers(texts: set[str]) -> list[int]:
    return [int(text) for text in texts if text.isdigit() and len(text) <= 18]


def _uuids(texts: set[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
