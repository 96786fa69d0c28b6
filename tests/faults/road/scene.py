"""What is one round of the suite? Its number, its sizes, what it plays; what it is given and leaves behind.

A round is a module `bNN_…` of this folder with a `SCENE`; nothing else lists it. Each is played in a process of its
own, with its own PostgreSQL, Valkey and platform.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.stage import Stage

from .history import History

Holds = dict[str, tuple[bool, str]]  # a sentence → whether it holds, and the figures


@dataclass
class Run:
    """One round while it is played."""

    folder: Path
    seed: int
    size: dict[str, Any]
    history: History
    holds: Holds = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)

    def stage(self, **options: Any) -> Stage:
        """The servers and the platform, with the tables made; ended when the round is. Call it before any model."""
        stage = Stage(self.folder, **options)
        self.stages.append(stage)
        stage.prepare()
        return stage

    def hold(self, sentence: str, whether: bool, figures: str = "") -> None:
        """A line of the table."""
        self.holds[sentence] = (bool(whether), figures)

    def dice(self, *more: int) -> random.Random:
        """Chance that is the same for the same seed; `more` for one that others do not use up."""
        return random.Random(hash((self.seed, *more)))


@dataclass(frozen=True)
class Scene:
    """A round: `small` is its size in the suite of tests, `full` that of `make faults`; `play` plays and checks it."""

    number: str
    title: str
    play: Callable[[Run], None]
    small: dict[str, Any]
    full: dict[str, Any]


def scenes() -> dict[str, Scene]:
    """All rounds, by number, in order."""
    import tests.faults.road as room

    names = sorted(found.name for found in pkgutil.iter_modules(room.__path__) if found.name[:1] == "b")
    found = [importlib.import_module(f"tests.faults.road.{name}").SCENE for name in names if name[1:3].isdigit()]
    return {scene.number: scene for scene in found}
