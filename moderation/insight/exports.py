"""How does a long history become a file? Page by page by COPY, with a sign of life and a way to stop between two pages.

What is in it is settled when it is asked for: the log only grows, and the number of the asking transaction is the
horizon. JSONL is the authoritative form: the exact canonical bytes of each event stand in its line. CSV is for
spreadsheets. Both are masked as the log itself is: it holds ids, codes and commitments, never personal values.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.people.permissions import Permission
from portal.refusal import Refused

from . import actions, history
from .cells import safe_sql
from .models import Export

PAGE = 20_000
FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
LATER_FORMATS = {"xlsx", "parquet"}

# Each text is taken apart once: `p` is the payload as text, `f` what is read out of it. OFFSET 0 keeps it at once.
# The facts are cut out of the canonical text, whose keys are sorted: PostgreSQL cannot parse JSON that holds \\u0000.
_SOURCES = """
  CROSS JOIN LATERAL (
    SELECT convert_from(e.payload, 'UTF8') AS body, array_to_string(e.subjects, ' ') AS names,
           to_char(e."when" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS told,
           to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS written OFFSET 0) AS p
  CROSS JOIN LATERAL (
    SELECT substr(p.body, strpos(p.body, '"facts":') + 8,
                  strpos(p.body, ',"id":"' || e.id || '","of":') - strpos(p.body, '"facts":') - 8) AS facts,
           split_part(split_part(p.body, '"outcome":"', 2), '"', 1) AS outcome,
           split_part(split_part(p.body, '"reason_code":"', 2), '"', 1) AS reason OFFSET 0) AS f
  LEFT JOIN portal_user u ON u.id = CASE WHEN e.by ~ '^user:[0-9]{1,18}$' THEN substr(e.by, 6)::bigint END
  LEFT JOIN LATERAL (
    SELECT a.id, a.platform, a.external_id FROM risk_account a
     WHERE a.id = substring(p.names FROM '\\maccount:([0-9a-f-]{36})')::uuid LIMIT 1) AS a ON true
"""
COLUMNS = {
    "when": "p.told",
    "written_at": "p.written",
    "event": "e.id::text",
    "type": "e.type",
    "actor": safe_sql("coalesce(u.username, e.by)"),
    "account": safe_sql("(a.platform || ':' || a.external_id)"),
    "case": "substring(p.names FROM '\\mcase:([0-9]+)')",
    "decision": "substring(p.names FROM '\\mdecision:([0-9a-f-]+)')",
    "policy": "substring(p.names FROM '\\mpolicy:([A-Za-z0-9._-]+)')",
    "outcome": "CASE WHEN f.outcome ~ '^[a-z_]{1,32}$' THEN f.outcome END",
    "reason_code": "CASE WHEN f.reason ~ '^[a-z_]{1,32}$' THEN f.reason END",
    "subjects": safe_sql("p.names"),
    # begins with a brace, and line breaks but these are escaped in it: only with one of them is there more to look at
    "facts": f"CASE WHEN f.facts !~ '[\\u0085\\u2028\\u2029]' THEN f.facts ELSE {safe_sql('f.facts')} END",
    "payload_sha256": "encode(e.payload_hash, 'hex')",
}
_ACCOUNT = (
    "CASE WHEN a.id IS NULL THEN 'null' ELSE json_build_object('platform', a.platform, 'id', a.external_id)::text END"
)
_LINE = " || ".join(
    (
        '\'{"event":"\' || e.id',
        '\'","when":"\' || p.told',
        '\'","written_at":"\' || p.written',
        '\'","actor":\' || to_json(coalesce(u.username, e.by))::text',
        "',\"account\":' || " + _ACCOUNT,
        "',\"payload_sha256\":\"' || encode(e.payload_hash, 'hex')",
        '\'","payload":\' || p.body',
        "'}'",
    )
)
# The canonical bytes hold no control characters, so that nothing is ever quoted in a line of JSON.
_AS = {"csv": "FORMAT csv, FORCE_QUOTE *", "jsonl": "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"}
_EVENT_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # the first of a row


class Stopped(Exception):
    """Somebody cancelled the export, or another worker took it over."""


@dataclass(frozen=True)
class Made:
    """A finished file."""

    path: Path
    rows: int
    size: int
    sha256: str


def folder() -> Path:
    """Where the files stand: readable for the application alone."""
    place = Path(settings.DATA_DIR) / "exports"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def make(export_id: UUID | str, *, clock: Callable[[], datetime]) -> bool:
    """Make one export if nobody else does; say whether it was made. Safe to call twice, or after a killed worker."""
    export = Export.objects.select_related("asked_by").get(pk=export_id)
    if not _settled(export, now=clock()) or (token := actions.start_export(export, now=clock())) is None:
        return False
    export.refresh_from_db()
    part = folder() / f"{export.pk}.{token.hex[:8]}.part"
    try:
        made = _write(export, part, clock=clock)
        final = made.path.rename(folder() / name_of(export))
        actions.finish_export(export, now=clock(), path=final.name, rows=made.rows, size=made.size, sha256=made.sha256)
    except Stopped:
        return False
    except Refused as refused:
        actions.fail_export(export, now=clock(), why=refused.sentence)
        return False
    except OSError as error:
        actions.fail_export(export, now=clock(), why=f"The file could not be written: {error.strerror}.")
        return False
    finally:
        for left in folder().glob(f"{part.name}*"):
            left.unlink(missing_ok=True)
    return True


def name_of(export: Export) -> str:
    """The name of the file, also for who downloads it."""
    kind = export.formats[0] if len(export.formats) == 1 else "zip"
    return f"reeve-log-{export.asked_at:%Y-%m-%d}-{export.pk}.{kind}"


def _settled(export: Export, *, now: datetime) -> bool:
    """Whether every transaction that began before the asking has ended, so that none can add to what was asked for."""
    if (now - export.asked_at).total_seconds() > 60:
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_xid::text::bigint <= %s)",
            [export.filter["horizon"] % 2**32],
        )
        return bool(cursor.fetchone()[0])


def _write(export: Export, part: Path, *, clock: Callable[[], datetime]) -> Made:
    if not export.asked_by.may(Permission.EXPORT_MAKE):
        raise Refused("Who asked for this export may not make exports any more.")
    asked = {key: value for key, value in export.filter.items() if key != "horizon"}
    events = history.read(asked, wanted_by=export.asked_by).events(export.asked_by)
    events = events.filter(xid__lte=export.filter["horizon"]).order_by("when", "id")
    total = events.count()
    _beat(export, clock=clock, done=0, total=total)
    paths = {kind: part.with_name(f"{part.name}.{kind}") for kind in export.formats}
    with ExitStack() as stack:
        files = {kind: stack.enter_context(_private(path)) for kind, path in paths.items()}
        if "csv" in files:
            files["csv"].write((",".join(f'"{name}"' for name in COLUMNS) + "\n").encode())
        rows, after = 0, None
        while True:
            page = _page(events, after)
            writers = [_copy(page, kind, file) for kind, file in files.items()]
            rows += writers[0].rows
            _beat(export, clock=clock, done=rows, total=max(total, rows))
            if writers[0].rows < PAGE:
                break
            after = AuditEvent.objects.filter(pk=writers[0].last).values_list("told_at", "occurred_at", "id")[0]
    path = next(iter(paths.values()))
    if len(paths) > 1:
        path = _zip(export, part, paths, rows=rows, clock=clock)
    return Made(path, rows, path.stat().st_size, _digest(path, lambda: _beat(export, clock=clock, done=rows)))


def _page(events: Any, after: tuple[datetime | None, datetime, UUID] | None) -> tuple[str, tuple[Any, ...]]:
    """The SQL of the next page after a row, in order of time."""
    fields = ("id", "when", "occurred_at", "type", "by", "subjects", "payload", "payload_hash")
    if after:
        when = after[0] or after[1]
        events = events.extra(
            where=["(coalesce(told_at, occurred_at), portal_auditevent.id) > (%s, %s)"], params=[when, after[2]]
        )
    sql, params = events.values(*fields)[:PAGE].query.sql_with_params()
    return sql, params


class _Rows:
    """What COPY writes to: counts rows and remembers the last; PostgreSQL sends one row at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write_on, self.rows, self._row = file.write, 0, b""

    def write(self, row: bytes) -> int:
        self.rows += 1
        self._row = row
        return self.write_on(row)

    @property
    def last(self) -> str:
        """The id of the last event written."""
        found = _EVENT_ID.search(self._row)
        if found is None:
            raise RuntimeError("a row of an export without its event id")
        return found[0].decode()


def _copy(page: tuple[str, tuple[Any, ...]], kind: str, file: IO[bytes]) -> _Rows:
    columns = _LINE if kind == "jsonl" else ", ".join(COLUMNS.values())
    inner, params = page
    # What stands around the page has no placeholders of its own: its per cent signs are doubled for the driver.
    before, after = f"SELECT {columns} FROM (".replace("%", "%%"), _SOURCES.replace("%", "%%")
    sql = f'{before}{inner}) AS e {after} ORDER BY e."when", e.id'
    rows = _Rows(file)
    with connection.cursor() as cursor:
        query = cursor.mogrify(sql, params).decode()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH ({_AS[kind]})", rows)
    return rows


def _beat(export: Export, *, clock: Callable[[], datetime], **progress: int) -> None:
    """Say how far it is; stop if the export is no longer ours."""
    mine = Export.objects.filter(pk=export.pk, status=Export.Status.RUNNING, lease_token=export.lease_token)
    if not mine.update(beat_at=clock(), **progress):
        raise Stopped


def _zip(export: Export, part: Path, paths: dict[str, Path], *, rows: int, clock: Callable[[], datetime]) -> Path:
    """Both forms and a note of what was asked, in one file."""
    about = {
        "what": "History of actions from the log of Reeve",
        "asked_at": export.asked_at.isoformat(),
        "asked_by": export.asked_by.username,
        "filter": {key: value for key, value in export.filter.items() if key != "horizon"},
        "rows": rows,
        "times": "UTC",
        "authoritative": "events.jsonl; the CSV is for reading: a leading ' keeps a spreadsheet from running a cell",
        "sha256": {f"events.{kind}": _digest(path, lambda: None) for kind, path in paths.items()},
    }
    target = part.with_name(f"{part.name}.zip")
    with _private(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        bundle.writestr("about.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        for kind, path in paths.items():
            with path.open("rb") as source, bundle.open(f"events.{kind}", "w", force_zip64=True) as goal:
                while block := source.read(4 << 20):
                    goal.write(block)
                    _beat(export, clock=clock, done=rows)
    return target


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _digest(path: Path, beat: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(16 << 20):
            digest.update(block)
            beat()
    return digest.hexdigest()


# --- Asking and showing ---------------------------------------------------------------------------------------------


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
    formats = given.get("format")
    formats = [formats] if isinstance(formats, str) else formats
    if not isinstance(formats, list) or not formats or not all(isinstance(kind, str) for kind in formats):
        raise Refused("format: say at least one of jsonl and csv.", status=400)
    if later := LATER_FORMATS.intersection(formats):
        raise Refused(
            f"format: {min(later)} comes with the bundles of a later version; ask for jsonl or csv.", status=400
        )
    if strange := set(formats) - set(FORMATS):
        raise Refused(f"format: there is no form “{min(strange)[:20]}”; ask for jsonl or csv.", status=400)
    purpose = given.get("purpose")
    if not isinstance(purpose, str) or not purpose.strip() or len(purpose) > 500:
        raise Refused(
            "purpose: say in at most 500 characters what the copy is for; it is kept with the export.", status=400
        )
    return Asked(
        history.read(given, wanted_by=wanted_by), [kind for kind in FORMATS if kind in formats], purpose.strip()
    )
