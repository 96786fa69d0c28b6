"""Can text that somebody else wrote ever become markup or code? The lint of the pages and of what serves them."""

from __future__ import annotations

import ast
import re

import pytest

from .source import ROOT, modules, tracked

IN_MARKUP = {
    "an htmx event script": r"\bhx-on\b",
    "a value from JavaScript": r"hx-(?:vals|headers)\s*=\s*['\"]?\s*js(?:avascript)?:",
    "an event filter, which needs eval": r"hx-trigger\s*=\s*\"[^\"]*\[",
    "an inline style": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "an event attribute": r"\son[a-z]+\s*=",
    "an inline script": r"<script(?![^>]*\bsrc=)[^>]*>",
    "a script address": r"(?:href|src|action|formaction)\s*=\s*['\"]?\s*javascript:",
    "a page from elsewhere": r"<(?:script|link|img|iframe|form)\b[^>]*(?:src|href|action)\s*=\s*['\"](?:https?:)?//",
}
IN_TAGS = {
    "a value marked as safe": r"\|\s*(?:safe|safeseq)\b",
    "escaping turned off": r"\{%\s*autoescape\s+off",
}
TEMPLATES = [path for path in tracked() if path.suffix == ".html"]
SCRIPTS = [path for path in tracked() if path.suffix == ".js" and "static" in path.parts]


def without_comments(text: str) -> str:
    """Template comments and the names of htmx attributes such as `hx-on…` are kept.

    Only what is never rendered goes.
    """
    return re.sub(r"\{#.*?#\}|\{%\s*comment\b.*?endcomment\s*%\}", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_holds_what_the_policy_forbids(path):
    text = without_comments(path.read_text(encoding="utf-8"))
    markup = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)

    assert found_in(markup, IN_MARKUP) == {}
    assert found_in(text, IN_TAGS) == {}


def found_in(text: str, forbidden: dict[str, str]) -> dict[str, str]:
    """What is forbidden and there, with the first place of each."""
    return {
        what: found.group() for what, pattern in forbidden.items() if (found := re.search(pattern, text, re.IGNORECASE))
    }


def test_no_code_marks_text_as_safe():
    """`format_html` escapes what it is given, if its pattern is a constant; nothing else makes markup."""
    marks = {"mark_safe", "SafeString", "SafeText", "SafeData", "html_safe"}
    calls = [(module, node) for module in modules() for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    found = []
    for module, node in calls:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in marks or (name == "format_html" and not isinstance(node.args[0], ast.Constant)):
            found.append(f"{module.name}:{node.lineno}")

    assert found == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_script_writes_markup_or_evaluates_text(path):
    text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    writes = r"\.innerHTML\b|\.outerHTML\b|insertAdjacentHTML|document\.write|\.cssText|setAttribute\(\s*['\"]style"

    assert re.findall(rf"\beval\(|new Function\(|{writes}", text) == []


def test_every_form_that_posts_carries_its_token():
    bare = []
    for path in TEMPLATES:
        text = without_comments(path.read_text(encoding="utf-8"))
        for form in re.findall(r"<form\b[^>]*method\s*=\s*[\"']post[\"'].*?</form>", text, re.DOTALL | re.IGNORECASE):
            if "csrf_token" not in form:
                bare.append(f"{path.relative_to(ROOT)}: {form[:80]}")

    assert bare == []
