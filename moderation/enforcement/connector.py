"""How is an action carried to a backend, and what did it say? One engine for every description in `connectors/`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from urllib3.exceptions import HTTPError, NewConnectionError

from . import line, schedule
from .call import Answer, Call, Meaning
from .description import BadDescription, Description, Request, parse
from .filling import Unfit, filled_header, filled_json, filled_path

FOLDER = Path(__file__).parent / "connectors"
CONNECT, READ, TOTAL = 2.0, 10.0, 15.0  # seconds
LARGEST = 1 << 20  # bytes of an answer that are read
KEPT = 400  # characters of an answer that are kept


@dataclass(frozen=True)
class _Reply:
    """A status with what could be read of its body."""

    status: int
    told: Any
    body: str
    retry_after: str | None


@cache
def descriptions() -> dict[str, Description]:
    """Every shipped description by name. Raises `ImproperlyConfigured` with the file, line and reason of a bad one."""
    found: dict[str, Description] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        try:
            description = parse(path.read_text(encoding="utf-8"), file=path.name)
        except BadDescription as bad:
            raise ImproperlyConfigured(str(bad)) from None
        if description.name != path.stem:
            raise ImproperlyConfigured(f"{path.name}: a description is named as its file, not {description.name}")
        found[description.name] = description
    return found


def serving(platform: str) -> Description | None:
    """The backend that serves a platform: one that names it, else one that takes whoever is left."""
    named = [d for d in descriptions().values() if platform in d.platforms]
    rest = [d for d in descriptions().values() if "*" in d.platforms]
    return (named or rest or [None])[0]  # type: ignore[list-item]


def carry_out(description: Description, call: Call, *, clock: datetime) -> Answer:
    """Do it, reading back where only that can tell. `clock` is the database's, which stands in the signature."""
    request = description.requests.get(call.kind)
    if request is None:
        return Answer(Meaning.NEVER, f"{description.name} knows no {call.kind}")
    doubtful = description.idempotent == "none" or (description.idempotent == "key" and call.forgotten)
    if call.repeat and doubtful and (seen := _look(description, request, call, clock=clock)) is not None:
        return seen
    try:
        reply = _send(description, request, call, clock=clock)
    except Unfit as unfit:
        return Answer(Meaning.NEVER, str(unfit))
    if isinstance(reply, Answer):
        return reply
    if description.meaning(reply.status) == "read":
        return _refused_number(description, request, call, reply, clock=clock)
    return _meant(description, request, reply, clock=clock)


def _meant(description: Description, request: Request, reply: _Reply, *, clock: datetime) -> Answer:
    said = f"answered {reply.status}"
    meaning = description.meaning(reply.status)
    wait = schedule.retry_after(reply.retry_after, now=clock)
    if meaning == "applied":
        effect = _at(reply.told, request.effect) if request.effect else ""
        if request.effect and (isinstance(effect, bool) or not isinstance(effect, str | int)):
            return Answer(Meaning.LATER, f"{said}, but names no effect", reply.body)
        return Answer(Meaning.APPLIED, said, effect_id=_storable(str(effect))[:128])
    if meaning == "never" and 300 <= reply.status < 400:
        return Answer(Meaning.LATER, f"{said}: redirects are not followed")
    unreached = reply.status in (502, 503, 504)
    return Answer(Meaning(meaning), said, reply.body, wait=wait, unreached=unreached)


def _refused_number(
    description: Description, request: Request, call: Call, reply: _Reply, *, clock: datetime
) -> Answer:
    """The backend has a newer number: ask how things stand; the state we want is as good as our own effect."""
    told = _read(description, call, clock=clock)
    if isinstance(told, Answer):
        return told
    if request.reading and _holds(request, call, told):
        return Answer(Meaning.APPLIED, "read back: in force")
    newest = _at(told, description.read_seq) if description.read_seq else None
    said = f"answered {reply.status}, read back: not in force"
    if isinstance(newest, int) and newest <= call.seq:
        return Answer(Meaning.LATER, said, reply.body)
    return Answer(Meaning.UNSURE, f"{said}, newest number {newest}", reply.body)


def _look(description: Description, request: Request, call: Call, *, clock: datetime) -> Answer | None:
    """Before a repeat that could do it twice: in force already, or cannot tell; None when it may be sent."""
    if request.reading is None:
        return Answer(Meaning.UNSURE, "may have been done before, and nothing shows whether it was")
    told = _read(description, call, clock=clock)
    if isinstance(told, Answer):
        return told
    return Answer(Meaning.APPLIED, "read back: in force") if _holds(request, call, told) else None


