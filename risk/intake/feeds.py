"""Which systems do we ask for what people reported there? Reads a description, or refuses it with line and reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings

from portal import described
from portal.described import BadDescription
from portal.peer import AUTHS, Peer, wrong_names

from . import catalogue
from .mapping import SECTIONS, BadMap, Map, map_of

FOLDER = Path(__file__).parent / "sources"
PAGE = ("path", "items", "id", "size", "from", "next")
TOP = {"name", "base", "secret", "auth", "pages"} | (SECTIONS - {"ignore"})


@dataclass(frozen=True)
class Feed:
    """One system that is asked: who, for which pages, and how an item of a page becomes a signal."""

    name: str
    peer: Peer
    path: str
    items: str
    id: str
    size: str
    start: str
    next: str
    map: Map


@cache
def feeds() -> dict[str, Feed]:
    """Every feed by name: the shipped ones, and those in the folder FEEDS_DIR.

    Raises `ImproperlyConfigured` with the file, line and reason of a bad one.
    """
    return described.load(FOLDER, settings.FEEDS_DIR, setting="FEEDS_DIR", parse=parse)


def parse(text: str, *, file: str) -> Feed:
    """The feed in a TOML text. Raises `BadDescription`."""
    told = described.read(text, file=file)

    def refuse(where: str, reason: str) -> NoReturn:
        raise BadDescription(file, described.line_of(text, where), reason)

    for key in told:
        if key not in TOP:
            refuse(key, f"knows no {key} here; there are {', '.join(sorted(TOP))}")
    name, pages = told.get("name"), told.get("pages")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        refuse("name", "name is a word in lower case, of at most 32 letters")
    base, secret = str(told.get("base", "")), str(told.get("secret", ""))
    if complaint := wrong_names(base, secret):
        refuse(*complaint)
    if told.get("auth") not in AUTHS:
        refuse("auth", f"auth is one of {', '.join(AUTHS)}, not {told.get('auth')!r}")
    if not isinstance(pages, dict):
        refuse("pages", "[pages] is missing")
    for key in (*pages, *PAGE):
        if key not in PAGE:
            refuse(f"pages.{key}", f"knows no {key} here; there are {', '.join(PAGE)}")
        if not isinstance(pages.get(key), str) or not pages[key]:
            refuse(f"pages.{key}", f"{key} is a text")
    if not re.fullmatch(r"(?!.*(//|\.\.))/[!-~]*", pages["path"]):
        refuse("pages.path", "a path starts with one slash and climbs nowhere")
    return Feed(
        name, Peer(base, secret, told["auth"]), pages["path"], pages["items"], pages["id"], pages["size"],
        pages["from"], pages["next"], _map(told, source=name, refuse=refuse),
    )  # fmt: skip


def _map(told: Mapping[str, Any], *, source: str, refuse: Any) -> Map:
    sections = {key: value for key, value in told.items() if key in SECTIONS}
    try:
        found = map_of(sections, source=source, known=catalogue.attributes().types)
    except BadMap as bad:
        section = re.search(r"\[(\w+)\]|\$\.(\w+)", str(bad))
        refuse(_section(section[1] or section[2]) if section else "", str(bad))
    number = found.signal.get("external_id")
    if number is None or not number.column:
        refuse("signal", "[signal] must say which column is the external_id, so that nothing comes in twice")
    return found


def _section(word: str) -> str:
    """The section of the file that a path of a signal is written in."""
    return word if word in SECTIONS else "signal"
