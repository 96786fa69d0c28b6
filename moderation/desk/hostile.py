"""What did somebody really write? Text in segments: plain, invisible characters named, links made harmless."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypedDict

LONGEST = 20_000  # characters shown of one text; the rest is counted, not shown
STACK = 3  # combining marks in a row before the next ones are named instead of drawn


class Segment(TypedDict):
    """`kind` is text, mark (one code point, named) or link (defanged)."""

    kind: str
    text: str
    name: str


# A scheme, or a host with a top-level name, or an e-mail address: whatever a client might turn into something to press.
_LINK = re.compile(
    r"""(?ix)
    (?:[a-z][a-z0-9+.-]{1,20}:(?://)?[^\s<>"'`\u0000-\u001f]{1,2000})
  | (?:[\w.+-]{1,64}@)?(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}\b(?::\d{1,5})?(?:[/?\#][^\s<>"'`\u0000-\u001f]{0,2000})?
    """
)
_HOST = re.compile(r"(?i)[\w-]{1,63}\.[^\W\d_]{2,24}\b")
_SCHEME = re.compile(r"(?i)^([a-z][a-z0-9+.-]{1,20}):(//)?")
_LINKING = {
    "http",
    "https",
    "ftp",
    "ftps",
    "ws",
    "wss",
    "mailto",
    "tel",
    "sms",
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "intent",
    "market",
}
# Characters that hide, turn around or imitate nothing: drawn as their code point.
_ALIKE = (
    "cyrillic",
    "greek",
    "armenian",
    "cherokee",
    "fullwidth",
    "mathematical",
    "lisu",
)  # scripts with Latin look-alikes
_WORD = re.compile(r"\w+")
_BLANKS = {0x00A0, 0x115F, 0x1160, 0x2800, 0x3000, 0x3164, 0xFFA0, 0xFFFC, 0xFFFD}


def segments(text: str) -> list[Segment]:
    """The text as a list of segments; joined, their texts say all that was there, and none of it can act."""
    cut = text[:LONGEST]
    found: list[Segment] = []
    position = 0
    for match in _LINK.finditer(cut):
        if not _is_link(match[0]):
            continue
        found += _marked(cut[position : match.start()])
        found += _link(match[0])
        position = match.end()
    found += _marked(cut[position:])
    if len(text) > LONGEST:
        found.append(
            {
                "kind": "mark",
                "text": f"{len(text) - LONGEST} more characters",
                "name": "not shown: the text is too long",
            }
        )
    return found


def _is_link(text: str) -> bool:
    """A known scheme, anything with //, or a host after a colon; neither "note: this" nor a time of day is a link."""
    scheme = _SCHEME.match(text)
    if scheme:
        return bool(scheme[2]) or scheme[1].lower() in _LINKING or bool(_HOST.search(text, scheme.end()))
    return True


def defang(link: str) -> str:
    """A link that cannot be followed or copied into a browser by mistake: hxxps://host[.]example/path."""
    scheme = _SCHEME.match(link)
    head, rest = "", link
    if scheme:
        name, rest = scheme[1], link[scheme.end() :]
        head = (re.sub("(?i)^http", "hxxp", name) if name.lower().startswith("http") else f"{name}[:]") + (
            "://" if name.lower().startswith("http") else (scheme[2] or "")
        )
    host, separator, path = re.match(r"^([^/?#]*)([/?#]?)(.*)$", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    return head + host.replace(".", "[.]").replace("@", "[at]") + separator + path


def _link(link: str) -> list[Segment]:
    """A link between marks: in one with Latin letters, each other letter is named, for it may imitate one."""
    mixed = any(character.isascii() and character.isalpha() for character in link)
    parts = _marked(defang(link), alike=(lambda character: not character.isascii()) if mixed else None)
    return [{**part, "kind": "link"} if part["kind"] == "text" else part for part in parts]


def _marked(text: str, *, alike: Callable[[str], bool] | None = None) -> list[Segment]:
    """Text with every character that hides, turns or imitates text named by its code point.

    `alike` says whether a character stands for another; without it, letters of a second script in a Latin word do.
    """
    if alike is None:
        strange = _imitating(text)
        alike = strange.__contains__
    found: list[Segment] = []
    plain: list[str] = []
    stack = 0
    for character in text:
        stack = stack + 1 if unicodedata.combining(character) else 0
        if not _hides(character) and stack <= STACK:
            if character.isascii() or not alike(character):
                plain.append(character)
                continue
            found += _text(plain)
            plain = []
            found.append({"kind": "mark", "text": f"{character} U+{ord(character):04X}", "name": _name(character)})
            continue
        found += _text(plain)
        plain = []
        found.append({"kind": "mark", "text": f"U+{ord(character):04X}", "name": _name(character)})
    return found + _text(plain)


def _text(characters: list[str]) -> list[Segment]:
    return [{"kind": "text", "text": "".join(characters), "name": ""}] if characters else []


def _imitating(text: str) -> set[str]:
    """Letters that look Latin and are not, in words that mix them with Latin ones: pаypal with a Cyrillic а."""
    if text.isascii():
        return set()
    found: set[str] = set()
    for word in _WORD.findall(text):
        if not word.isascii() and any(character.isascii() and character.isalpha() for character in word):
            found.update(
                character for character in word if not character.isascii() and _name(character).startswith(_ALIKE)
            )
    return found


def _hides(character: str) -> bool:
    """Controls, bidi and zero-width characters, tags, variation selectors, odd blanks, surrogates, private use."""
    if character in "\n\t":
        return False
    code = ord(character)
    if code < 0x20 or code in _BLANKS or 0xFE00 <= code <= 0xFE0E or 0xE0100 <= code <= 0xE01EF:
        return True
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or (
        unicodedata.category(character) == "Zs" and character != " "
    )


def _name(character: str) -> str:
    return unicodedata.name(character, "a character without a name").lower()