def _read(description: Description, call: Call, *, clock: datetime) -> Any | Answer:
    """The state of the account there, or an answer when it could not be had."""
    try:
        path = filled_path(description.read_path, call.values)
    except Unfit as unfit:
        return Answer(Meaning.NEVER, str(unfit))
    reply = _call(description, "GET", path, {}, None, clock=clock)
    if isinstance(reply, Answer):
        return reply
    if reply.status != 200 or not isinstance(reply.told, dict):
        meaning = description.meaning(reply.status)
        kept = Meaning(meaning) if meaning in ("gone", "pause") else Meaning.LATER
        wait = schedule.retry_after(reply.retry_after, now=clock)
        return Answer(kept, f"reading back answered {reply.status}", reply.body, wait=wait)
    return reply.told


def _holds(request: Request, call: Call, told: Any) -> bool:
    reading = request.reading
    if reading is None:
        return False
    there, wanted = _at(told, reading.at), filled_json(reading.wanted, call.values)
    if reading.how == "is":
        return bool(there == wanted and type(there) is type(wanted))
    inside = isinstance(there, list | dict | str) and wanted in there
    return inside if reading.how == "contains" else not inside


def _send(description: Description, request: Request, call: Call, *, clock: datetime) -> _Reply | Answer:
    values = call.values
    headers = {name: filled_header(value, values) for name, value in request.headers.items()}
    body = json.dumps(filled_json(request.body, values), ensure_ascii=False, separators=(",", ":")).encode()
    headers["Content-Type"] = "application/json"
    return _call(description, request.method, filled_path(request.path, values), headers, body, clock=clock)


def _call(
    description: Description, method: str, path: str, headers: dict[str, str], body: bytes | None, *, clock: datetime
) -> _Reply | Answer:
    """One call: no redirects, 2 s to connect, 10 s of silence, 15 s in all, and not more of the answer than we keep."""
    base = str(getattr(settings, description.base, "")).rstrip("/")
    secret = str(getattr(settings, description.secret, ""))
    if complaint := wrong_base(base) or ("" if secret else f"{description.secret} is not set"):
        return Answer(Meaning.PAUSE, complaint)
    headers = headers | _credentials(description.auth, secret, body or b"", clock=clock)
    try:
        with line.Deadline(TOTAL) as deadline:
            response = line.session().request(
                method,
                base + path,
                headers=headers,
                data=body,
                timeout=(CONNECT, READ),
                allow_redirects=False,
                stream=True,
            )
            raw = b""
            while len(raw) <= LARGEST and (part := response.raw.read(LARGEST + 1, decode_content=False)):
                raw += part  # to the very end: a reading cut short raises only there
    except line.ForbiddenAddress as strange:
        return Answer(Meaning.PAUSE, str(strange))
    except (requests.RequestException, HTTPError, OSError, ValueError) as lost:
        return _lost(lost, late=deadline.passed)
    if len(raw) > LARGEST:
        response.close()
        return Answer(Meaning.LATER, f"answered {response.status_code} with more than {LARGEST} bytes")
    return _Reply(response.status_code, *_understood(raw), response.headers.get("Retry-After"))


def _lost(error: Exception, *, late: bool) -> Answer:
    """No answer to go by: whether it was done is unknown, and the same key asks again."""
    if late or isinstance(error, requests.Timeout):
        return Answer(Meaning.LATER, "timed out", unreached=True)
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError):
        return Answer(Meaning.LATER, "could not be reached", unreached=True)
    return Answer(Meaning.LATER, "broke off the call")


def wrong_base(base: str) -> str:
    """Why this address may not be called, or nothing: a fixed scheme, and host and port exactly as in the list."""
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return "the backend's address is no http or https address"
    if parts.netloc not in settings.ENFORCEMENT_HOSTS:
        return "the backend's address is not in ENFORCEMENT_HOSTS"
    return ""


def _credentials(auth: str, secret: str, body: bytes, *, clock: datetime) -> dict[str, str]:
    if auth == "bearer":
        return {"Authorization": f"Bearer {secret}"}
    if auth == "basic":
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    at = int(clock.timestamp())
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signature": f"t={at},v1={mac}"}


def _understood(raw: bytes) -> tuple[Any, str]:
    text = _storable(raw.decode("utf-8", "replace"))
    try:
        return json.loads(text), text[:KEPT]
    except (ValueError, RecursionError):
        return None, text[:KEPT]


def _storable(text: str) -> str:
    """What the database takes: no NUL, no half of a character."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _at(told: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        told = told.get(key) if isinstance(told, dict) else None
    return told
