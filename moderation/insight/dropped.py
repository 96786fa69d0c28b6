"""Is a bundle that somebody dropped on the page sound? The verifier answers, in a process on a short leash."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from portal.audit import proving
from portal.refusal import Refused

VERIFIER = Path(proving.__file__).with_name("verifier.py")  # shipped in every bundle as verify.py
SECONDS = 40  # of the clock, and of the processor
MEMORY = 1 << 30
WORDS = 20_000  # characters of its answer that are shown
AT_ONCE = threading.BoundedSemaphore(2)  # per process of the web server

# Bounds itself before it reads a byte of what a stranger wrote; isolated from our modules, settings and environment.
_LEASH = """
import os, resource, runpy, sys
seconds, memory = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
sys.argv = sys.argv[3:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    raise
except BaseException:  # not 1, which would say that the bundle is not sound
    os._exit(4)
"""


@dataclass(frozen=True)
class Answer:
    """What the verifier said: exit code 0 sound, 1 not sound, anything else: it could not tell."""

    code: int
    said: str

    @property
    def sound(self) -> bool:
        return self.code == 0

    @property
    def told(self) -> bool:
        return self.code in (0, 1)


def check(bundle: UploadedFile[Any]) -> Answer:
    """Check a bundle against the public key of this log; nothing of it is kept.

    Raises `Refused` where it is too large, or others are being checked.
    """
    if (bundle.size or 0) > settings.UPLOAD_BYTES:
        largest = settings.UPLOAD_BYTES >> 20
        raise Refused(f"The bundle is larger than {largest} MiB; check it with verify.py.", status=413)
    if not AT_ONCE.acquire(blocking=False):
        raise Refused("Other bundles are being checked; try again in a minute.")
    try:
        with tempfile.TemporaryDirectory(prefix="reeve-dropped-") as folder:
            return _check(bundle, Path(folder))
    finally:
        AT_ONCE.release()


def _check(bundle: UploadedFile[Any], folder: Path) -> Answer:
    path = folder / "bundle.zip"
    with path.open("xb") as file:
        for chunk in bundle.chunks():
            file.write(chunk)
    asked = [str(VERIFIER), str(path)]
    if key := proving.public_key():
        (folder / "log.vkey").write_text(f"{key.vkey}\n", encoding="utf-8")
        asked += ["--key", str(folder / "log.vkey")]
    with (folder / "said").open("w+b") as said:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _LEASH, str(SECONDS), str(MEMORY), *asked],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={},
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer(3, f"It was stopped after {SECONDS} seconds. Check it with verify.py yourself.")
        said.seek(0)
        words = said.read(WORDS).decode("utf-8", "replace").strip()
    if done.returncode not in (0, 1, 2):
        words = f"{words}\nIt needed more memory or time than a check on this page may have, or broke off.".strip()
    return Answer(done.returncode, words)
