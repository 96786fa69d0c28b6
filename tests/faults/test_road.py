"""Is every round of the road played by a test? They stand in files of their own, so that several are played at once."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.faults.road.scene import scenes


def test_each_round_is_played_in_one_file() -> None:
    names = sorted(path.stem for path in Path(__file__).parent.glob("test_road_*.py"))
    files = [importlib.import_module(f"tests.faults.{name}") for name in names]

    assert sorted(number for file in files for number in file.ROUNDS) == sorted(scenes())
