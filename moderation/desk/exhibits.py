"""What lies on the table? Signals as exhibits: a head of facts, texts opened from the vault, people only as marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from portal.privacy.actions import open_values
from portal.wording import moment, number, plain, short_day
from risk.intake.models import Account, Signal
from risk.scoring.reading import hidden_types

MOST = 60  # the newest signals that a page reads
SHOWN_OF_A_KIND = 3  # the rest of a kind stands behind "more"
TEXTS = ("text", "sample", "quote", "excerpt", "claim", "title", "item")  # the order in which texts are shown
DULL = {
    "handle_shape",
    "handle_entropy_bits",
    "handle_length",
    "display_name_length",
    "lang",
}  # for rules, not for people
QUIET = {"account", "registration", "login", "account_state"}
LOUD = {
    "user_report",
    "live_report",
    "owner_report",
    "age_report",
    "legal_notice",
    "trusted_notice",
    "authority_order",
    "live_verdict",
}
KIND_WORDS = {
    "message": "Messages",
    "post": "Posts",
    "user_report": "Report",
    "registration": "Registration",
    "login": "Login",
    "follow": "Follow requests",
    "profile_view": "Profile views",
    "text_verdict": "Text read by a model",
    "pile_on": "Pile-on",
    "contact_after_block": "Contact after a block",
    "private_info": "Private information",
    "account": "Profile",
}
FACT_WORDS = {
    "sent": "sent",
    "distinct_targets": "to different people",
    "near_duplicates": "near copies",
    "window_minutes": "in minutes",
    "replies": "answers",
    "seconds": "seconds to finish",
    "network": "network",
    "reporter_accuracy": "accuracy of the reporter",
}


@dataclass
class Exhibit:
    """One signal as a reviewer sees it."""

    name: str
    mark: str
    title: str
    at: datetime
    when: str
    exact: str
    source: str
    language: str
    tone: str
    kind: str
    texts: list[tuple[str, str]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Bundle:
    """Exhibits of one kind: some in sight, the rest behind "more"."""

    title: str
    tone: str
    shown: list[Exhibit]
    more: list[Exhibit]


def exhibits_of(account: Account, *, lanes: Sequence[str], now: datetime) -> tuple[list[Bundle], int]:
    """The newest signals of an account that these lanes may know of, by kind, loudest first; and their number."""
    rows = list(
        Signal.objects.filter(account=account, lane__in=lanes)
        .order_by("-occurred_at", "-id")
        .values("id", "source", "external_id", "kind", "occurred_at", "data", "attributes", "scores")[:MOST]
    )
    if any(row["scores"] for row in rows):  # a verdict on another lane's risk does not exist here either
        hidden = hidden_types(lanes)
        for row in rows:
            row["scores"] = [verdict for verdict in row["scores"] or [] if verdict.get("risk_type") not in hidden]
    words = open_values(_vault_ids(rows))
    found = [_exhibit(row, index, words, now=now) for index, row in enumerate(rows, start=1)]
    kinds: dict[str, list[Exhibit]] = {}
    for exhibit in found:
        kinds.setdefault(exhibit.kind, []).append(exhibit)
    bundles = [
        Bundle(
            title=KIND_WORDS.get(kind, plain(kind)),
            tone=some[0].tone,
            shown=some[:SHOWN_OF_A_KIND],
            more=some[SHOWN_OF_A_KIND:],
        )
        for kind, some in kinds.items()
    ]
    bundles.sort(
        key=lambda bundle: (
            {"high": 0, "review": 1, "low": 2}[bundle.tone],
            -max(e.at.timestamp() for e in bundle.shown),
        )
    )
    return bundles, len(rows)


def _vault_ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        str(value["vault"])
        for row in rows
        for value in _flat(row["data"])
        if isinstance(value, dict) and value.get("vault")
    ]


def _flat(data: Mapping[str, Any]) -> Iterable[Any]:
    for value in data.values():
        yield from value if isinstance(value, list) else (value,)


def _exhibit(row: Mapping[str, Any], index: int, words: Mapping[Any, str], *, now: datetime) -> Exhibit:
    opened = {str(key): value for key, value in words.items()} if words else {}
    data = row["data"] or {}
    kind = row["kind"]
    texts, facts = [], []
    for name in sorted(data, key=_place):
        for value in data[name] if isinstance(data[name], list) else [data[name]]:
            if isinstance(value, dict) and value.get("vault"):
                texts.append((FACT_WORDS.get(name, plain(name)), opened.get(str(value["vault"]), "(erased)")))
            else:
                if name != "language":  # stands in the head
                    facts.append((FACT_WORDS.get(name, plain(name).lower()), _fact(value)))
    for verdict in row["scores"] or []:
        facts.append(
            (
                f"verdict of {verdict.get('model', 'a model')}",
                f"{plain(str(verdict.get('risk_type', '')))} {verdict.get('score')}",
            )
        )
    if kind == "account" or (kind in QUIET and not facts):
        known = {name: value for name, value in (row["attributes"] or {}).items() if not isinstance(value, dict)}
        facts += [(plain(name).lower(), _fact(value)) for name, value in known.items() if name not in DULL][:14]
    local = timezone.localtime(row["occurred_at"])
    return Exhibit(
        name=f"{row['source']}:{row['external_id']}",
        mark=f"ev-{index}",
        title=KIND_WORDS.get(kind, plain(kind)),
        at=row["occurred_at"],
        when=short_day(local, timezone.localtime(now)),
        exact=moment(local),
        source=row["source"],
        language=str(data.get("language", "")),
        tone="high" if kind in LOUD else "low" if kind in QUIET else "review",
        kind=kind,
        texts=texts,
        facts=facts,
    )


_ORDER = {name: place for place, name in enumerate((*TEXTS, *FACT_WORDS))}


def _place(name: str) -> tuple[int, str]:
    """Texts first, then what is said in words of our own, then the rest by name."""
    return _ORDER.get(name, len(_ORDER)), name


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        person = str(value.get("person", ""))
        return f"person {person[:6]}" if person else "kept in the vault"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, places=0 if float(value).is_integer() else 2)
    return "not known" if value is None else str(value)
