"""Who may import whom?

One staircase, top to bottom; a room imports itself and what is below it, never above, never beside.
"""

from __future__ import annotations

import pytest

from .source import APPS, Module, imports, modules

# From the bottom up. Rooms on one stair do not know each other. Adding a stair to be allowed an import is a change to
# discuss.
STAIRS: tuple[tuple[str, ...], ...] = (
    (
        "portal.refusal",
        "portal.guards",
        "portal.metrics",
        "portal.sql",
        "portal.wording",
        "portal.described",
        "portal.line",
        "portal.clock",
    ),
    ("portal.answer", "portal.cursor", "portal.exact", "portal.problem", "portal.peer"),
    ("portal.audit",),
    ("portal.people",),
    ("portal.privacy",),
    # --- foundations below, risk above ---
    ("risk.intake",),
    ("risk.strategy",),
    ("risk.scoring",),
    # --- risk below, moderation above ---
    ("moderation.cases", "moderation.enforcement"),
    ("moderation.decisions",),
    ("moderation.bulk",),
    ("moderation.desk",),
    ("moderation.insight",),
)

# The roof wires, and is imported by nobody below it.
ROOF = (
    "portal.apps",
    "portal.celery",
    "portal.errors",
    "portal.frame",
    "portal.grants",
    "portal.health",
    "portal.inventory",
    "portal.local",
    "portal.logs",
    "portal.management",
    "portal.middleware",
    "portal.models",
    "portal.schema",
    "portal.settings",
    "portal.states",
    "portal.templatetags",
    "portal.uploads",
    "portal.urls",
    "portal.wsgi",
    "risk.apps",
    "risk.management",
    "risk.models",
    "risk.urls",
    "moderation.apps",
    "moderation.management",
    "moderation.models",
    "moderation.urls",
)

HEIGHT = {room: height for height, stair in enumerate(STAIRS) for room in stair} | dict.fromkeys(ROOF, len(STAIRS))
DOORS = ("views", "api", "tasks")


def room_of(name: str) -> str | None:
    """The room a module belongs to, or None when it is in no room."""
    return next((room for room in HEIGHT if name == room or name.startswith(f"{room}.")), None)


def steps_up(module: Module) -> list[str]:
    """The imports of a module that go up, or across to a neighbour."""
    here = room_of(module.name)
    height = HEIGHT.get(here or "", -1)
    found = []
    for name, line in imports(module):
        there = room_of(name)
        if there is None or there == here:
            continue
        if HEIGHT[there] >= height and not height == HEIGHT[there] == len(STAIRS):
            found.append(f"{module.name}:{line} imports {name}")
    return found


def test_every_module_is_in_a_room():
    homeless = [module.name for module in modules() if module.name not in APPS and room_of(module.name) is None]

    assert not homeless, "a module in no room: name its room here, or move it"


def test_every_room_named_here_exists():
    names = {module.name for module in modules()}

    assert [room for room in HEIGHT if room not in names] == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_nobody_imports_upwards_or_sideways(module):
    assert steps_up(module) == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_nobody_imports_doors_but_the_lists_of_doors(module):
    """Views, API and tasks are called from outside: by the URL list, the Celery list, and commands that ring.

    Within a room, one door may share what another made.
    """
    if module.name.endswith((".urls", ".celery")) or ".management.commands." in module.name:
        return
    found = [
        f"{module.name}:{line} imports {name}"
        for name, line in imports(module)
        if name.split(".")[0] in APPS and name.rpartition(".")[2] in DOORS and room_of(name) != room_of(module.name)
    ]

    assert found == []
