"""How does a checkpoint get its witnesses? The signer asks each, keeps what they sign, and raises an alarm at odds.

A witness that is away delays nothing: each is asked in a thread of its own, with little patience, again and again.
"""

from __future__ import annotations

import base64
import http.client
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from . import note, sealing, tree
from .models import Alarm, Checkpoint, Cosignature

log = logging.getLogger(__name__)

DATABASE = "signer"
EVERY = 1.0  # seconds between two checkpoints that one witness is shown
PATIENCE = 2.0  # seconds for an answer
LONGEST_PAUSE = 30.0  # seconds until a witness that did not answer is asked again
LARGEST = 16 * 1024  # bytes of an answer
GRACE = timedelta(seconds=60)  # a checkpoint may be this old before its witnesses are missed


class NoAnswer(Exception):
    """The witness did not sign, in one sentence; it is asked again."""


@dataclass(frozen=True)
class Peer:
    """Where a witness is asked, and its key: a vkey, or the `file://` that will hold it."""

    url: str
    key: str

    @property
    def verifier(self) -> note.Verifier:
        """Raises `NoAnswer` while its file is not there."""
        told = self.key
        if told.startswith("file:"):
            try:
                told = Path(unquote(urlsplit(told).path)).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise NoAnswer(f"the public key of {self.url} is not there: {error.strerror}") from None
        found = note.Verifier.parse(told)
        if found.kind != note.WITNESS:
            raise note.BadNote(f"the key of {self.url} is not that of a witness")
        return found


