"""Which servers do the tests talk to? Loaded by `-p tests.servers` before Django reads its settings."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from portal.local.attach import new_secrets
from portal.local.servers import Servers, start

_servers: Servers | None = None
_folder: tempfile.TemporaryDirectory[str] | None = None


def _begin() -> None:
    """Start the servers of this run once (the xdist controller's are shared by environment) and say where they are."""
    global _servers, _folder
    os.environ.setdefault("API_RATE", "1000000/min")
    os.environ.setdefault("API_LIMITS", "false")
    if "DATABASE_URL" not in os.environ:
        _folder = tempfile.TemporaryDirectory(prefix="reeve-tests-")
        version = int(os.environ.get("REEVE_TEST_POSTGRES", "18"))
        _servers = start(Path(_folder.name), pg_version=version, durable=False)
        os.environ.update(_servers.environment)
    if "DATA_DIR" not in os.environ:
        os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="reeve-data-")
    for name, value in (new_secrets() | {"PLATFORM_URL": "http://127.0.0.1:8001"}).items():
        os.environ.setdefault(name, value)


_begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _servers is not None:
        _servers.stop()
    if _folder is not None:
        with contextlib.suppress(OSError):
            _folder.cleanup()
