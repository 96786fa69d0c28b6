"""What arrives on the stream?

A consumer of a Redis stream: read, ingest, acknowledge after the commit; poison is set aside.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import redis
from django.db import InterfaceError, OperationalError, connection

from portal.audit.actions import Subject

from . import actions
from .bulk import parse
from .schema import BadSignal

log = logging.getLogger(__name__)

GROUP = b"reeve"
COUNT = 1000
BLOCK_MS = 2000
IDLE_MS = 60_000  # what another consumer read and did not acknowledge for so long is taken over
REJECTED_KEPT = 100_000
FIELD = b"signal"  # the field of an entry that holds the JSON of one signal

Entry = tuple[bytes, dict[bytes, bytes]]


class BadAddress(ValueError):
    """INTAKE_URL does not name a server and a stream."""


@dataclass(frozen=True)
class Address:
    """A server and a stream: `redis://host:6379/stream-name`, or `unix:///path?db=0&stream=stream-name`."""

    server: str
    stream: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in INTAKE_URL. Raises `BadAddress` with a sentence."""
        parts = urlsplit(url)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        db = query.get("db", "0")
        if parts.scheme in ("redis", "rediss"):
            stream = parts.path.strip("/")
            found = re.fullmatch(r"(\d+)/(.+)", stream)  # redis://host/3/stream: the third database
            db, stream = (found[1], found[2]) if found else (db, stream)
            server = parts._replace(path=f"/{db}", query="").geturl()
        elif parts.scheme == "unix":
            stream, server = query.get("stream", ""), f"unix://{parts.path}?db={db}"
        else:
            raise BadAddress("INTAKE_URL must name a Redis stream, such as redis://localhost:6379/signals.")
        if not stream:
            raise BadAddress("INTAKE_URL names a server but no stream; end it with /stream-name.")
        return cls(server, stream)


class Consumer:
    """One reader of the stream, in the group `reeve`."""

    def __init__(
        self, address: Address, *, by: Subject, clock: Callable[[], datetime], block_ms: int = BLOCK_MS
    ) -> None:
        self.stream = address.stream.encode()
        self.by, self.clock, self.block_ms = by, clock, block_ms
        self.name = f"{socket.gethostname()}-{os.getpid()}".encode()
        self.redis = redis.Redis.from_url(address.server, socket_timeout=None)  # a blocking read may take long
        self.accepted = self.duplicates = self.rejected = 0
        self._join()

    def round(self) -> int:
        """Read once, take over what others left, ingest, acknowledge; how many entries were dealt with."""
        entries = self._left_behind() or self._next()
        if entries:
            self._deal_with(entries)
        return len(entries)

    def _join(self) -> None:
        try:
            self.redis.xgroup_create(self.stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _left_behind(self) -> list[Entry]:
        _, entries, *_ = self.redis.xautoclaim(self.stream, GROUP, self.name, IDLE_MS, start_id="0-0", count=COUNT)
        return [entry for entry in entries if entry[1]]

    def _next(self) -> list[Entry]:
        found: Any = self.redis.xreadgroup(
            GROUP.decode(), self.name.decode(), {self.stream: ">"}, count=COUNT, block=self.block_ms
        )
        if isinstance(found, dict):
            return [
                entry
                for batch in found.values()
                for entry in (batch[0] if batch and isinstance(batch[0], list) else batch)
            ]
        return [entry for _, entries in found or [] for entry in entries]

    def _deal_with(self, entries: Sequence[Entry]) -> None:
        try:
            self._ingest(entries)
        except (OperationalError, InterfaceError):
            raise  # the database is away: nothing was acknowledged, the same entries come again
        except Exception:
            if len(entries) == 1:
                log.exception("an entry of the stream could not be stored")
                self._reject(entries[0], BadSignal("$", "this could not be stored; see the log of the consumer"))
                self._done(entries)
                return
            log.warning("a delivery of %d entries failed; trying them one by one", len(entries))
            for entry in entries:
                self._deal_with([entry])

    def _ingest(self, entries: Sequence[Entry]) -> None:
        raw = [_signal_in(fields) for _, fields in entries]
        sizes = [len(_body(fields) or b"") for _, fields in entries]
        receipt = actions.ingest(raw, by=self.by, now=self.clock(), door="stream", sizes=sizes)
        for bad in receipt.rejected:
            self._reject(entries[bad.index], BadSignal(bad.path, bad.reason))
        self._done(entries)
        self.accepted += receipt.accepted
        self.duplicates += receipt.duplicates

    def _done(self, entries: Sequence[Entry]) -> None:
        """Acknowledge entries and take them out: what was stored does not stay readable in the stream."""
        names = [pk for pk, _ in entries]
        self.redis.xack(self.stream, GROUP, *names)
        self.redis.xdel(self.stream, *names)

    def _reject(self, entry: Entry, bad: BadSignal) -> None:
        pk, fields = entry
        shown = (_body(fields) or json.dumps({repr(key): repr(value) for key, value in fields.items()}).encode())[
            :65_536
        ]
        row: Any = {"entry": pk, "path": bad.path, "reason": bad.reason, "input": shown}
        self.redis.xadd(self.stream + b":rejected", row, maxlen=REJECTED_KEPT, approximate=True)
        self.rejected += 1


def forget(address: Address, words: Sequence[str]) -> int:
    """Take the refused entries out that hold one of these words; how many. Raises `redis.RedisError`."""
    server, name = redis.Redis.from_url(address.server), address.stream.encode() + b":rejected"
    looked_for = [form for word in words for form in (word.encode(), json.dumps(word)[1:-1].encode())]
    gone, start = 0, b"-"
    while rows := cast(list[Entry], server.xrange(name, min=start, count=COUNT)):
        found = [pk for pk, told in rows if any(form in told.get(b"input", b"") for form in looked_for)]
        gone += int(server.xdel(name, *found)) if found else 0
        start = b"(" + rows[-1][0]
    return gone


def run(
    address: Address, *, by: Subject, clock: Callable[[], datetime], stopped: Callable[[], bool], once: bool = False
) -> Consumer:
    """Consume until told to stop, or (`once`) until the stream is empty; a server that is away is waited for."""
    consumer: Consumer | None = None
    pause = 0.5
    while not stopped():
        try:
            consumer = consumer or Consumer(address, by=by, clock=clock, block_ms=50 if once else BLOCK_MS)
            if not consumer.round() and once:
                break
            pause = 0.5
        except (redis.ConnectionError, redis.TimeoutError, OperationalError, InterfaceError) as error:
            log.warning("waiting %.1f s: %s", pause, error)
            connection.close()
            _sleep(pause, stopped)
            pause = min(15.0, pause * 2)
    return consumer or Consumer(address, by=by, clock=clock)


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    from time import monotonic, sleep

    until = monotonic() + seconds
    while monotonic() < until and not stopped():
        sleep(0.1)


def _body(fields: dict[bytes, bytes]) -> bytes | None:
    if FIELD in fields:
        return fields[FIELD]
    return next(iter(fields.values())) if len(fields) == 1 else None


def _signal_in(fields: dict[bytes, bytes]) -> Any:
    body = _body(fields)
    if body is None:
        return BadSignal("$", "the entry has no field called signal")
    return parse(body)
