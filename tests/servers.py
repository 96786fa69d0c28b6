"""Which servers do the tests talk to? Loaded by `-p tests.servers` before Django reads its settings."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from portal.local.attach import new_secrets
from portal.local.servers import Servers, start

_servers: Servers | None = None
_folders: list[str] = []


def _begin() -> None:
    """Start the servers of this run once; parallel runners share them, each in databases of its own."""
    global _servers
    os.environ.setdefault("API_RATE", "1000000/min")
    os.environ.setdefault("API_LIMITS", "false")
    if "DATABASE_URL" not in os.environ:
        version = int(os.environ.get("REEVE_TEST_POSTGRES", "18"))
        _servers = start(_folder("reeve-tests-"), pg_version=version, durable=False)
        os.environ.update(_servers.environment)
    runner = os.environ.get("PYTEST_XDIST_WORKER", "")
    if runner:
        os.environ["REDIS_URL"] = _of_runner(os.environ["REDIS_URL"], int(runner.removeprefix("gw")) + 1)
    if runner or "DATA_DIR" not in os.environ:
        os.environ["DATA_DIR"] = str(_folder("reeve-data-"))
    for name, value in (new_secrets() | {"PLATFORM_URL": "http://127.0.0.1:8001"}).items():
        os.environ.setdefault(name, value)


def _of_runner(url: str, number: int) -> str:
    """The same server's databases of one runner: a broker and a cache beside it, so two numbers each."""
    pattern = r"(?<=db=)\d+" if url.startswith("unix:") else r"(?<=/)\d+$"
    return re.sub(pattern, lambda found: str(int(found[0]) + 2 * number), url)


def _folder(prefix: str) -> Path:
    _folders.append(tempfile.mkdtemp(prefix=prefix))
    return Path(_folders[-1])


_begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _servers is not None:
        _servers.stop()
    for folder in _folders:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