def peers() -> list[Peer]:
    """The witnesses of `AUDIT_WITNESSES`; nobody else is ever called. Raises `ImproperlyConfigured`."""
    words = list(settings.AUDIT_WITNESSES)
    found = [Peer(url, key) for url, key in zip(words[::2], words[1::2], strict=False)]
    for one in found:
        parts = urlsplit(one.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.port or parts.query:
            raise ImproperlyConfigured(f"AUDIT_WITNESSES: {one.url} is not http(s)://HOST:PORT")
    if len(words) % 2:
        raise ImproperlyConfigured("AUDIT_WITNESSES: give pairs of an address and a public key")
    return found


def published(checkpoint: Checkpoint) -> str:
    """The checkpoint as it is given away: the note of the log with the lines of its witnesses."""
    lines = Cosignature.objects.filter(size=checkpoint.size).order_by("witness").values_list("line", flat=True)
    return checkpoint.note + "".join(lines)


def start(stop: threading.Event) -> list[threading.Thread]:
    """Ask every witness from now on, each in its own thread, until told to stop."""
    threads = [
        threading.Thread(target=_go_on_asking, args=(Asking(peer), stop), name=peer.url, daemon=True)
        for peer in peers()
    ]
    for thread in threads:
        thread.start()
    return threads


class Asking:
    """One witness, and what it is believed to have seen."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.old = 0
        self.alarmed: set[str] = set()

    def ask(self) -> bool:
        """Show it the newest checkpoint, if it has not signed that; says whether there is a new line.

        Raises `NoAnswer`, and what the network raises.
        """
        newest = Checkpoint.objects.using(DATABASE).order_by("-size").first()
        if newest is None:
            return False
        key = self.peer.verifier
        signed = Cosignature.objects.using(DATABASE).filter(witness=key.name)
        if signed.filter(size=newest.size).exists():
            return False
        status, body = self._show(newest)
        if status == 409 and body.strip().isdigit() and int(body) != self.old:
            self.old = self._look_at(int(body), newest, key)
            status, body = self._show(newest)
        if status in (409, 422):
            self._alarm(key, f"{key.name} saw another log than ours at {self.old} leaves (it answered {status})")
        if status != 200:
            raise NoAnswer(f"{self.peer.url} answered {status}: {body.strip()[:200]}")
        line = _line_of(newest, key, body)
        rows = [Cosignature(size=newest.size, witness=key.name, line=line)]
        Cosignature.objects.using(DATABASE).bulk_create(rows, ignore_conflicts=True)
        self.old = newest.size
        return True

    def _look_at(self, theirs: int, newest: Checkpoint, key: note.Verifier) -> int:
        """What it says it has seen: more than there is, or less than it signed, is an alarm."""
        ours = Checkpoint.objects.using(DATABASE).order_by("-size").values_list("size", flat=True)[0]
        origin = note.Checkpoint.parse(note.Note.parse(newest.note).text).origin
        last = (
            Cosignature.objects.using(DATABASE)
            .filter(witness=key.name, size__in=_sizes_of(origin))
            .order_by("-size")
            .values_list("size", flat=True)
            .first()
        )
        if theirs > ours:
            self._alarm(key, f"{key.name} saw {theirs} leaves, and the log has {ours}: the log was set back")
            raise NoAnswer(f"{key.name} saw {theirs} leaves; there are {ours}")
        if theirs < (last or 0):
            self._alarm(key, f"{key.name} signed {last} leaves and says it saw {theirs}: that witness was set back")
        return min(theirs, newest.size)

    def _show(self, checkpoint: Checkpoint) -> tuple[int, str]:
        """One call, no redirect, no proxy: the status and the text of the answer."""
        read = sealing.reader(DATABASE)
        proof = tree.consistency(self.old, checkpoint.size, read) if 0 < self.old < checkpoint.size else []
        lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
        body = f"old {self.old}\n{lines}\n{checkpoint.note}".encode()
        parts = urlsplit(self.peer.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            connection.request("POST", f"{parts.path.rstrip('/')}/add-checkpoint", body, {"Content-Type": "text/plain"})
            answer = connection.getresponse()
            return answer.status, answer.read(LARGEST).decode(errors="replace")
        finally:
            connection.close()

    def _alarm(self, key: note.Verifier, told: str) -> None:
        if told not in self.alarmed:
            self.alarmed.add(told)
            log.critical("%s", told)
            Alarm.objects.using(DATABASE).create(kind=Alarm.Kind.WITNESS, about=key.name, told=told)


@dataclass(frozen=True)
class Quorum:
    """Whether enough witnesses signed; `told` says by whom and up to where, or who is missing."""

    enough: bool
    told: str


def quorum(keys: Sequence[note.Verifier], need: int, *, now: datetime | None = None) -> Quorum:
    """Whether at least `need` of these witnesses signed a checkpoint, and none older than a minute is left out."""
    distinct = {key.public: key for key in keys}.values()  # one key under two names is one witness
    last = {key: _last_signed(key) for key in distinct}
    witnessed = sorted((found[0] for found in last.values() if found), reverse=True)
    upto = witnessed[need - 1] if 0 < need <= len(witnessed) else -1
    late = (now or datetime.now(UTC)) - GRACE
    left_out = Checkpoint.objects.filter(size__gt=upto, created_at__lt=late).order_by("-size").first()
    if upto >= 0 and left_out is None:
        names = ", ".join(key.name for key, found in last.items() if found and found[0] >= upto)
        return Quorum(True, f"witnessed up to {upto} by {names}")
    newest = left_out or Checkpoint.objects.order_by("-size").first()
    wanted = newest.size if newest else 0
    missing = [
        f"{key.name} ({f'last at {found[0]}, {found[1]:%Y-%m-%d %H:%M:%S} UTC' if found else 'never'})"
        for key, found in last.items()
        if not found or found[0] < wanted
    ]
    what = f"{need} of {len(distinct)} witnesses are demanded for the checkpoint of {wanted} leaves"
    return Quorum(False, f"{what}; missing: {', '.join(missing) or 'nobody else was named'}")


def _last_signed(key: note.Verifier) -> tuple[int, datetime] | None:
    """The greatest checkpoint that truly carries a line of this witness, and the time it signed."""
    for row in Cosignature.objects.filter(witness=key.name).order_by("-size").iterator(chunk_size=50):
        told = Checkpoint.objects.filter(size=row.size).values_list("note", flat=True).first()
        try:
            signed = note.Note.parse(f"{note.Note.parse(told or '').text}\n{row.line}")
        except note.BadNote:
            continue
        if note.verify(signed, key):
            at = int.from_bytes(signed.signatures[0].signature[:8], "big")
            return row.size, datetime.fromtimestamp(at, UTC)
    return None


def _sizes_of(origin: str) -> list[int]:
    """The newest sizes that were signed under this name."""
    newest = Checkpoint.objects.using(DATABASE).filter(note__startswith=f"{origin}\n").order_by("-size")
    return list(newest.values_list("size", flat=True)[:1000])


def _line_of(checkpoint: Checkpoint, key: note.Verifier, body: str) -> str:
    """The line of this witness in its answer; other lines are left. Raises `NoAnswer`."""
    text = note.Note.parse(checkpoint.note).text
    try:
        told = note.Note.parse(f"{text}\n{body}")
    except note.BadNote as error:
        raise NoAnswer(f"the answer of {key.name} cannot be read: {error}") from None
    mine = [one for one in told.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
    if not mine or not note.verify(note.Note(text, mine), key):
        raise NoAnswer(f"the answer of {key.name} holds no signature of it under our checkpoint")
    return str(mine[0])


def _go_on_asking(asking: Asking, stop: threading.Event) -> None:
    pause, said = EVERY, ""
    while not stop.wait(pause):
        try:
            asking.ask()
            pause, said = EVERY, ""
        except (NoAnswer, note.BadNote, OSError, http.client.HTTPException, DatabaseError) as why:
            if isinstance(why, DatabaseError):
                connections[DATABASE].close()
            if said != str(why):
                log.warning("no signature of a witness: %s", str(why).strip())
            pause, said = min(pause * 2, LONGEST_PAUSE), str(why)
    connections[DATABASE].close()
