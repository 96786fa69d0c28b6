"""What do we think of these accounts?

The card of one, and pages of many by score; other lanes do not exist in either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q

from risk.intake import reading as intake
from risk.intake.models import Account
from risk.strategy.models import Strategy

from . import persona
from .models import Reason, Score

PAGE = 100
ROW = ("pk", "risk_type", "raw", "shown", "platform", "external_id")

# What rooms above add to the card: name → (account, lanes, now) → rows. They register when their app is ready.
Part = Callable[[Account, Collection[str], datetime], Any]
PARTS: dict[str, Part] = {}


def register(name: str, part: Part) -> None:
    """Have a room above fill a part of the card (`cases`, `decisions`, `enforcements`)."""
    PARTS[name] = part


def card(account: Account, *, lanes: Collection[str], now: datetime) -> dict[str, Any]:
    """The persona card of an account for somebody who may know of these lanes: four queries, and those of the parts."""
    newest = Score.objects.filter(account=account, latest=True).exclude(risk_type__in=hidden_types(lanes))
    names = ("id", "risk_type", "raw", "shown", "band", "urgency", "at", "model", "missing", "number")
    scores = [
        dict(zip(names, row, strict=True))
        for row in newest.values_list(*names[:-1], "version__number").order_by("risk_type", "model")
    ]
    reasons: dict[int, list[dict[str, Any]]] = defaultdict(list)
    parts = ("rule", "title", "group", "points", "before_cap", "detail")
    found = Reason.objects.filter(score__in=[score["id"] for score in scores]).order_by("score", "position")
    for pk, *row in found.values_list("score_id", *parts):
        reasons[pk].append(dict(zip(parts, row, strict=True)))
    columns = {
        name: getattr(account, name)
        for name in ("platform", "external_id", "handle_shown", "country", "lang", "first_seen_at", "last_seen_at")
    }
    made = persona.card(
        columns,
        scores,
        reasons,
        strikes=intake.strikes(account.pk, now=now),
        links=intake.linked_accounts(account, now=now),
    )
    return made | {name: part(account, lanes, now) for name, part in sorted(PARTS.items())}


def types_of(lanes: Collection[str]) -> list[str]:
    """The risk types somebody of these lanes may know of."""
    return sorted(Strategy.objects.filter(lane__in=lanes).values_list("risk_type", flat=True))


def hidden_types(lanes: Collection[str]) -> list[str]:
    """The risk types that do not exist for somebody of these lanes; one that only a model named hides nothing."""
    return sorted(Strategy.objects.exclude(lane__in=lanes).values_list("risk_type", flat=True))


def by_score(
    *,
    risk_types: Iterable[str],
    platform: str = "",
    min_score: int = 0,
    after: tuple[int, int] | None = None,
    size: int = PAGE,
) -> list[dict[str, Any]]:
    """A page of newest scores, highest points first: one bounded read of the index per risk type.

    `after` is the (points, id) of the last row shown. `min_score` is of the shown value, 0 to 100.
    """
    rows: list[dict[str, Any]] = []
    for risk_type in risk_types:
        page = Score.objects.filter(latest=True, model="", risk_type=risk_type)
        if min_score > 0:
            page = page.filter(raw__gte=min_score)
        if platform:
            page = page.filter(account__platform=platform)
        if after is not None:  # the first bound is for the index, the second for the row
            page = page.filter(Q(raw__lt=after[0]) | Q(pk__gt=after[1]), raw__lte=after[0])
        rows += [
            dict(zip(ROW, row, strict=True))
            for row in page.order_by("-raw", "pk").values_list(
                "pk", "risk_type", "raw", "shown", "account__platform", "account__external_id"
            )[:size]
        ]
    return sorted(rows, key=lambda row: (-row["raw"], row["pk"]))[:size]
