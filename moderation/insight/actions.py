"""What changes in insight? Exports are asked for, made, cancelled, taken away, deleted; looking at the log is told."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from moderation.cases.models import Case, Evidence
from moderation.cases.rechecking import written_of
from portal.audit import actions as audit
from portal.audit import proving
from portal.audit.events import Event
from portal.audit.models import WHEN, AuditEvent
from portal.people.models import User
from portal.privacy import actions as privacy
from portal.privacy.models import VaultValue
from portal.refusal import Refused

from . import erasing, history
from .models import Export, ExportLink, LogCheck

BEAT_LOST = timedelta(seconds=60)  # a running export silent for so long has lost its worker
CHECK_EVERY = timedelta(days=1)  # the log is checked by itself so often
AT_ONCE = 3  # exports somebody may have waiting or running
LOG_VIEW = timedelta(minutes=5)  # reading the log is told once per person and so long


@transaction.atomic
def request_export(
    chosen: history.LogFilter, *, formats: Sequence[str], purpose: str, by: User, now: datetime
) -> Export:
    """Ask for a history; a worker makes it. Raises `Refused` for one too many at once."""
    busy = Export.objects.filter(asked_by=by, status__in=[Export.Status.QUEUED, Export.Status.RUNNING]).count()
    if busy >= AT_ONCE:
        raise Refused(f"{busy} of your exports are still being made; wait for one to end, or cancel it.")
    kept = privacy.keep(privacy.subject_of_user(by), "export.purpose", purpose, data_class=VaultValue.DataClass.STAFF)
    export = Export.objects.create(
        asked_by=by, asked_at=now, purpose=kept.pk, formats=list(formats), filter=chosen.echo
    )
    audit.record(
        Event.EXPORT_REQUESTED,
        by=by,
        of=export,
        also=chosen.subjects,
        now=now,
        formats=list(formats),
        purpose=kept.commitment.hex(),
        **({"filter": stated} if (stated := history.facts(chosen)) else {}),
    )
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY reeve_insight")
    return export


@transaction.atomic
def start_export(export: Export, *, now: datetime) -> UUID | None:
    """Take an export to make it, or take it over from a worker that fell silent; None when another has it."""
    token = uuid4()
    erasing.erasures_wait()
    took = Export.objects.to_make(now - BEAT_LOST).move(
        export, Export.Status.RUNNING, lease_token=token, started_at=now, beat_at=now, done=0
    )
    if not took:
        return None
    audit.record(Event.EXPORT_STARTED, by=User.objects.service("system"), of=export, now=now)
    return token


@transaction.atomic
def finish_export(
    export: Export, *, now: datetime, path: str, rows: int, size: int, sha256: str, checkpoint: int,
    leaves: int = 0, hidden: int = 0,
) -> bool:  # fmt: skip
    """The file stands; say whether the export was still ours, and no account in the log was erased meanwhile.

    Of its leaves `rows` are with their event, the others by the leaf alone, and `hidden` more by their hash alone.
    """
    erasing.erasures_wait()
    if erasing.erased_since_start(export):
        (Path(settings.DATA_DIR) / "exports" / path).unlink(missing_ok=True)
        fail_export(export, now=now, why="An account was erased while this was made; ask for it again.")
        return False
    moved = Export.objects.filter(lease_token=export.lease_token).move(
        export, Export.Status.DONE, ended_at=now, path=path, done=rows, total=rows, size=size, sha256=sha256
    )
    if moved:
        audit.record(
            Event.EXPORT_DONE,
            by=User.objects.service("system"),
            of=export,
            now=now,
            rows=rows,
            leaves=leaves,
            hidden=hidden,
            bytes=size,
            sha256=sha256,
            checkpoint=checkpoint,
        )
    return moved


@transaction.atomic
def fail_export(export: Export, *, now: datetime, why: str) -> bool:
    """It could not be made; the sentence says why."""
    moved = Export.objects.filter(lease_token=export.lease_token).move(
        export, Export.Status.FAILED, ended_at=now, detail=why[:200]
    )
    if moved:
        audit.record(Event.EXPORT_FAILED, by=User.objects.service("system"), of=export, now=now, why=why[:200])
    return moved


@transaction.atomic
def cancel_export(export: Export, *, by: User, now: datetime) -> None:
    """Stop an export; the worker throws its half file away. Raises `Refused` if it has ended."""
    if not Export.objects.move(export, Export.Status.CANCELLED, ended_at=now):
        export.refresh_from_db()
        raise Refused(f"This export has already ended: it is {export.status}.", state=export.status)
    audit.record(Event.EXPORT_CANCELLED, by=by, of=export, now=now, done=export.done)


@transaction.atomic
def download_export(export: Export, *, by: User, now: datetime, road: str) -> None:
    """Write down who takes a copy away and by which road (page, call, link). Raises `Refused` if there is no file."""
    _refuse_without_file(export)
    audit.record(Event.EXPORT_DOWNLOADED, by=by, of=export, now=now, sha256=export.sha256, road=road)


@transaction.atomic
def make_link(export: Export, *, by: User, now: datetime) -> str:
    """A token that takes the file once, for some minutes; only its hash is kept. Raises `Refused` if there is none."""
    _refuse_without_file(export)
    token = secrets.token_urlsafe(32)
    until = now + timedelta(minutes=settings.EXPORT_LINK_MINUTES)
    ExportLink.objects.create(digest=_digest(token), export=export, made_at=now, until=until)
    audit.record(Event.EXPORT_LINKED, by=by, of=export, now=now, until=until.isoformat())
    return token


@transaction.atomic
def take_link(token: str, *, by: User, now: datetime) -> Export:
    """Use a link up, for who made it, and write the taking down; of two at once one gets it.

    Raises `Refused`: 404 for a token that is not theirs, 410 with what became of it for one that is dead.
    """
    mine = ExportLink.objects.select_related("export__asked_by").filter(export__asked_by=by)
    link = mine.filter(digest=_digest(token)).first()
    if link is None:
        raise Refused("There is no such link, or somebody else made it: a link works for its maker alone.", status=404)
    if not ExportLink.objects.filter(pk=link.pk, taken_at__isnull=True, until__gt=now).update(taken_at=now):
        link.refresh_from_db()
        raise Refused(_why_dead(link), status=410, state="used" if link.taken_at else "expired")
    download_export(link.export, by=by, now=now, road="link")
    return link.export


def _refuse_without_file(export: Export) -> None:
    path = Path(settings.DATA_DIR) / "exports" / export.path
    if export.status != Export.Status.DONE:
        raise Refused(f"There is no file yet: this export is {export.status}.", state=export.status)
    if not export.path or not path.is_file():
        raise Refused(
            f"The file was deleted, at the latest {settings.EXPORT_FILE_DAYS} days after it was made; ask again.",
            state="expired",
        )


def _why_dead(link: ExportLink) -> str:
    if link.taken_at:
        return f"This link was used on {link.taken_at:%Y-%m-%d at %H:%M:%S} UTC, and it works once."
    return f"This link ended on {link.until:%Y-%m-%d at %H:%M} UTC, unused."


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def expire_exports(*, now: datetime) -> int:
    """Delete the files past their days, each with its event; returns how many."""
    old = Export.objects.filter(
        status=Export.Status.DONE, ended_at__lt=now - timedelta(days=settings.EXPORT_FILE_DAYS)
    ).exclude(path="")
    return sum(_expire(export, now=now) for export in old[:1000])


@transaction.atomic
def _expire(export: Export, *, now: datetime) -> int:
    if not Export.objects.filter(pk=export.pk).exclude(path="").update(path=""):
        return 0
    audit.record(Event.EXPORT_EXPIRED, by=User.objects.service("system"), of=export, now=now, why="days_over")
    (Path(settings.DATA_DIR) / "exports" / export.path).unlink(missing_ok=True)
    return 1


def ask_check(*, by: User, now: datetime) -> LogCheck:
    """Ask for a walk over the whole log; what comes out is told at its end. Raises `Refused` while another goes on."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            check = LogCheck.objects.create(asked_by=by, asked_at=now)
            cursor.execute("NOTIFY reeve_insight")
    except IntegrityError:
        raise Refused("The log is being checked already; wait for that to end.", state="running") from None
    return check


