"""Do the shipped rules say what the stories say?

Each told account, and 400 draws of each archetype, down the real road.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from portal.local import day_cast, day_data
from risk.intake import actions as intake
from risk.scoring import actions, running
from risk.scoring.models import Score
from risk.scoring.score import Hit, score
from risk.strategy import actions as strategy
from risk.strategy.features import TYPES
from risk.strategy.language import frame_of
from tests.make import NOON, make_signal

TOLD = [
    (f"{story['id']}-{group['accounts']}", group.get("type", story["type"]), group)
    for story in day_data.stories()
    for group in story.get("group", ())
    if group.get("features") and "raw" in group
]


# 400 accounts of each archetype, all from one stream with seed 7, as the ranges were measured.
_RNG = random.Random(7)
DRAWN = [
    (row, [{"min_age": 13, **day_cast.draw(row["features"], _RNG)} for _ in range(400)])
    for row in day_data.archetypes()
]


@pytest.fixture
def shipped(system: Any) -> Any:
    strategy.ship(by=system, now=NOON)
    return system


@pytest.mark.parametrize(("name", "risk_type", "group"), TOLD, ids=[name for name, _, _ in TOLD])
def test_it_gives_a_story_the_points_it_tells(shipped: Any, name: str, risk_type: str, group: dict[str, Any]) -> None:
    attributes = dict(group["features"])
    receipt = intake.ingest([make_signal(account="70001", attributes=attributes)], by=shipped, now=NOON, door="seed")

    actions.score(receipt.account_ids, by=shipped, now=NOON)

    found = Score.objects.get(risk_type=risk_type, latest=True)
    rows = {row.rule: row.points for row in found.reasons.all()}
    assert found.raw == group["raw"]
    assert sum(rows.values()) == found.raw
    if "expect" in group:
        assert rows == group["expect"]


@pytest.mark.parametrize(("row", "drawn"), DRAWN, ids=[f"{row['type']}-{row['archetype']}" for row, _ in DRAWN])
def test_it_keeps_each_archetype_within_its_range_and_on_one_side_of_review(
    shipped: Any, row: dict[str, str], drawn: list[dict[str, Any]]
) -> None:
    machine = running.engine()
    one = next(one for one in machine.versions if one.version.risk_type == row["type"])
    drawn = [dict.fromkeys(machine.features) | one for one in drawn]
    frame = frame_of(drawn, {name: TYPES[name] for name in machine.features})

    fired = frame.select(**{key: machine.expressions[column] for key, column in one.columns.items()}).to_dicts()
    raws = {
        score(one.plan, [Hit(one.points[key], NOON) for key, said in line.items() if said], now=NOON).raw
        for line in fired
    }

    low, _, high = row["raw"].partition("-")
    assert (min(raws), max(raws)) == (int(low), int(high or low))
    assert min(raws) >= one.version.review or max(raws) < one.version.review
