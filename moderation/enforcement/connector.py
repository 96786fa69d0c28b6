"""How is an action carried to a backend, and what did it say? One HTTP engine for every description."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from portal import described, peer
from portal.peer import Reply

from . import schedule
from .call import Answer, Call, Meaning
from .description import Description, Request, parse
from .filling import Unfit, filled_header, filled_json, filled_path

FOLDER = Path(__file__).parent / "connectors"
_SHOWS_NOTHING = Answer(Meaning.LATER, "reading back answered 200, and does not show it")


@cache
def descriptions() -> dict[str, Description]:
    """Every description by name: the shipped ones, and those in the folder BACKENDS_DIR.

    Raises `ImproperlyConfigured` with the file, line and reason of a bad one.
    """
    return described.load(FOLDER, settings.BACKENDS_DIR, setting="BACKENDS_DIR", parse=parse)


def serving(platform: str) -> Description | None:
    """The backend that serves a platform: one that names it, else one that takes whoever is left."""
    named = [d for d in descriptions().values() if platform in d.platforms]
    rest = [d for d in descriptions().values() if "*" in d.platforms]
    return (named or rest or [None])[0]  # type: ignore[list-item]


def able_on(platform: str) -> frozenset[str] | None:
    """The kinds of action that can be done on a platform; None where no backend serves it."""
    description = serving(platform)
    return frozenset(description.requests) if description else None


def carry_out(description: Description, call: Call, *, clock: datetime) -> Answer:
    """Do it, reading back where only that can tell. `clock` is the database's, which stands in the signature."""
    request = description.requests.get(call.kind)
    if request is None:
        return Answer(Meaning.NEVER, f"{description.name} knows no {call.kind}")
    if call.kind == "notify" and call.notice is not None and not call.notice:
        return Answer(Meaning.NEVER, "the words of this notice were erased")
    doubtful = description.idempotent == "none" or (description.idempotent == "key" and call.forgotten)
    if call.repeat and doubtful and request.reading is None:
        return Answer(Meaning.UNSURE, "may have been done before, and nothing shows whether it was")
    look = description.read_first or (call.repeat and doubtful)
    if look and (seen := _look(description, request, call, clock=clock)) is not None:
        return seen
    try:
        reply = _send(description, request, call, clock=clock)
    except Unfit as unfit:
        return Answer(Meaning.NEVER, str(unfit))
    if isinstance(reply, Answer):
        return reply
    if description.meaning(reply.status, reply.told) == "read":
        return _refused_number(description, request, call, reply, clock=clock)
    return _meant(description, request, reply, clock=clock)


def _meant(description: Description, request: Request, reply: Reply, *, clock: datetime) -> Answer:
    said = f"answered {reply.status}"
    meaning = description.meaning(reply.status, reply.told)
    wait = schedule.retry_after(reply.retry_after, now=clock)
    if meaning == "applied":
        effect = peer.value_at(reply.told, request.effect) if request.effect else ""
        if request.effect and (isinstance(effect, bool) or not isinstance(effect, str | int)):
            return Answer(Meaning.LATER, f"{said}, but names no effect", reply.body)
        delivered_at = _moment(peer.value_at(reply.told, request.delivered)) if request.delivered else None
        return Answer(Meaning.APPLIED, said, effect_id=peer.storable(str(effect))[:128], delivered_at=delivered_at)
    if meaning == "never" and 300 <= reply.status < 400:
        return Answer(Meaning.LATER, f"{said}: redirects are not followed")
    unreached = reply.status in (502, 503, 504)
    return Answer(Meaning(meaning), said, reply.body, wait=wait, unreached=unreached)


def _moment(told: Any) -> datetime | None:
    """A time as a backend tells it; one without a zone, or no time at all, says nothing."""
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _refused_number(description: Description, request: Request, call: Call, reply: Reply, *, clock: datetime) -> Answer:
    """The backend has a newer number: ask how things stand; the state we want is as good as our own effect."""
    told = read(description, call, clock=clock)
    if isinstance(told, Answer):
        return told
    if request.reading and holds(request, call, told):
        return Answer(Meaning.APPLIED, "read back: in force")
    if not shows(request, told):
        return _SHOWS_NOTHING
    newest = peer.value_at(told, description.read_seq) if description.read_seq else None
    said = f"answered {reply.status}, read back: not in force"
    if isinstance(newest, int) and newest <= call.seq:
        return Answer(Meaning.LATER, said, reply.body)
    return Answer(Meaning.UNSURE, f"{said}, newest number {newest}", reply.body)


def _look(description: Description, request: Request, call: Call, *, clock: datetime) -> Answer | None:
    """Before a call that could do it twice, or make what is not there: the answer, or None when it may be sent."""
    told = read(description, call, clock=clock)
    if isinstance(told, Answer):
        return told
    if holds(request, call, told):
        return Answer(Meaning.APPLIED, "read back: in force")
    return _SHOWS_NOTHING if call.repeat and not shows(request, told) else None


def read(
    description: Description, call: Call, *, clock: datetime, secret: str | None = None
) -> dict[str, Any] | Answer:
    """The state of the account there, or an answer when it could not be had. `secret`: another than the right one."""
    try:
        path = filled_path(description.read_path, call.values)
    except Unfit as unfit:
        return Answer(Meaning.NEVER, str(unfit))
    reply = _ask(description, "GET", path, clock=clock, secret=secret)
    if isinstance(reply, Answer):
        return reply
    if reply.status == 200 and isinstance(reply.told, dict):
        return reply.told
    meaning = description.meaning(reply.status, reply.told)
    kept = Meaning(meaning) if meaning in ("gone", "pause") else Meaning.LATER
    if meaning == "never" and 400 <= reply.status < 500:  # asking again gets the same words
        kept = Meaning.UNSURE if call.repeat else Meaning.NEVER
    wait = schedule.retry_after(reply.retry_after, now=clock)
    unreached = reply.status in (502, 503, 504)
    said = f"reading back answered {reply.status}"
    return Answer(kept, said, reply.body, wait=wait, status=reply.status, unreached=unreached)


def shows(request: Request, told: Any) -> bool:
    """Whether what was read says anything of a kind of action: an error in an answer 200 does not."""
    return request.reading is None or peer.value_at(told, request.reading.at) is not None


def holds(request: Request, call: Call, told: Any) -> bool:
    """Whether a kind of action is in force in a state that was read."""
    reading = request.reading
    if reading is None:
        return False
    there, wanted = peer.value_at(told, reading.at), filled_json(reading.wanted, call.values)
    if reading.how == "is":
        return bool(there == wanted and type(there) is type(wanted))
    if not isinstance(there, list | dict | str):
        return False
    return (wanted in there) is (reading.how == "contains")


def _send(description: Description, request: Request, call: Call, *, clock: datetime) -> Reply | Answer:
    values = call.values
    headers = {name: filled_header(value, values) for name, value in request.headers.items()}
    body = json.dumps(filled_json(request.body, values), ensure_ascii=False, separators=(",", ":")).encode()
    headers["Content-Type"] = "application/json"
    path = filled_path(request.path, values)
    return _ask(description, request.method, path, clock=clock, headers=headers, body=body)


def _ask(description: Description, method: str, path: str, *, clock: datetime, **said: Any) -> Reply | Answer:
    try:
        return peer.ask(description.peer, method, path, clock=clock, **said)
    except peer.Refused as ours:
        return Answer(Meaning.PAUSE, str(ours))
    except peer.Lost as lost:
        return Answer(Meaning.LATER, str(lost), unreached=lost.unreached)
