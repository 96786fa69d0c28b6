"""What becomes of an export whose worker is killed in the middle? A real process, a real SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from moderation.insight import actions, exports, history
from moderation.insight.models import Export
from portal.audit import actions as audit
from portal.audit import proving, verifier
from portal.audit.events import Event
from tests import make

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys, time
import django
django.setup()
from django.conf import settings
from django.db import connections
from django.utils import timezone
from moderation.insight import exports, pulse
from portal.audit import bundle
for alias in connections:
    connections[alias].settings_dict["NAME"] = sys.argv[1]
bundle.PAGE, pulse.EVERY, progress = 20, 0.02, pulse.Pulse.progress
pulse.Pulse.progress = lambda one, done, total: (progress(one, done, total), time.sleep(0.1))[0]
exports.make(sys.argv[2], clock=timezone.now)
"""


def test_another_worker_begins_it_anew_and_what_it_gives_is_sound(provers, vera, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    with transaction.atomic():
        for _ in range(1000):
            audit.record(Event.ACCOUNT_VIEWED, by="user:1", of="account:x", now=make.NOON)
    chosen = history.read({}, wanted_by=vera)
    export = actions.request_export(chosen, formats=["csv"], purpose="check", by=vera, now=timezone.now())

    worker = start_worker(export)
    until_half_made(export, worker, provers)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(20)

    export.refresh_from_db()
    assert export.status == "running"
    assert [path.suffix for path in exports.folder().iterdir()] == [".part"]
    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove) is False  # it may still be alive
    later = timezone.now() + actions.BEAT_LOST + timedelta(seconds=1)
    assert exports.make(export.pk, clock=lambda: later, pause=provers.prove)

    export.refresh_from_db()
    [file] = exports.folder().iterdir()
    verdict = verifier.verify(file, proving.public_key().vkey)
    assert (export.status, export.path, verdict.code) == ("done", file.name, 0), verdict.why
    told = history.read({"type": "export"}, wanted_by=vera).events(vera).order_by("id")
    assert list(told.values_list("type", flat=True)) == [
        "export.requested",
        "export.started",
        "export.started",
        "export.done",
    ]


def start_worker(export: Export) -> subprocess.Popen[bytes]:
    """A process that makes it slowly, in the database of this test."""
    environment = os.environ | {"DATA_DIR": str(settings.DATA_DIR), "SIGNER_DIR": str(settings.SIGNER_DIR)}
    name = settings.DATABASES["default"]["NAME"]
    return subprocess.Popen([sys.executable, "-c", WORKER, name, str(export.pk)], cwd=ROOT, env=environment)


def until_half_made(export: Export, worker: subprocess.Popen[bytes], provers) -> None:
    """Seal and sign until some of its rows are written, and not all."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        provers.prove()
        export.refresh_from_db()
        assert worker.poll() is None, "the worker ended by itself"
        if export.total and 0 < export.done < export.total:
            return
        time.sleep(0.02)
    raise AssertionError("the worker got nowhere in a minute")
