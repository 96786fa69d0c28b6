"""What is in an export that was asked for? Its events, its copies, all its bytes; and what a stranger says to it."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
from django.utils import timezone

from moderation.insight import actions, history
from portal.audit import proving
from portal.audit.models import AuditEvent


def ask(by, *, formats=("jsonl",), **filter):
    chosen = history.read(filter, wanted_by=by)
    return actions.request_export(chosen, formats=list(formats), purpose="yearly check", by=by, now=timezone.now())


def lines_of(found: zipfile.ZipFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.read("events.jsonl").splitlines()]


def events_of(found: zipfile.ZipFile) -> list[dict[str, Any]]:
    """The events whose bytes are in it."""
    return [json.loads(base64.b64decode(line["payload"])) for line in lines_of(found) if "payload" in line]


def copies_of(found: zipfile.ZipFile) -> list[dict[str, str]]:
    text = found.read("events.not-authoritative.csv").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def everything_in(found: zipfile.ZipFile) -> bytes:
    """All bytes of it, also what stands in base64 or in a packed file."""
    whole = b"".join(found.read(name) for name in found.namelist())
    for line in lines_of(found):
        whole += base64.b64decode(line["leaf"]) + base64.b64decode(line.get("payload", ""))
    for name in found.namelist():
        if name.endswith(".xlsx"):
            with zipfile.ZipFile(io.BytesIO(found.read(name))) as book:
                whole += b"".join(book.read(part) for part in book.namelist())
        elif name.endswith(".parquet"):
            whole += json.dumps(pl.read_parquet(io.BytesIO(found.read(name))).rows(), default=str).encode()
    return whole


def verified(found: Path, folder: Path) -> tuple[int, str]:
    """What a stranger does: takes verify.py out of the bundle, has the key from elsewhere, and runs Python."""
    with zipfile.ZipFile(found) as opened:
        (folder / "verify.py").write_bytes(opened.read("verify.py"))
    (folder / "log.vkey").write_text(proving.public_key().vkey)
    asked = [sys.executable, "-I", "-S", str(folder / "verify.py"), str(found), "--key", str(folder / "log.vkey")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env={}, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def types_of(export):
    mine = AuditEvent.objects.filter(subjects__contains=[export.audit_name], type__startswith="export.")
    return list(mine.order_by("id").values_list("type", flat=True))
