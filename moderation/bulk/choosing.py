"""Whom does somebody mean? Accounts by a filter over scores or by a list of names: 5,000 at most, bounded queries."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from moderation.cases.models import Case, Queue
from moderation.decisions.models import Decision
from portal.refusal import Refused
from risk.intake.models import Account
from risk.scoring.models import Reason, Score

from .models import MOST

SCAN = 50_000  # scores looked at, from the highest down, however few of them fit
BANDS = ("low", "watch", "review", "high", "critical")
LABELS = {"positive": "decided against", "negative": "found fine", "none": "decided without a label"}
LONGEST = 300  # characters of a line
PLATFORMS = 20  # different ones in a list


@dataclass(frozen=True)
class Chosen:
    """Accounts in their order, how many were named that nobody has, and how they were chosen, as it is kept.

    `cut`: more fit than a group may hold, or than are looked at; these are the highest of them.
    """

    ids: tuple[UUID, ...]
    unknown: int = 0
    how: dict[str, Any] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True)
class Filter:
    """What scores of one risk type must be like; "" and the whole range leave a part out."""

    platform: str = ""
    lowest: int = 0  # shown, 0 to 100, both ends included
    highest: int = 100
    band: str = ""
    queue: str = ""  # with a case waiting in this queue
    label: str = ""  # what an earlier decision that stands said of the account
    rule: str = ""  # this rule gave points

    @property
    def says(self) -> dict[str, Any]:
        """The parts that say something."""
        silent = {"lowest": 0, "highest": 100}
        return {name: value for name, value in asdict(self).items() if value != silent.get(name, "")}


def filter_in(data: Mapping[str, Any]) -> Filter:
    """Read a filter as a form or a call gives it. Raises `Refused` (400)."""
    words = {name: str(data.get(name) or "").strip()[:128] for name in ("platform", "band", "queue", "label", "rule")}
    if words["band"] and words["band"] not in BANDS:
        raise Refused(f"There is no band “{words['band']}”; there are {', '.join(BANDS)}.", status=400)
    if words["label"] and words["label"] not in LABELS:
        raise Refused(f"There is no label “{words['label']}”; there are {', '.join(LABELS)}.", status=400)
    if words["queue"] and not Queue.objects.filter(slug=words["queue"], lane="general").exists():
        raise Refused(f"There is no queue “{words['queue']}” whose cases are decided in groups.", status=400)
    if any("\x00" in word for word in words.values()):
        raise Refused("There is a character in this filter that no name has.", status=400)
    lowest, highest = (_points(data.get(name), usual) for name, usual in (("lowest", 0), ("highest", 100)))
    if lowest > highest:
        raise Refused("The lowest score is above the highest.", status=400)
    return Filter(lowest=lowest, highest=highest, **words)


def by_filter(chosen: Filter, *, risk_type: str) -> Chosen:
    """The accounts whose score fits, the highest first. Two queries, over the index of scores by rank."""
    scores = Score.objects.filter(risk_type=risk_type, latest=True, model="")
    if chosen.lowest > 0:  # shown is the signed sum cut to 0 to 100
        scores = scores.filter(raw__gte=chosen.lowest)
    if chosen.highest < 100:
        scores = scores.filter(raw__lte=chosen.highest)
    ranked = scores.order_by("-raw", "id")
    fitting = Score.objects.filter(pk__in=ranked.values("pk")[:SCAN], account__erased_at=None)
    if chosen.platform:
        fitting = fitting.filter(account__platform=chosen.platform)
    if chosen.band:
        fitting = fitting.filter(band=chosen.band)
    if chosen.queue:
        waits = Case.objects.filter(account=OuterRef("account"), status="waiting", queue__slug=chosen.queue)
        fitting = fitting.filter(Exists(waits))
    if chosen.label:
        earlier = Decision.objects.filter(account=OuterRef("account"), label=chosen.label, status="released")
        fitting = fitting.filter(Exists(earlier.filter(reverses=None)))
    if chosen.rule:
        fitting = fitting.filter(Exists(Reason.objects.filter(score=OuterRef("pk"), rule=chosen.rule, points__gt=0)))
    ids = list(fitting.order_by("-raw", "id").values_list("account", flat=True)[: MOST + 1])
    cut = len(ids) > MOST or ranked[SCAN : SCAN + 1].exists()
    return Chosen(tuple(ids[:MOST]), how={"by": "filter", **chosen.says}, cut=cut)


def by_list(text: str, *, platform: str) -> Chosen:
    """Accounts named one a line: `ID`, or `PLATFORM,ID` as in a CSV. Raises `Refused` (400)."""
    return by_names(_names(text, platform=platform))


def by_names(told: Iterable[tuple[str, str]]) -> Chosen:
    """Accounts by platform and id. One query per platform. Raises `Refused` (400)."""
    names = list(dict.fromkeys(told))
    if any("\x00" in part for name in names for part in name):
        raise Refused("There is a character in this list that no name has.", status=400)
    if len(names) > MOST:
        raise Refused(f"A group decision is of at most {MOST:,} accounts; these are {len(names):,}.", status=400)
    of: dict[str, list[str]] = {}
    for where, name in names:
        of.setdefault(where, []).append(name)
    if len(of) > PLATFORMS:
        raise Refused(f"These are on {len(of)} platforms; name accounts of {PLATFORMS} at most.", status=400)
    known: dict[tuple[str, str], UUID] = {}
    for where, some in of.items():
        found = Account.objects.filter(platform=where, external_id__in=some).values_list("external_id", "pk")
        known |= {(where, name): pk for name, pk in found}
    ids = tuple(known[name] for name in names if name in known)
    return Chosen(ids, unknown=len(names) - len(ids), how={"by": "list", "platforms": sorted(of)})


def _names(text: str, *, platform: str) -> Iterable[tuple[str, str]]:
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[-1].lower() in ("id", "external_id", "account")):
            continue
        if len(cells) > 2 or sum(map(len, cells)) > LONGEST:
            raise Refused(f"Line {number} is not an id, nor a platform and an id with a comma between.", status=400)
        where = cells[0] if len(cells) == 2 else platform
        if not where or not cells[-1]:
            raise Refused(f"Line {number} says no platform: choose one, or write PLATFORM,ID.", status=400)
        yield where, cells[-1]


def _points(told: Any, usual: int) -> int:
    text = str(usual if told in (None, "") else told).strip()
    if not (text.isascii() and text.isdigit() and int(text[:4]) <= 100):
        raise Refused("Give scores from 0 to 100.", status=400)
    return int(text)
