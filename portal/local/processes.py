"""Which processes are ours, and how do they end?

A process is known by its id and the moment it was born, so that a number the system has given to somebody else is
never touched.
Every process of ours leads its own session: what it forked ends with it.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

LINUX = platform.system() == "Linux"
STOP_ORDER = (
    "alive", "dispatcher", "beat", "worker", "web", "platform", "signer", "sequencer", "witness", "valkey", "postgres",
)  # fmt: skip
SIGNALS = {"postgres": (signal.SIGINT, signal.SIGQUIT), "worker": (signal.SIGTERM, signal.SIGQUIT)}
PATIENCE = {"postgres": 20.0, "worker": 8.0, "web": 6.0}


class CannotStart(Exception):
    """Why this machine cannot run it now, in one plain sentence."""


@dataclass(frozen=True)
class Process:
    """A process that was ours when this was written down."""

    pid: int
    born: str

    @property
    def alive(self) -> bool:
        return born(self.pid) == self.born


def born(pid: int) -> str | None:
    """The moment a process started, as the system tells it; None when it is gone (a zombie is gone)."""
    if LINUX:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, at = answer.stdout.strip().partition(" ")
    return at.strip() if at and not state.startswith("Z") else None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:13]
    except OSError:
        return "-"


def of(pid: int) -> Process:
    return Process(pid, born(pid) or "never")


def end(process: Process, name: str = "", *, asked: bool = False) -> None:
    """Ask, wait, insist. Its whole session goes with it."""
    patience = PATIENCE.get(name, 5.0)
    for sign in SIGNALS.get(name, (signal.SIGTERM,)):
        if not process.alive:
            break
        if not asked:  # a second SIGTERM would make a worker drop what it has in hand
            _send(process.pid, sign)
        asked = False
        if wait_until_gone(process, within=patience):
            break
        patience = 3.0
    if process.alive:
        _send(process.pid, signal.SIGKILL)
        wait_until_gone(process, within=5.0)
    if not process.alive:
        end_remains(process)


def end_all(processes: dict[str, Process]) -> None:
    """Several that need not wait for each other: all are asked before the first is waited for."""
    for name, process in processes.items():
        if process.alive:
            _send(process.pid, SIGNALS.get(name, (signal.SIGTERM,))[0])
    for name, process in processes.items():
        end(process, name, asked=True)


def end_remains(process: Process) -> None:
    """What a dead leader left in its session."""
    if process.born == "never" or born(process.pid):
        return  # not ours, or the number belongs to somebody else now
    for pid in _session_of(process.pid):
        _send(pid, signal.SIGKILL)


def _session_of(leader: int) -> list[int]:
    if not LINUX:
        return []
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if stat[3] == str(leader) and stat[0] not in "ZX":
                found.append(int(entry.name))
    return found


def _send(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except (ProcessLookupError, PermissionError):
        return


def wait_until_gone(process: Process, *, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not process.alive:
            return True
        time.sleep(0.03)
    return not process.alive


class Roll:
    """`run.json`: what runs in a data folder, kept so that the next start can clear what an accident left."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "run.json"
        self.run_dir: str = ""
        self.environment: dict[str, str] = {}
        self.processes: dict[str, Process] = {}

    @classmethod
    def read(cls, data_dir: Path) -> Roll:
        roll = cls(data_dir)
        try:
            told = json.loads(roll.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return roll
        roll.run_dir = str(told.get("run_dir", ""))
        roll.environment = dict(told.get("environment", {}))
        roll.processes = {name: Process(int(p["pid"]), str(p["born"])) for name, p in told.get("processes", {}).items()}
        return roll

    def write(self) -> None:
        write_private(
            self.path,
            {
                "run_dir": self.run_dir,
                "environment": self.environment,
                "processes": {name: {"pid": p.pid, "born": p.born} for name, p in self.processes.items()},
            },
        )

    def runs(self, *names: str) -> bool:
        return all(name in self.processes and self.processes[name].alive for name in names)

    def end_all(self) -> None:
        """End what still runs, in the order in which nobody loses anything."""
        names = [n for n in STOP_ORDER if n in self.processes] + [n for n in self.processes if n not in STOP_ORDER]
        for name in names:
            process = self.processes[name]
            if name == "supervisor":
                continue
            end(process, name)
        self.processes = {}


def write_private(path: Path, content: object) -> None:
    """Write JSON that only its owner may read: whole, or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