def start_check(check: LogCheck, *, now: datetime) -> bool:
    """Take a check to make it, or take it over from a worker that fell silent; say whether it is ours."""
    free = LogCheck.objects.to_make(now - BEAT_LOST).filter(pk=check.pk)
    return free.update(lease_token=uuid4(), beat_at=now, done=0) == 1


@transaction.atomic
def end_check(check: LogCheck, *, now: datetime, verdict: proving.Verdict | None = None, why: str = "") -> bool:
    """Keep what came out, or why nothing did, and write it down; say whether the check was still ours."""
    mine = LogCheck.objects.filter(pk=check.pk, lease_token=check.lease_token, ended_at__isnull=True)
    told: dict[str, Any] = {"why": why, "verdict": "could not be told"}
    fields: dict[str, Any] = {"why": why}
    if verdict:
        verdict = verdict.whole()
        fields = {
            "sound": verdict.sound, "size": verdict.size, "waiting": verdict.waiting, "checkpoint": verdict.checkpoint,
            "signed_at": verdict.at, "position": verdict.position, "why": verdict.why[:300], "done": verdict.size,
        }  # fmt: skip
        told = {"verdict": "sound" if verdict.sound else "not sound", "size": verdict.size, "why": verdict.why[:300]}
        told |= {"signed": verdict.size - verdict.waiting} if verdict.sound else {}
        told |= {} if verdict.position is None else {"position": str(verdict.position)}
    if not mine.update(ended_at=now, beat_at=now, **fields):
        return False
    audit.record(Event.LOG_VERIFIED, by=check.asked_by, of=f"log:{settings.AUDIT_ORIGIN}", now=now, **told)
    return True


