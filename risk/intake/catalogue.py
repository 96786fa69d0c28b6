"""Which kinds of signal and which attributes do we know?

Shipped as data; kinds stand in a table, so that more can be added.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .models import SignalKind

DEFAULTS = Path(__file__).parent / "defaults"


@dataclass(frozen=True)
class Kind:
    """A kind of signal as intake needs it: field types, whether it opens a case, the lane that may read it."""

    name: str
    fields: Mapping[str, str]
    opens: bool = False
    lane: str = "general"
    lanes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # field → word → lane

    def lane_of(self, data: Mapping[str, Any]) -> str:
        """The lane of one signal of this kind: its own, or the one a word in it asks for."""
        for name, words in self.lanes.items():
            value = data.get(name)
            if isinstance(value, str) and value in words:
                return words[value]
        return self.lane


@dataclass(frozen=True)
class Attributes:
    """What may be told of an account: types by name, which go to the vault, which only the minors lane reads."""

    types: Mapping[str, str]
    pushed: Mapping[str, str]
    identity: frozenset[str]
    content: frozenset[str]
    minor: frozenset[str]


@cache
def attributes() -> Attributes:
    """The shipped attributes."""
    told = tomllib.loads((DEFAULTS / "attributes.toml").read_text(encoding="utf-8"))
    return Attributes(
        told["types"], told["pushed"], frozenset(told["identity"]), frozenset(told["content"]), frozenset(told["minor"])
    )


def shipped_kinds() -> dict[str, dict[str, Any]]:
    """The kinds in the shipped file, as columns of `SignalKind`."""
    told = tomllib.loads((DEFAULTS / "kinds.toml").read_text(encoding="utf-8"))
    return {
        name: {
            "fields": {
                key: {"type": kind, "lanes": kinds.get("lanes", {}).get(key, {})}
                for key, kind in kinds["fields"].items()
            },
            "opens": kinds.get("opens", False),
            "lane": kinds.get("lane", "general"),
        }
        for name, kinds in told.items()
    }


def kinds() -> dict[str, Kind]:
    """All kinds in the table, by name: one query."""
    return {
        row.name: Kind(
            row.name,
            {name: spec["type"] for name, spec in row.fields.items()},
            row.opens,
            row.lane,
            {name: spec["lanes"] for name, spec in row.fields.items() if spec.get("lanes")},
        )
        for row in SignalKind.objects.all()
    }
