"""How does a long history become a file? One bundle that proves itself, made by a worker with a sign of life.

What is in it: everything that was written before it was begun, as far as its asker may know of it. The events stand in
it as the exact bytes that were sealed, with the proof that none was changed or left out; copies for reading come beside
them. It is masked as the log itself is: ids, codes and commitments, never personal values.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError

from portal.audit import bundle, waiting
from portal.audit.verifier import NotSound
from portal.people.models import User
from portal.people.permissions import Permission
from portal.privacy import actions as privacy
from portal.refusal import Refused

from . import actions, history, reach, renderings
from .models import Export
from .pulse import Lost, Pulse

log = logging.getLogger(__name__)

ALWAYS = "jsonl"  # the authority
FORMATS = (ALWAYS, *renderings.FORMS)
PATIENCE = 30.0  # seconds for what was written before to be sealed
Pause = Callable[[float], None]


@dataclass(frozen=True)
class Made:
    """A finished file."""

    path: Path
    sha256: str
    written: bundle.Written


def folder() -> Path:
    """Where the files stand: readable for the application alone."""
    place = Path(settings.DATA_DIR) / "exports"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def make(export_id: UUID | str, *, clock: Callable[[], datetime], pause: Pause = time.sleep) -> bool:
    """Make one export if nobody else does; say whether it was made. Safe to call twice, or after a killed worker.

    `pause` is how to wait for the log to be sealed and signed. Must not run inside a transaction.
    """
    export = Export.objects.select_related("asked_by").get(pk=export_id)
    if (token := actions.start_export(export, now=clock())) is None:
        return False
    export.refresh_from_db()
    for left in folder().glob(f"{export.pk}.*.part"):  # of workers that died
        shutil.rmtree(left, ignore_errors=True)
    place = folder() / f"{export.pk}.{token.hex[:8]}.part"
    try:
        place.mkdir(mode=0o700)
        made = _make(export, place, clock=clock, pause=pause)
        return _finish(export, made, now=clock())
    except Lost:
        return False
    except (OperationalError, InterfaceError):
        raise  # the database is away: it is taken over when that is back
    except Exception as error:
        if not isinstance(error, (Refused, NotSound, OSError)):
            log.exception("an export broke off")  # what broke it will again: not to be taken over for ever
        actions.fail_export(export, now=clock(), why=_why(error))
        return False
    finally:
        shutil.rmtree(place, ignore_errors=True)


def name_of(export: Export) -> str:
    """The name of the file, also for who downloads it."""
    return f"reeve-log-{export.asked_at:%Y-%m-%d}-{export.pk}.zip"


def _make(export: Export, place: Path, *, clock: Callable[[], datetime], pause: Pause) -> Made:
    """The bundle in a folder of its own."""
    user = export.asked_by
    if not user.may(Permission.EXPORT_MAKE):
        raise Refused("Who asked for this export may not make exports any more.")
    chosen = history.read(export.filter, wanted_by=user)
    mine = Export.objects.filter(pk=export.pk, status=Export.Status.RUNNING, lease_token=export.lease_token)
    path = place / "bundle.zip"
    with Pulse(mine, clock) as pulse, _private(path) as file, zipfile.ZipFile(file, "w") as target:
        # a scope by time is found by asking the leaves, so that all of them must have their place first
        waiting.until_sealed(waiting.Wait(pause, PATIENCE, lambda: pulse.progress(0, 0)))
        written = bundle.write(
            target,
            scope=reach.scope_of(chosen, asked_by=user),
            may_have=reach.rights_of(chosen, asked_by=user),
            about={
                "asked_by": user.username,
                "asked_at": export.asked_at.isoformat(),
                "why": privacy.open_value(export.purpose) or "",
                "filter": export.filter,
            },
            by=User.objects.service("system"),
            of=export,
            now=clock(),
            renderings=renderings.of(export.formats, named=reach.called, folder=place),
            progress=pulse.progress,
            pause=pause,
        )
    return Made(path, _digest(path), written)


def _finish(export: Export, made: Made, *, now: datetime) -> bool:
    """Put the file where it stays, if the export is still ours."""
    final = made.path.rename(folder() / name_of(export))
    mine = actions.finish_export(
        export,
        now=now,
        path=final.name,
        rows=made.written.payloads,
        leaves=made.written.leaves,
        hidden=made.written.hidden,
        size=final.stat().st_size,
        sha256=made.sha256,
        checkpoint=made.written.size,
    )
    if not mine:
        final.unlink(missing_ok=True)
    return mine


def _why(error: Exception) -> str:
    if isinstance(error, NotSound):
        return f"The log is not what was signed: {error.why}. Verify it, and tell the operator."
    if isinstance(error, OSError):
        return f"The file could not be written: {error.strerror}."
    if isinstance(error, Refused):
        return str(error)
    return f"The making broke off: {type(error).__name__}."


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- Asking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What somebody asks for, checked."""

    chosen: history.LogFilter
    formats: list[str]
    purpose: str


def asked(given: Mapping[str, Any], *, wanted_by: User) -> Asked:
    """Check a form or a call. Raises `Refused` (400) with the field and what it should be."""
    unknown = set(given) - {*history.FIELDS, "format", "purpose", "csrfmiddlewaretoken"}
    if unknown:
        raise Refused(
            f"{min(unknown)[:40]}: not a field of an export; they are format, purpose, {', '.join(history.FIELDS)}.",
            status=400,
        )
    formats = given.get("format") or [ALWAYS]
    formats = [formats] if isinstance(formats, str) else formats
    if not isinstance(formats, list) or not all(isinstance(kind, str) for kind in formats):
        raise Refused(f"format: give a list of {', '.join(FORMATS)}; {ALWAYS} is always in.", status=400)
    if strange := set(formats) - set(FORMATS):
        raise Refused(f"format: there is no form “{min(strange)[:20]}”; ask for {', '.join(FORMATS)}.", status=400)
    purpose = given.get("purpose")
    if not isinstance(purpose, str) or not purpose.strip() or len(purpose) > 500:
        raise Refused(
            "purpose: say in at most 500 characters what the copy is for; it is kept with the export.", status=400
        )
    chosen = history.read(given, wanted_by=wanted_by)
    return Asked(chosen, [kind for kind in FORMATS if kind in {ALWAYS, *formats}], purpose.strip())
