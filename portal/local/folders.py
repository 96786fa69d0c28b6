"""Where may data and sockets lie, and who may enter there?"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

from portal.local.processes import CannotStart, Roll

SERVER_USER = "nobody"  # who PostgreSQL runs as when we are root, which it refuses
LEAST_FREE = 200 * 2**20


def make_data_dir(data_dir: Path) -> None:
    try:
        (data_dir / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        probe = data_dir / ".probe"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
        free = shutil.disk_usage(data_dir).free
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CannotStart(f"The disk that holds {data_dir} is full.") from error
        why = "it is not a folder" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        raise CannotStart(f"The data folder {data_dir} cannot be written: {str(why).lower()}.") from error
    if free < LEAST_FREE:
        raise CannotStart(
            f"The disk that holds {data_dir} is full: {free >> 20} MB are free and {LEAST_FREE >> 20} MB are needed."
        )


def new_run_dir() -> str:
    """Short and private. The system's temporary folder, or /tmp when that one's name is long."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(parent) <= 60 and (os.geteuid() != 0 or _open_to_all(Path(parent))):
            with contextlib.suppress(OSError):
                return tempfile.mkdtemp(prefix="reeve-", dir=parent)
    raise CannotStart("There is no temporary folder with a short name to put sockets in; set TMPDIR to one.")


def _open_to_all(folder: Path) -> bool:
    """As root, PostgreSQL's own user must get through to its socket."""
    return all(above.stat().st_mode & 0o001 for above in (folder, *folder.absolute().parents))


def is_ours(folder: Path) -> bool:
    try:
        told = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and not folder.is_symlink() and told.st_uid == os.geteuid() and not told.st_mode & 0o066


def give_to_server(folder: Path) -> None:
    user = pwd.getpwnam(SERVER_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)


def take_lock(data_dir: Path) -> IO[str]:
    """One supervisor per data folder; one that was killed leaves a guard, who needs a moment."""
    file = (data_dir / "lock").open("a")
    until = time.monotonic() + 40
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError:
            supervisor = Roll.read(data_dir).processes.get("supervisor")
            if (supervisor and supervisor.alive) or time.monotonic() > until:
                number = f" (process {supervisor.pid})" if supervisor else ""
                raise CannotStart(
                    f"It already runs with the data in {data_dir}{number}; stop that one first."
                ) from None
            time.sleep(0.1)
