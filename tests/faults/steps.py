"""Where do the sequencer and the signer touch the world? Each step by name, and what makes one of them fail or crash.

Four things can go wrong at a step: it fails and nothing was done; it fails and was done all the same, as when the
answer is lost; the process dies before it; the process dies after it. A crash may be that of the machine: then what was
not yet synced to the disk is there, gone, or cut off.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from django.db import OperationalError, connections

from portal.audit import durable, note, signing

from .step_names import FILES, STATEMENTS


class Crash(BaseException):
    """The process is gone: nothing that handles errors may hold this up."""


class Fault:
    """One step that goes wrong in one way, the `nth` time it is come to; never again after that."""

    def __init__(self, step: str, kind: str, *, nth: int, dice: random.Random) -> None:
        self.step, self.kind, self.nth, self.dice = step, kind, nth, dice
        self.seen, self.hit, self.crashed = 0, False, False

    def at(self, step: str, do: Callable[[], Any], error: Callable[[], Exception]) -> Any:
        """Do a step, or what goes wrong with it."""
        if step != self.step or self.hit:
            return do()
        self.seen += 1
        if self.seen < self.nth:
            return do()
        self.hit = True
        done = do() if self.kind in ("fails, but done", "dies after") else None
        if self.kind.startswith("fails"):
            raise error()
        del done
        self.crashed = True
        for alias in STATEMENTS:  # its connections end with it: nothing can be done on the way out
            if connections[alias].connection is not None:
                connections[alias].connection.close()
        raise Crash

    def lost(self, alias: str) -> Exception:
        """What a step of the database fails with; every other time the connection is gone too."""
        if self.dice.random() < 0.5:
            connections[alias].connection.close()
        return OperationalError("broken on purpose")

    def broken(self) -> Exception:
        """What a step on a file fails with."""
        return OSError(self.dice.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT]), "broken on purpose")


class Disk:
    """`os` as `durable` uses it; remembers what is certainly on the disk, and what a loss of power may take."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.open_files: dict[int, Path] = {}
        self.unsynced: set[Path] = set()
        self.renamed: dict[Path, bytes | None] = {}  # since the folder was synced: what the name stood for before
        self.certain: dict[str, bytes] = {}
        self.last = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """A file is a step of its own; the folder is opened only to be synced."""
        if Path(path).is_dir():
            return os.open(path, flags, mode)
        name = path.name.removesuffix(".new")
        number: int = self.fault.at(f"signer opens {name}", lambda: self._open(path, flags, mode), self.fault.broken)
        return number

    def write(self, number: int, content: memoryview) -> int:
        """Now and then only a part is taken, as the system may."""
        name = self.open_files[number].name.removesuffix(".new")
        part = content[: self.fault.dice.randint(1, len(content))]
        written: int = self.fault.at(f"signer writes {name}", lambda: os.write(number, part), self.fault.broken)
        return written

    def fsync(self, number: int) -> None:
        """Of a file: its bytes are certain; of the folder: so are the names in it."""
        path = self.open_files.get(number)
        if path is None:
            self.fault.at(f"signer syncs the folder of {self.last}", lambda: self._names(number), self.fault.broken)
        else:
            name = path.name.removesuffix(".new")
            self.fault.at(f"signer syncs {name}", lambda: self._bytes(number, path), self.fault.broken)

    def close(self, number: int) -> None:
        """Says nothing about the disk."""
        self.open_files.pop(number, None)
        os.close(number)

    def replace(self, old: Path, new: Path) -> None:
        """The name stands for the other file, as far as memory goes."""
        self.last = new.name
        self.fault.at(f"signer renames {new.name}", lambda: self._rename(old, new), self.fault.broken)

    def lose_power(self) -> None:
        """What was not synced is there, gone, or cut off."""
        for name, before in self.renamed.items():
            if self.fault.dice.random() < 0.5:
                name.unlink() if before is None else name.write_bytes(before)
        for path in self.unsynced:
            if path.exists():
                path.write_bytes(_held(path)[: self.fault.dice.randint(0, path.stat().st_size)])
        self.forget()

    def forget(self) -> None:
        """The process is gone, and its open files."""
        for number in list(self.open_files):
            self.close(number)
        self.unsynced.clear()
        self.renamed.clear()

    def _open(self, path: Path, flags: int, mode: int) -> int:
        number = os.open(path, flags, mode)
        self.open_files[number] = path
        self.unsynced.add(path)
        return number

    def _bytes(self, number: int, path: Path) -> None:
        os.fsync(number)
        self.unsynced.discard(path)

    def _names(self, number: int) -> None:
        os.fsync(number)
        self.certain |= {path.name: _held(path) for path in self.renamed if path not in self.unsynced}
        self.renamed.clear()

    def _rename(self, old: Path, new: Path) -> None:
        self.renamed.setdefault(new, _held(new) if new.exists() else None)
        os.replace(old, new)
        if old in self.unsynced:
            self.unsynced = self.unsynced - {old} | {new}


