"""What are the exact bytes of an event? RFC 8785 (JCS) over a stricter grammar: no floats, bounded depth and size."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785

MAX_DEPTH = 16
MAX_BYTES = 64 * 1024
MAX_INT = 2**53 - 1
PAYLOAD_PREFIX = b"reeve/payload/v1\n"

# Python's own writer escapes as RFC 8785 does (sections 3.2.2.2 and 3.2.3) and is ten times as fast. It differs in
# floats, which are refused here, and in the order of keys beyond the basic plane, which are left to the library.
_WRITE = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode

Path = tuple["Path", str] | None  # the steps to a value, innermost first: put into words only for an error


class NotCanonical(ValueError):
    """A value that has no exact bytes here; the message names its path."""


def canonical(value: Any) -> bytes:
    """The canonical bytes of a JSON value of str, bool, None, int within ±(2^53−1), list and dict with str keys.

    Strings are kept code point for code point: hostile text is evidence. Raises `NotCanonical` for floats, lone
    surrogates, other types, more than 16 levels or more than 64 KiB (audit.md, "Canonical bytes"; RFC 8785).
    """
    astral = _check(value, None, 1)
    data = rfc8785.dumps(value) if astral else _WRITE(value).encode()
    if len(data) > MAX_BYTES:
        raise NotCanonical(f"$: {len(data)} bytes, at most {MAX_BYTES}")
    return data


def payload_hash(payload: bytes) -> bytes:
    """SHA-256 of the domain prefix and the payload, 32 bytes."""
    return hashlib.sha256(PAYLOAD_PREFIX + payload).digest()


def _check(value: Any, path: Path, depth: int) -> bool:
    """Raise for what has no exact bytes; say whether a key lies beyond the basic plane. Most values are plain text."""
    if depth > MAX_DEPTH:
        raise NotCanonical(f"{_words(path)}: deeper than {MAX_DEPTH} levels")
    astral = False
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"{_words(path)}: a key that is not text")
            if not key.isascii():
                astral |= _check_text(key, path) and max(key) > "\uffff"
            if type(item) is not str or not item.isascii() or depth == MAX_DEPTH:
                astral |= _check(item, (path, f".{key}"), depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            astral |= _check(item, (path, f"[{index}]"), depth + 1)
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise NotCanonical(f"{_words(path)}: an integer beyond 2^53-1; write it as a string")
    elif value is not None:
        kind = type(value).__name__
        raise NotCanonical(f"{_words(path)}: {kind} has no canonical form; write numbers with a point as text")
    return astral


def _check_text(text: str, path: Path) -> bool:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise NotCanonical(f"{_words(path)}: a lone surrogate at {error.start}") from None
    return True


def _words(path: Path) -> str:
    steps = []
    while path is not None:
        path, step = path
        steps.append(step)
    return "$" + "".join(reversed(steps))
