"""Who appears? The flagged accounts of the day: 75 of the stories, 345 drawn from archetypes, always the same."""

from __future__ import annotations

import random
import re
from typing import Any

from .day_data import Clock, Flagged, archetypes, counts, fates, numbers, stories, texts

FIRST_DRAWN = 70101  # ids of the accounts drawn from archetypes
_RANGE = re.compile(r"(-?[\d.]+)(%?)\.\.(-?[\d.]+)%?(?::(\w+))?")


def draw(spec: str, rng: random.Random) -> dict[str, Any]:
    """Features out of `name=a..b name=p%..q%:other name=value`, each drawn uniformly."""
    drawn: dict[str, Any] = {}
    for part in spec.split():
        name, _, told = part.partition("=")
        found = _RANGE.fullmatch(told)
        if not found:
            drawn[name] = _literal(told)
            continue
        low, percent, high, other = found.groups()
        if percent:
            drawn[name] = round(rng.uniform(float(low), float(high)) / 100 * drawn[other])
        elif "." in low + high:
            drawn[name] = round(rng.uniform(float(low), float(high)), max(len(low.partition(".")[2]), 4))
        else:
            drawn[name] = rng.randint(int(low), int(high))
    return drawn


def from_archetypes(clock: Clock) -> list[Flagged]:
    """The 345 accounts of no story, each with its fate; when their cases open is planned later."""
    rng = random.Random(7)
    cast: list[Flagged] = []
    for row in archetypes():
        low, _, high = row["raw"].partition("-")
        ends = _fates_of(row["type"], row["archetype"])
        assert len(ends) == int(row["n"])
        for end in ends:
            region, lang = _pick(counts()["regions"], rng), _pick(counts()["languages"], rng)
            number = str(FIRST_DRAWN + len(cast))
            cast.append(
                Flagged(
                    id=number, type=row["type"], told_by=row["archetype"], handle=_handle(number, rng), region=region,
                    lang=lang, bio=rng.choice(texts()["bios"][lang]), features=draw(row["features"], rng),
                    raw=(int(low), int(high or low)), fate=end["fate"], outcome=end["outcome"] or "",
                    reason=end["reason_code"] or "", days=int(end["days"] or 0), scope=end["scope"] or "",
                )
            )  # fmt: skip
    return cast


def from_stories(clock: Clock) -> list[Flagged]:
    """The accounts of the told stories, with the features and points the stories state."""
    cast = []
    for story in stories():
        for group in story.get("group", []):
            for place, number in enumerate(numbers(group["accounts"])):
                cast.append(_of_group(story, group, number, place, clock))
    return cast


def _of_group(story: dict[str, Any], group: dict[str, Any], number: str, place: int, clock: Clock) -> Flagged:
    words = {"name": texts()["names"][place % 26], "n": number[-2:], "city": texts()["cities"][place % 10]}
    raw = group.get("raw")
    known = ("sample", "reports", "target", "shares", "devices", "ip", "past", "also_in")
    told = {name: group[name] for name in known if name in group}
    told["place"] = place
    also = group.get("also_in", {}).get("features", {})
    return Flagged(
        id=number, type=group.get("type", story["type"]), told_by=story["id"], handle=group["handle"].format(**words),
        region=group["region"], lang=group["lang"], bio=group["bio"].format(**words), features=group["features"] | also,
        raw=(raw, raw) if raw is not None else None, expect=group.get("expect", {}),
        display_name=group.get("display_name", ""), opened=clock.at(group["opened"]),
        opens_by=group.get("opens_by", "score"), why=group.get("why", ""),
        fate="watch" if group.get("watch") else "story", told=told,
    )  # fmt: skip


def _fates_of(risk_type: str, archetype: str) -> list[dict[str, str]]:
    rows = [row for row in fates() if (row["type"], row["archetype"]) == (risk_type, archetype)]
    return [row for row in rows for _ in range(int(row["n"]))]


def _handle(number: str, rng: random.Random) -> str:
    thing, name = rng.choice(texts()["things"]), rng.choice(texts()["names"])
    return rng.choice((f"{name}.{thing}", f"{thing}_{name}", f"the.{thing}.{name}")) + number[-3:]


def _pick(weights: dict[str, int], rng: random.Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _literal(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.lstrip("-").isdigit() else text
