"""Which copies of the log name an account that must go? Files of exports with its events, and what they were asked for.

An export that is being made while an account is erased might name it and would be finished after; so making and erasing
know of each other: see `finish_export`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.privacy import erasure
from portal.privacy.erasure import Subject
from portal.privacy.models import VaultValue
from portal.refusal import Refused

from . import history
from .models import Export

COPIES = 0x436F_7079  # advisory lock: exports finish together, an erasure looks for copies alone


def register() -> None:
    """Tell privacy what goes here."""
    erasure.register(erasure.Part("insight", count, erase))


def count(subject: Subject) -> Mapping[str, int]:
    """How much there is."""
    return {"files of exports that name it": len(list(_files(subject)))}


def erase(subject: Subject, now: datetime) -> list[str]:
    """Delete the files that name it, and take its name out of what was asked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [COPIES])
    for export in _files(subject):
        Export.objects.filter(pk=export.pk).update(path="")
        audit.record(Event.EXPORT_EXPIRED, by=User.objects.service("system"), of=export, now=now, why="account_erased")
        (Path(settings.DATA_DIR) / "exports" / export.path).unlink(missing_ok=True)
    running = {str(pk) for pk in Export.objects.filter(status=Export.Status.RUNNING).values_list("pk", flat=True)}
    for left in (Path(settings.DATA_DIR) / "exports").glob("*.part"):  # of workers that died
        if left.name[:36] not in running:
            shutil.rmtree(left, ignore_errors=True)
    asked = [one for one in Export.objects.filter(filter__has_key="account") if _asked_for(one, subject)]
    for export in asked:
        filter = export.filter | {"account": f"{subject.platform}:erased:{subject.id}"}
        Export.objects.filter(pk=export.pk).update(filter=filter)
        VaultValue.objects.filter(pk=export.purpose).delete()
    return [export.audit_name for export in asked]


def erasures_wait() -> None:
    """Let no erasure look for copies until this transaction ends, and wait for the one that does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [COPIES])


def erased_since_start(export: Export) -> bool:
    """Whether an account was erased since the export was begun; both told by the database's clock, under one lock."""
    mine = AuditEvent.objects.filter(type=Event.EXPORT_STARTED, subjects__contains=[export.audit_name])
    begun = mine.aggregate(at=Max("occurred_at"))["at"]
    return begun is not None and AuditEvent.objects.filter(type=Event.ACCOUNT_ERASED, occurred_at__gte=begun).exists()


def _files(subject: Subject) -> Iterable[Export]:
    """The exports whose file still stands and names the account; when in doubt, it does.

    Who asked may have seen more then than now, so their rights make nothing smaller here. What was asked for stands in
    the file, also where no event of it does.
    """
    for export in Export.objects.filter(status=Export.Status.DONE).exclude(path="").select_related("asked_by"):
        asked = {name: value for name, value in export.filter.items() if name in history.FIELDS}
        try:
            found = history.read(asked, wanted_by=export.asked_by).events(None)
        except Refused:
            yield export
            continue
        if _asked_for(export, subject) or found.filter(subjects__contains=[subject.audit_name]).exists():
            yield export


def _asked_for(export: Export, subject: Subject) -> bool:
    told: Any = export.filter.get("account")
    if isinstance(told, Mapping):
        return (told.get("platform"), told.get("id")) == (subject.platform, subject.external_id)
    return bool(told == str(subject))
