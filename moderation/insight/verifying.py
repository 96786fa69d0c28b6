"""Who walks the log to see whether it is what was signed? A worker, when somebody asks, with a sign of life."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from portal.audit import note, proving
from portal.audit.models import Checkpoint, Pending, Tree

from . import actions
from .models import LogCheck
from .pulse import Lost, Pulse

log = logging.getLogger(__name__)


def run(check_id: UUID | str, *, clock: Callable[[], datetime]) -> bool:
    """Make one check if nobody else does; say whether it was made. Safe to call twice, or after a killed worker."""
    check = LogCheck.objects.select_related("asked_by").get(pk=check_id)
    if not actions.start_check(check, now=clock()):
        return False
    check.refresh_from_db()
    key = proving.public_key()
    if key is None:
        return actions.end_check(check, now=clock(), why="There is no public key here: set AUDIT_VKEY.")
    mine = LogCheck.objects.filter(pk=check.pk, lease_token=check.lease_token, ended_at__isnull=True)
    try:
        with Pulse(mine, clock) as pulse:
            verdict = proving.verify(key, progress=pulse.progress)
    except Lost:
        return False
    except Exception as error:  # whatever a tampered row makes it stumble over: no verdict, and never asked for ever
        log.exception("the check of the log broke off")
        return actions.end_check(check, now=clock(), why=f"The check broke off: {type(error).__name__}.")
    return actions.end_check(check, now=clock(), verdict=verdict)


@dataclass(frozen=True)
class Seal:
    """How far the log is sealed and signed now."""

    leaves: int
    checkpoint: Checkpoint | None
    unsigned: int  # leaves after the newest checkpoint
    unsealed: int  # events without a place yet
    fingerprint: str  # of the public key, in groups of four; empty without one
    origin: str
    key_id: str
    late: bool  # something waits, and nothing was signed for over a minute


def proven(check: LogCheck) -> dict[str, Any] | None:
    """The checkpoint up to which a check found the log sound; None where it did not, or nothing was signed yet."""
    if not check.sound or not check.checkpoint:
        return None
    told = note.Checkpoint.parse(note.Note.parse(check.checkpoint).text)
    return {"origin": told.origin, "size": told.size, "root": told.root.hex()}


def seal(*, now: datetime) -> Seal:
    """What stands now, without checking any of it."""
    newest = Checkpoint.objects.order_by("-size").first()
    leaves = Tree.objects.values_list("size", flat=True).get(pk=1)
    key = proving.public_key()
    digest = hashlib.sha256(key.public).hexdigest() if key else ""
    unsigned, unsealed = leaves - (newest.size if newest else 0), Pending.objects.count()
    return Seal(
        leaves,
        newest,
        unsigned,
        unsealed,
        " ".join(digest[at : at + 4] for at in range(0, len(digest), 4)),
        key.name if key else "",
        key.key_id.hex() if key else "",
        bool(unsigned or unsealed) and (newest is None or now - newest.created_at > timedelta(minutes=1)),
    )
