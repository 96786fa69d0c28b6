"""Is every round of the road played by a test? They stand in files of their own, so that several are played at once."""

from __future__ import annotations

from tests.faults import (
    test_road_away,
    test_road_backend,
    test_road_keys,
    test_road_kills,
    test_road_model,
    test_road_races,
    test_road_redis,
    test_road_time,
)
from tests.faults.road.scene import scenes

FILES = (
    test_road_away,
    test_road_backend,
    test_road_keys,
    test_road_kills,
    test_road_model,
    test_road_races,
    test_road_redis,
    test_road_time,
)


def test_each_round_is_played_in_one_file() -> None:
    assert sorted(number for file in FILES for number in file.ROUNDS) == sorted(scenes())
