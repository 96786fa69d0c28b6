"""Who clears up when we are killed before we can?

A small process that holds the other end of a pipe: when the pipe closes, whoever held it is gone, however it died.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path


class Guard:
    """Stands by while its maker lives."""

    def __init__(self, data_dir: Path) -> None:
        root = str(Path(__file__).resolve().parents[2])
        self.child = subprocess.Popen(
            [sys.executable, "-m", "portal.local.guard", str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=root,
        )

    def dismiss(self) -> None:
        """All ended in order: there is nothing to guard."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        if self.child.stdin:
            self.child.stdin.close()


def main(data_dir: Path) -> None:
    sys.stdin.buffer.read()
    with (data_dir / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # somebody has started again already, and clears up himself
        clear_up(data_dir)


def clear_up(data_dir: Path) -> None:
    from portal.local.processes import Roll, wait_until_gone

    roll = Roll.read(data_dir)
    supervisor = roll.processes.pop("supervisor", None)
    if supervisor and not wait_until_gone(supervisor, within=5):  # its pipe closes a moment before it is gone
        return
    roll.end_all()
    roll.write()
    if roll.run_dir:
        shutil.rmtree(roll.run_dir, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