class Broken:
    """The sequencer and the signer with one step that goes wrong; every signature that leaves is kept."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.disk = fault, Disk(fault)
        self.signatures: list[note.Checkpoint] = []
        self.early: list[int] = []  # sizes whose signature left before the record of it was on the disk
        self.locks: list[IO[str]] = []

    def flock(self, file: IO[str], how: int) -> None:
        """The lock on the signer's folder."""
        self.locks.append(file)
        self.fault.at("signer locks its folder", lambda: fcntl.flock(file, how), self.fault.broken)

    def signed(self, text: str) -> None:
        """A signature is made: from here on it may be anywhere."""
        told = note.Checkpoint.parse(text)
        self.signatures.append(told)
        record = json.loads(self.disk.certain.get("signed.json", b"{}"))
        if record.get("size") != told.size:
            self.early.append(told.size)

    def die(self, *, power: bool) -> None:
        """What a crash leaves behind: no lock, no connection, no memory."""
        for lock in self.locks:
            lock.close()
        for alias in STATEMENTS:
            connections[alias].close()
        self.disk.lose_power() if power else self.disk.forget()


@contextmanager
def breaking(broken: Broken) -> Iterator[None]:
    """Every step of the sequencer and the signer, in this process, goes by the fault."""
    with ExitStack() as stack:
        for alias in STATEMENTS:
            stack.enter_context(connections[alias].execute_wrapper(_statements(alias, broken.fault)))
        stack.enter_context(_commits(broken.fault))
        for where, name, instead in _instead(broken):
            before = getattr(where, name)
            setattr(where, name, instead)
            stack.callback(setattr, where, name, before)
        yield


def _held(path: Path) -> bytes:
    """As `read_bytes`, which is a step."""
    with path.open("rb") as file:
        return file.read()


def _statements(alias: str, fault: Fault) -> Callable[..., Any]:
    named = {f"{alias} {what}": re.compile(words, re.DOTALL) for what, words in STATEMENTS[alias].items()}

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        step = next((step for step, words in named.items() if words.search(sql)), "")
        return fault.at(step, lambda: execute(sql, params, many, context), lambda: fault.lost(alias))

    return wrapper


@contextmanager
def _commits(fault: Fault) -> Iterator[None]:
    """The sequencer's is the one transaction of several statements; what the signer writes commits by itself."""
    connection: Any = connections["sequencer"]
    commit = connection._commit
    connection._commit = lambda: fault.at("sequencer commits", commit, lambda: fault.lost("sequencer"))
    try:
        yield
    finally:
        del connection._commit


def _instead(broken: Broken) -> Iterator[tuple[Any, str, Any]]:
    """What stands in for functions of the system: (where, name, the other)."""
    sign, read_text, read_bytes = note.Signer.sign, Path.read_text, Path.read_bytes

    def signs(signer: note.Signer, text: str, *, at: int = 0) -> note.Signature:
        broken.signed(text)
        return sign(signer, text, at=at)

    def reads(whole: Callable[..., Any]) -> Callable[..., Any]:
        def read(path: Path, *args: Any, **more: Any) -> Any:
            step = f"signer reads {path.name}" if path.name in FILES else ""
            return broken.fault.at(step, lambda: whole(path, *args, **more), broken.fault.broken)

        return read

    class Locks:
        LOCK_EX, LOCK_NB, flock = fcntl.LOCK_EX, fcntl.LOCK_NB, staticmethod(broken.flock)

    yield durable, "os", broken.disk
    yield signing, "fcntl", Locks
    yield note.Signer, "sign", signs
    yield Path, "read_text", reads(read_text)
    yield Path, "read_bytes", reads(read_bytes)