@transaction.atomic
def view_log(chosen: history.LogFilter, *, by: User, now: datetime) -> None:
    """Reading the log is itself told: once per person, filter and five minutes."""
    stated = history.facts(chosen)
    recent = AuditEvent.objects.annotate(when=WHEN).filter(
        type=Event.AUDIT_VIEWED, by=by.audit_name, when__gte=now - LOG_VIEW
    )
    facts = {"filter": stated} if stated else {}
    if any(json.loads(bytes(row))["facts"] == facts for row in recent.values_list("payload", flat=True)[:200]):
        return
    audit.record(Event.AUDIT_VIEWED, by=by, of=by, also=chosen.subjects, now=now, **facts)


@transaction.atomic
def view_evidence(frozen: Evidence, *, by: User, now: datetime, verdict: str) -> None:
    """Write down that this person looked at frozen evidence and what was found: once within five minutes."""
    recent = written_of(frozen).filter(type=Event.EVIDENCE_VIEWED, by=by.audit_name, occurred_at__gte=now - LOG_VIEW)
    if not recent.exists():
        audit.record(Event.EVIDENCE_VIEWED, by=by, of=frozen, also=_of_case(frozen), now=now, verdict=verdict)


@transaction.atomic
def copy_evidence(frozen: Evidence, *, by: User, now: datetime) -> bytes:
    """Write down who takes a copy away, then hand the exact bytes out. Raises `Refused` for a sealed case."""
    if frozen.case.status == Case.Status.HANDED_OFF:
        raise Refused("This case was handed off to child safety: of its evidence there is no copy.", state="handed_off")
    digest = bytes(frozen.digest).hex()
    audit.record(Event.EVIDENCE_COPIED, by=by, of=frozen, also=_of_case(frozen), now=now, digest=digest)
    return bytes(frozen.body)


def _of_case(frozen: Evidence) -> list[str]:
    return [frozen.case.audit_name, f"account:{frozen.case.account_id}"]
