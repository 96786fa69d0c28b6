"""Where does the next page begin? An opaque cursor holds the keyset of the last row shown, never an offset."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.refusal import Refused


def encode(*key: Any) -> str:
    """The cursor after a row with this key (text, numbers, times and ids)."""
    parts = [
        value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for value in key
    ]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """The key in a cursor, each part of the kind given (`int`, `str`, `datetime`, `UUID`).

    Raises `Refused` (400) for rubbish.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(parts, list) or len(parts) != len(kinds):
            raise ValueError(cursor)
        return tuple(_read(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, TypeError, binascii.Error, UnicodeDecodeError):
        raise Refused("This page mark is not one of ours; start again from the first page.", status=400) from None


def _read(part: Any, kind: type) -> Any:
    if kind is datetime:
        value = datetime.fromisoformat(part)
        if value.tzinfo is None:
            raise ValueError(part)
        return value
    if kind is int and (isinstance(part, bool) or not isinstance(part, int)):
        raise ValueError(part)
    return kind(part)
