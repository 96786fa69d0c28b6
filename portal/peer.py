"""Whom may we call, as whom, and what did they say? One HTTP call for every described system, out or in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError, NewConnectionError

from . import line

AUTHS = ("hmac", "bearer", "basic")
CONNECT, READ, TOTAL = 2.0, 10.0, 15.0  # seconds
LARGEST = 1 << 20  # bytes of an answer that are read
KEPT = 400  # characters of an answer that are kept
_SETTING = re.compile(r"[A-Z][A-Z0-9_]*")
_SECRETS = ("_SECRET", "_TOKEN", "_PASSWORD")


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: the names of the settings that hold address and secret, and how we show the secret."""

    base: str
    secret: str
    auth: str


@dataclass(frozen=True)
class Reply:
    """A status with what could be read of its body."""

    status: int
    told: Any
    body: str
    retry_after: str | None


class Refused(Exception):
    """Our own fault: no address, none that may be called, or no secret. Nothing was said."""


class Lost(Exception):
    """No answer to go by. `unreached`: it never came through, or the time was up."""

    def __init__(self, why: str, *, unreached: bool = False) -> None:
        super().__init__(why)
        self.unreached = unreached


class TooMuch(Lost):
    """The answer is longer than may be read."""


def value_of(setting: str) -> str:
    """What a named setting holds: ours, or a variable of the environment, or the file that `NAME_FILE` names."""
    if hasattr(settings, setting):
        return str(getattr(settings, setting))
    if path := os.environ.get(f"{setting}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""
    return os.environ.get(setting, "")


def wrong_names(base: str, secret: str) -> tuple[str, str] | None:
    """The key and the reason when these cannot name an address and a secret: keys of our own are sent to nobody."""
    if not _SETTING.fullmatch(base):
        return "base", "base is the name of a setting, in capitals"
    if not _SETTING.fullmatch(secret) or not secret.endswith(_SECRETS):
        return "secret", "secret is the name of a setting, in capitals, that ends in _SECRET, _TOKEN or _PASSWORD"
    return None


def wrong_base(base: str) -> str:
    """Why this address may not be called, or nothing: a fixed scheme, and host and port exactly as in the list."""
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return "the backend's address is no http or https address"
    if parts.netloc not in settings.ENFORCEMENT_HOSTS:
        return "the backend's address is not in ENFORCEMENT_HOSTS"
    return ""


def ask(
    peer: Peer, method: str, path: str, *, clock: datetime, headers: dict[str, str] | None = None,
    body: bytes | None = None, secret: str | None = None, largest: int = LARGEST,
) -> Reply:  # fmt: skip
    """One call: no redirects, 2 s to connect, 10 s of silence, 15 s in all, and not more of the answer than we keep.

    Raises `Refused` or `Lost`. `clock` is the database's time, which stands in the signature; `secret` is said in place
    of the right one, to see whether that makes a difference. `largest`: bytes of an answer that are read.
    """
    base, secret = value_of(peer.base).rstrip("/"), secret or value_of(peer.secret)
    if complaint := wrong_base(base) or ("" if secret else f"{peer.secret} is not set"):
        raise Refused(complaint)
    sent = (headers or {}) | _credentials(peer.auth, secret, body or b"", clock=clock)
    try:
        with line.Deadline(TOTAL) as deadline:
            response = line.session().request(
                method, base + path, headers=sent, data=body, timeout=(CONNECT, READ), allow_redirects=False,
                stream=True,
            )  # fmt: skip
            raw = b""
            while len(raw) <= largest and (part := response.raw.read(largest + 1, decode_content=False)):
                raw += part  # to the very end: a reading cut short raises only there
    except line.ForbiddenAddress as strange:
        raise Refused(str(strange)) from None
    except (requests.RequestException, HTTPError, OSError, ValueError) as lost:
        raise _lost(lost, late=deadline.passed) from None
    if len(raw) > largest:
        response.close()
        raise TooMuch(f"answered {response.status_code} with more than {largest} bytes")
    return Reply(response.status_code, *_understood(raw), response.headers.get("Retry-After"))


def storable(text: str) -> str:
    """What the database takes: no NUL, no half of a character."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def value_at(told: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        told = told.get(key) if isinstance(told, dict) else None
    return told


def _lost(error: Exception, *, late: bool) -> Lost:
    """Whether it was done is unknown, and the same key asks again."""
    if late or isinstance(error, requests.Timeout):
        return Lost("timed out", unreached=True)
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError):
        return Lost("could not be reached", unreached=True)
    return Lost("broke off the call")


def _credentials(auth: str, secret: str, body: bytes, *, clock: datetime) -> dict[str, str]:
    if auth == "bearer":
        return {"Authorization": f"Bearer {secret}"}
    if auth == "basic":
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    now = int(clock.timestamp())
    mac = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signature": f"t={now},v1={mac}"}


def _understood(raw: bytes) -> tuple[Any, str]:
    text = storable(raw.decode("utf-8", "replace"))
    try:
        return json.loads(text), text[:KEPT]
    except (ValueError, RecursionError):
        return None, text[:KEPT]
