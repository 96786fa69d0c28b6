"""How do the values of an action get into a backend's words? By substitution and escaping, and in no other way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

NAMES = ("platform", "account", "kind", "until", "scope", "policy", "reason_code", "id", "seq", "notice", "notice_text")
_BRACES = re.compile(r"\{(\w+)\}")
Values = Mapping[str, Any]


class Unfit(ValueError):
    """A value that cannot stand where the template wants it."""


def wrong(template: str) -> str | None:
    """What is wrong with a template, or None: names we know, in single braces, and no other braces."""
    for name in _BRACES.findall(template):
        if name not in NAMES:
            return f"knows no value {{{name}}}; there are {', '.join(NAMES)}"
    if set(_BRACES.sub("", template)) & set("{}"):
        return "has a brace that names no value"
    return None


def filled_json(template: Any, values: Values) -> Any:
    """The template with its leaves filled: `"{seq}"` alone becomes the value itself, within other text its text."""
    if isinstance(template, dict):
        return {key: filled_json(leaf, values) for key, leaf in template.items()}
    if isinstance(template, list):
        return [filled_json(leaf, values) for leaf in template]
    if not isinstance(template, str):
        return template
    if alone := _BRACES.fullmatch(template):
        return values[alone[1]]
    return _BRACES.sub(lambda found: _text(values[found[1]]), template)


def filled_path(template: str, values: Values) -> str:
    """The path with each value escaped as one segment's text; a value of dots would climb, so it is unfit."""

    def segment(found: re.Match[str]) -> str:
        text = _text(values[found[1]])
        if text.strip(".") == "":
            raise Unfit(f"{found[1]} {text!r} cannot stand in a path")
        return quote(text, safe="")

    return _BRACES.sub(segment, template)


def filled_header(template: str, values: Values) -> str:
    """The header's value, if it is printable ASCII; anything else is unfit."""
    text = _BRACES.sub(lambda found: _text(values[found[1]]), template)
    if not text.isascii() or not text.isprintable():
        raise Unfit("a header takes printable ASCII only")
    return text


def _text(value: Any) -> str:
    return "" if value is None else str(value)
