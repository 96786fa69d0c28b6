"""Is thinking kept apart from the world? Pure modules have no tables, no clock, no dice, no network and no files."""

from __future__ import annotations

import ast
import re

import pytest

from .source import APPS, Module, imports, modules

PURE = {
    "approval", "backtest", "baseline", "calibration", "canonical", "drift", "evidence", "explain", "features", "gates",
    "ladder", "language", "links", "masking", "note", "persona", "precision", "refusals", "routing", "sampling",
    "schedule", "score", "tree",
}  # fmt: skip
WORLD = (
    "django.core.cache", "django.db", "django.http", "django.shortcuts", "django.utils.timezone", "http.client",
    "os", "pathlib", "portal.clock", "psycopg2", "random", "redis", "requests", "secrets", "socket", "subprocess",
    "time", "urllib.request",
)  # fmt: skip
ROOMS_WITH_HANDS = {"actions", "api", "models", "reading", "tasks", "views"}
CLOCK_AND_DICE = {
    "date.today", "datetime.now", "datetime.today", "datetime.utcnow", "open", "timezone.now", "clock.now", "uuid1",
    "uuid4", "uuid7",
}  # fmt: skip


def is_pure(module: Module) -> bool:
    """Named in the list, or saying of itself that it is."""
    return module.last in PURE or re.search(r"\bPure\b", ast.get_docstring(module.tree) or "") is not None


def worldly(module: Module) -> list[str]:
    """What a module imports or calls that reaches out of its arguments."""
    found = []
    for name, line in imports(module, typing_too=False):
        ours = name.split(".")[0] in APPS
        if ours and ROOMS_WITH_HANDS & set(name.split(".")[1:]):
            found.append(f"{module.name}:{line} imports {name}")
        if any(name == thing or name.startswith(f"{thing}.") for thing in WORLD):
            found.append(f"{module.name}:{line} imports {name}")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CLOCK_AND_DICE:
            found.append(f"{module.name}:{node.lineno} calls {ast.unparse(node.func)}()")
    return found


def test_there_is_something_to_hold_to_it():
    assert {"masking", "canonical", "schedule", "routing", "score", "refusals"} <= {
        module.last for module in modules() if is_pure(module)
    }


@pytest.mark.parametrize("module", [module for module in modules() if is_pure(module)], ids=str)
def test_it_reaches_for_nothing_but_its_arguments(module):
    assert worldly(module) == []
