"""Who reads this index? Each carries a comment that names its reader, so that one without a reader can go."""

from __future__ import annotations

import ast

import pytest

from .source import Module, named


def indexes(module: Module) -> list[tuple[str, int, int]]:
    """Name, first and last line of every index of a models module."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2].endswith("Index"):
            name = next((word.value.value for word in node.keywords if word.arg == "name"), "?")  # type: ignore[attr-defined]
            found.append((name, node.lineno, node.end_lineno or node.lineno))
    return found


def has_reader(module: Module, first: int, last: int) -> bool:
    """A comment `# reader: …` on the index's own lines, or on the comment lines right above it."""
    lines = module.text.splitlines()
    own = lines[first - 1 : last]
    above = first - 2
    while above >= 0 and lines[above].lstrip().startswith("#"):
        own.append(lines[above])
        above -= 1
    return any("# reader" in line for line in own)


@pytest.mark.parametrize("module", named("models"), ids=str)
def test_every_index_names_its_reader(module):
    assert [name for name, first, last in indexes(module) if not has_reader(module, first, last)] == []


@pytest.mark.parametrize("module", named("models"), ids=str)
def test_every_index_and_constraint_has_a_name_of_its_own(module):
    assert [line for name, line, _ in indexes(module) if name == "?"] == []
