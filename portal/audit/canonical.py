"""What are the exact bytes of an event? RFC 8785 (JCS) over a stricter grammar: no floats, bounded depth and size."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

MAX_DEPTH = 16
MAX_BYTES = 64 * 1024
MAX_INT = 2**53 - 1
PAYLOAD_PREFIX = b"reeve/payload/v1\n"


class NotCanonical(ValueError):
    """A value that has no exact bytes here; the message names its path."""


def canonical(value: Any) -> bytes:
    """The canonical bytes of a JSON value of str, bool, None, int within ±(2^53−1), list and dict with str keys.

    Strings are kept code point for code point: hostile text is evidence. Raises `NotCanonical` for floats, lone
    surrogates, other types, more than 16 levels or more than 64 KiB (audit.md, "Canonical bytes"; RFC 8785).
    """
    _check(value, "$", 1)
    data = rfc8785.dumps(value)
    if len(data) > MAX_BYTES:
        raise NotCanonical(f"$: {len(data)} bytes, at most {MAX_BYTES}")
    return data


def payload_hash(payload: bytes) -> bytes:
    """SHA-256 of the domain prefix and the payload, 32 bytes."""
    return hashlib.sha256(PAYLOAD_PREFIX + payload).digest()


def _check(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical(f"{path}: deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise NotCanonical(f"{path}: an integer beyond 2^53-1; write it as a string")
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"{path}: a key that is not text")
            _check_text(key, path)
            _check(item, f"{path}.{key}", depth + 1)
    else:
        raise NotCanonical(f"{path}: {type(value).__name__} has no canonical form; write numbers with a point as text")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical(f"{path}: a lone surrogate at {error.start}") from None
