"""Where is each copy of an export? Its file handed out, and from the log who made, took and deleted which."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import FileResponse

from portal.audit.events import Event
from portal.audit.models import WHEN, AuditEvent
from portal.people.models import User
from portal.refusal import Refused

from . import actions, exports, history, naming, reach
from .models import Export


def file_of(export: Export, *, now: datetime, road: str) -> FileResponse:
    """The file as an answer, after the taking is written down."""
    actions.download_export(export, by=export.asked_by, now=now, road=road)
    return handed(export)


def handed(export: Export) -> FileResponse:
    """The file as an answer that nobody between keeps; its taking is written down already."""
    path = exports.folder() / export.path
    return FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=path.name,
        content_type="application/zip",
        headers={
            "Cache-Control": "no-store",
            "Digest": f"sha-256={export.sha256}",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def of(export: Export, *, viewer: User, now: datetime) -> list[naming.Line]:
    """Everything the log says of the export and its copies, in order."""
    found = AuditEvent.objects.annotate(when=WHEN).filter(
        subjects__contains=[export.audit_name], type__startswith="export."
    )
    return naming.lines(list(found.order_by("id")[:500]), viewer=viewer, now=now)


def proof(export: Export) -> dict[str, Any]:
    """What the file proves, and what it cannot; with the figures once it is made."""
    try:
        chosen = history.read(export.filter, wanted_by=export.asked_by)
    except Refused:  # of an account that was erased
        return {}
    told = {"over": reach.over(chosen), "unproven": reach.unproven(chosen, asked_by=export.asked_by)}
    done = AuditEvent.objects.filter(type=Event.EXPORT_DONE, subjects__contains=[export.audit_name]).first()
    if done is None:
        return told
    facts = json.loads(bytes(done.payload))["facts"]
    return told | {
        "size": facts.get("checkpoint"),
        "events": facts["rows"],
        "leaves": facts.get("leaves", facts["rows"]) - facts["rows"],
        "hashes": facts.get("hidden", 0),
    }


def shown(export: Export) -> dict[str, Any]:
    """An export as pages show it."""
    total = export.total or 0
    percent = 100 if export.status == Export.Status.DONE else min(99, 100 * export.done // total) if total else 0
    return {
        "id": export.pk,
        "state": export.status,
        "formats": export.formats,
        "asked_at": export.asked_at,
        "done": export.done,
        "total": export.total,
        "left": max(0, total - export.done),
        "percent": percent,
        "size": export.size,
        "sha256": export.sha256,
        "detail": export.detail,
        "filter": history.in_words(history.LogFilter(export.filter)) or "everything you may see",
        "running": export.status in (Export.Status.QUEUED, Export.Status.RUNNING),
        "file": export.status == Export.Status.DONE and bool(export.path),
        "days": settings.EXPORT_FILE_DAYS,
        "minutes": settings.EXPORT_LINK_MINUTES,
        "ended_at": export.ended_at,
    }
