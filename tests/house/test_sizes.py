"""Is everything small enough to be read in one go? No module over 400 lines, no function over 40."""

from __future__ import annotations

import ast

import pytest

from .source import functions, modules

MODULE_LINES = 400
FUNCTION_LINES = 40
ONE_FILE = {"portal.audit.verifier"}  # shipped inside exports: it must be one file


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function from its `def` on; a docstring makes no function too long."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_no_module_is_too_long():
    long = {
        module.name: lines
        for module in modules()
        if module.name not in ONE_FILE and (lines := len(module.text.splitlines())) > MODULE_LINES
    }

    assert long == {}


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_function_is_too_long(module):
    long = {node.name: length(node) for node in functions(module) if length(node) > FUNCTION_LINES}

    assert long == {}
