"""How does the log go on after its database was set back? Under a new name, whose first event says what was lost.

The tree continues from where it stands. Checkpoints of the old name stay as they are; the signer keeps its old record
and begins a new one. Why it is done so: docs/adr/0009.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from . import actions, note, origin, sealing, tree
from .actions import Subject
from .events import Event
from .models import AuditEvent, Checkpoint, Tree
from .signing import DATABASE, Signed, Signer


class NoEpoch(RuntimeError):
    """Why no epoch can be opened, in one sentence."""


@dataclass(frozen=True)
class Opened:
    """The new epoch: its name, what the old one had signed, what of that is still there, and where the tree stands."""

    origin: str
    before: Signed
    kept: Signed
    tree: Signed


def open_epoch(
    signer: Signer, *, by: Subject | str, now: datetime, reason: UUID, commitment: str, ticket: str
) -> Opened:
    """Open the next epoch; the signer signs under its name as soon as the event that says so has its place.

    `reason` is the vault's number of the typed reason, `commitment` its hex. Raises `NoEpoch`.
    """
    before, told_by = _signed_before(signer)
    read = sealing.reader(DATABASE)
    size = Tree.objects.using(DATABASE).values_list("size", flat=True).get(pk=1)
    name = origin.name(settings.AUDIT_ORIGIN, signer.epoch + 1)
    try:
        stands = Signed(name, size, tree.root(size, read))
    except ValueError as error:
        raise NoEpoch(f"The tree of {size} leaves is not whole ({error}): restore a whole database first.") from None
    kept = _still_there(signer, size, read)
    with transaction.atomic():
        event = actions.open_epoch(
            settings.AUDIT_ORIGIN,
            by=by,
            now=now,
            origin=name,
            before=_told(before) | {"by": told_by},
            kept=_told(kept),
            tree=_told(stands),
            ticket=ticket,
            reason={"value": str(reason), "commitment": commitment},
        )
    # after the commit: a record that waits for an event which nobody wrote would never sign again
    signer.keep(Signed(name, size, stands.root, opening=str(event.pk)), epoch=signer.epoch + 1)
    signer.begin(signer.epoch + 1)
    return Opened(name, before, kept, stands)


def stated_for(saved: note.Checkpoint) -> AuditEvent | None:
    """The sealed event that states the loss of this checkpoint: it ended the epoch that had signed so much."""
    for event in AuditEvent.objects.filter(type=Event.LOG_EPOCH_OPENED, leaf__isnull=False).order_by("leaf__index"):
        facts = _facts(event)
        if facts["before"]["origin"] == saved.origin and facts["kept"]["size"] < saved.size <= facts["before"]["size"]:
            return event
    return None


def compare(saved: note.Note, key: note.Verifier) -> str:
    """Whether a checkpoint somebody kept is still part of this log; raises `NoEpoch` with what became of it."""
    told = note.Checkpoint.parse(saved.text)
    own = note.Verifier(told.origin, key.public)
    if origin.base(told.origin) != origin.base(key.name) or not note.verify(saved, own):
        raise NoEpoch("the saved checkpoint is not signed by the key of this log")
    size = Tree.objects.values_list("size", flat=True).get(pk=1)
    if told.size <= size and tree.root(told.size, sealing.reader()) == told.root:
        return f"the saved checkpoint of {told.size} leaves is the beginning of this log"
    event = stated_for(told)
    if event is None:
        raise NoEpoch(
            f"the saved checkpoint of {told.size} leaves ({told.root.hex()}) is no part of this log, and nothing in it "
            "says why: it was set back or rewritten"
        )
    facts = _facts(event)
    kept, before = facts["kept"], facts["before"]
    raise NoEpoch(
        f"the saved checkpoint of {told.size} leaves ({told.root.hex()}) is no part of this log. {facts['origin']} "
        f"states so at {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC, ticket {facts['ticket']}: {before['origin']} had "
        f"signed {before['size']} leaves ({before['root']}), and {kept['size']} of them ({kept['root']}) are surely "
        f"still there. Lost or replaced: leaves {kept['size']} to {before['size'] - 1}."
    )


def _signed_before(signer: Signer) -> tuple[Signed, str]:
    """What the old epoch signed last, by the signer's own record; by the database only where that is lost."""
    for epoch in range(signer.epoch, 0, -1):
        before = signer.record(epoch)
        if before and not before.opening:  # one that was opened and never signed had signed nothing
            return before, "record"
    newest = Checkpoint.objects.using(DATABASE).order_by("-size").first()
    if newest is None:
        raise NoEpoch("Nothing was ever signed here: there is no epoch to follow.")
    return Signed(signer.key.name, newest.size, bytes(newest.root)), "database"


def _still_there(signer: Signer, size: int, read: tree.Reader) -> Signed:
    """The greatest checkpoint of this key that the tree still begins with."""
    for mark in Checkpoint.objects.using(DATABASE).filter(size__lte=size).order_by("-size").iterator(chunk_size=100):
        try:
            signed = note.Note.parse(mark.note)
            told = note.Checkpoint.parse(signed.text)
        except note.BadNote:
            continue
        own = note.Verifier(told.origin, signer.key.verifier.public)
        if note.verify(signed, own) and told.size == mark.size and tree.root(mark.size, read) == told.root:
            return Signed(told.origin, told.size, told.root)
    return Signed(settings.AUDIT_ORIGIN, 0, tree.EMPTY_ROOT)


def _told(signed: Signed) -> dict[str, Any]:
    return {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()}


def _facts(event: AuditEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(event.payload))["facts"]
    return found
