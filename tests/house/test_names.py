"""Does every module say which question it answers, and is it named for it?"""

from __future__ import annotations

import ast

import pytest

from .source import ROOT, modules, tracked

EMPTY_WORDS = {"utils", "util", "helpers", "helper", "services", "managers", "common", "base", "misc"}


@pytest.mark.parametrize("module", modules(), ids=str)
def test_the_first_line_of_a_module_is_its_question(module):
    if not module.text.strip():  # an empty __init__.py has nothing to answer
        return
    said = ast.get_docstring(module.tree)

    assert said, f"{module.name} begins with a docstring that names its question"
    assert module.text.lstrip().startswith(('"""', "'''"))
    assert "?" in said or module.path.name == "__init__.py", f"{module.name}: which question does it answer?"


def test_no_file_has_a_name_that_says_nothing():
    empty = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in {".py", ".js", ".css"} and path.stem in EMPTY_WORDS and path.parts[-2:] != ("css", "base.css")
    ]

    assert empty == []


def test_every_test_is_a_sentence():
    """`test_it_refuses…`, `test_nobody_claims…`: three words at least, so that a failure reads as one."""
    short = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in tracked()
        if path.suffix == ".py" and path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name.count("_") < 3
    ]

    assert short == []
