"""Would the laws notice? Each is shown something that breaks it."""

from __future__ import annotations

import ast
import textwrap

import pytest

from .source import ROOT, Module
from .test_audit import traced
from .test_imports import steps_up
from .test_indexes import has_reader, indexes
from .test_pure import worldly
from .test_sizes import length
from .test_templates import IN_MARKUP, IN_TAGS, found_in


def module(name: str, text: str) -> Module:
    """A module that exists only here."""
    text = textwrap.dedent(text)
    return Module(name, ROOT / (name.replace(".", "/") + ".py"), text, ast.parse(text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("risk.scoring.score", "from moderation.cases.models import Case"),
        ("moderation.cases.actions", "from moderation.enforcement import actions"),
        ("moderation.enforcement.actions", "import moderation.decisions.actions"),
        ("portal.audit.actions", "def f():\n    from portal.people.models import User"),
        ("risk.intake.actions", "from portal import settings"),
        ("moderation.decisions.actions", "from ..desk import views"),
    ],
)
def test_an_import_that_goes_up_or_across_is_seen(name, text):
    assert steps_up(module(name, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("moderation.cases.actions", "from risk.scoring import actions\nfrom . import refusals"),
        ("moderation.decisions.actions", "from moderation.enforcement import actions"),
        ("portal.urls", "from portal import health"),
    ],
)
def test_an_import_that_goes_down_is_fine(name, text):
    assert not steps_up(module(name, text))


@pytest.mark.parametrize(
    "text",
    [
        "from django.db import models",
        "from django.utils import timezone\ntimezone.now()",
        "import random",
        "from .models import Case",
        "from datetime import datetime\nx = datetime.now()",
        "import requests",
        "x = open('y')",
    ],
)
def test_a_pure_module_that_reaches_out_is_seen(text):
    assert worldly(module("risk.scoring.score", text))


def test_what_stands_there_for_types_alone_is_no_reaching_out():
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .models import Case"

    assert not worldly(module("moderation.cases.refusals", text))


def test_an_action_that_writes_no_event_is_seen():
    text = """
        from portal.audit import actions as audit
        def loud(case, *, by): audit.record(1, by=by, of=case)
        def through_another(case, *, by): _inner(case)
        def _inner(case): loud(case, by=1)
        def silent(case, *, by): case.save()
    """

    assert traced(module("moderation.cases.actions", text)) == {"loud", "through_another", "_inner"}


def test_a_long_function_is_seen_and_its_docstring_not_counted():
    long = ast.parse("def f():\n" + "    x = 1\n" * 41).body[0]
    described = ast.parse('def f():\n    """\n' + "    words\n" * 50 + '    """\n    return 1').body[0]

    assert length(long) > 40
    assert length(described) == 2


def test_an_index_without_a_reader_is_seen():
    found = module(
        "risk.intake.models",
        """
        indexes = [
            models.Index(fields=["a"], name="one"),  # reader: the queue page
            # reader: search
            models.Index(fields=["b"], name="two"),
            models.Index(fields=["c"], name="three"),
        ]
        """,
    )

    assert [name for name, first, last in indexes(found) if not has_reader(found, first, last)] == ["three"]


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="color: red">',
        "<style>p {}</style>",
        "<script>x()</script>",
        '<a href="javascript:x()">',
        '<p onclick="x()">',
        '<p hx-on:click="x()">',
        "<p hx-vals='js:{x: 1}'>",
        '<p hx-trigger="click[x]">',
        '<script src="https://elsewhere.example/x.js"></script>',
    ],
)
def test_markup_that_the_policy_forbids_is_seen(markup):
    assert found_in(markup, IN_MARKUP)


@pytest.mark.parametrize("tag", ["{{ text|safe }}", "{{ text | safeseq }}", "{% autoescape off %}"])
def test_a_tag_that_turns_escaping_off_is_seen(tag):
    assert found_in(tag, IN_TAGS)


@pytest.mark.parametrize(
    "markup", ['<button type="submit" name="one">', '<script src="/static/js/keys.js" type="module">']
)
def test_plain_markup_is_fine(markup):
    assert not found_in(markup, IN_MARKUP)
