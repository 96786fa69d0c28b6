"""Where on the road can a process die? Points by name, and a worker or dispatcher that kills itself at one of them.

    python -m tests.faults.road.dying FOLDER -m celery …          # a worker
    python -m tests.faults.road.dying FOLDER manage.py dispatcher

Nothing in the product knows of it: the points are functions that are wrapped here before the process begins. A mark in
the folder, `ACCOUNT.POINT.WHO`, says at which point of which account who dies: `pool` is the process that does the
worker's work, `worker` its whole group at once, `dispatcher` a dispatcher. Whoever takes the mark away dies, so each
kills once, however many pass.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

CARRYING_OUT = (  # passed by whoever drains an account: a worker, or a dispatcher when no worker comes
    "before the claim",
    "head locked",
    "claim written, not committed",
    "claim committed",
    "before connecting",
    "connected, nothing sent",
    "sent, no answer yet",
    "done there, answer not read",
    "answered, nothing written",
    "outcome written, not committed",
    "outcome committed, bell not acknowledged",
)
WATCHING = (  # passed by dispatchers only
    "bell heard, not rung",
    "loss found, not committed",
    "lift ordered, not committed",
)
POINTS = CARRYING_OUT + WATCHING
CONNECTING = POINTS[4:6]  # a connection kept from an earlier call passes these not
_here = threading.local()  # .account: whom this thread is at


class Marks:
    """Who dies where, as files: a file can be taken away once only, whichever process does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "marks"
        self.up = folder / "up"
        for made in (self.folder, self.up):
            made.mkdir(exist_ok=True)
        self.deaths = folder / "deaths.jsonl"

    def place(self, account: Any, point: str, who: str) -> None:
        """`who` dies the next time it passes the point with this account."""
        (self.folder / f"{account}.{POINTS.index(point)}.{who}").touch()

    def waiting(self) -> list[str]:
        """The marks nobody has passed yet."""
        return os.listdir(self.folder)

    def is_up(self, pid: int) -> bool:
        """Whether a process has begun its work."""
        return (self.up / str(pid)).exists()

    def there(self, account: Any, point: str, who: str) -> bool:
        """Whether somebody is to die here."""
        return (self.folder / f"{account}.{POINTS.index(point)}.{who}").exists()

    def take(self, account: Any, point: str, who: str) -> bool:
        """Whether it is us who die here, now; written down first."""
        try:
            (self.folder / f"{account}.{POINTS.index(point)}.{who}").unlink()
        except FileNotFoundError:
            return False
        told = {"at": time.time(), "account": str(account), "point": point, "who": who, "pid": os.getpid()}
        with self.deaths.open("ab", buffering=0) as file:
            file.write(json.dumps(told).encode() + b"\n")
        return True

    def told(self) -> list[dict[str, Any]]:
        """Every death, in order."""
        lines = self.deaths.read_text().splitlines() if self.deaths.exists() else []
        return sorted((json.loads(line) for line in lines), key=lambda line: float(line["at"]))


class Passing:
    """One process of the house, on its way."""

    def __init__(self, marks: Marks, *, dispatcher: bool) -> None:
        self.marks = marks
        self.kinds = ("dispatcher",) if dispatcher else ("pool", "worker")

    def at(self, point: str, account: Any = None) -> None:
        """Die here, if it is our turn."""
        account = account or getattr(_here, "account", None)
        for who in self.kinds:
            if account and self.marks.take(account, point, who):
                if who == "worker":
                    os.killpg(os.getpgrp(), signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)

    def left_to_others(self, account: Any) -> bool:
        """Whether we do not come for an account, because one of another kind is to die over it."""
        others = {"pool", "worker", "dispatcher"} - set(self.kinds)
        return any(self.marks.there(account, point, who) for point in CARRYING_OUT for who in others)

    def is_up(self) -> None:
        """Say that this process has begun its work."""
        (self.marks.up / str(os.getpid())).touch()

    def is_due(self, *points: str) -> bool:
        """Whether one of these is marked for whom this thread is at."""
        account = getattr(_here, "account", None)
        return bool(account) and any(self.marks.there(account, p, who) for p in points for who in self.kinds)


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Put `around(original, *arguments, **named)` in place of a function; a name that is gone is an error."""
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        return around(original, *arguments, **named)

    setattr(owner, name, wrapped)


def draw_up(passing: Passing) -> None:
    """Put every point where it is."""
    _around_draining(passing)
    _around_calling(passing)
    _around_watching(passing)


def _around_draining(passing: Passing) -> None:
    from moderation.enforcement import actions
    from moderation.enforcement.models import EnforcementQuerySet
    from portal import line
    from portal.audit.events import Event

    def drain(original: Any, account_id: UUID, **named: Any) -> int:
        if passing.left_to_others(account_id):
            return 0
        _here.account = account_id
        try:
            passing.at("before the claim")
            if passing.is_due(*CONNECTING):
                line._here.__dict__.pop("pid", None)  # a session without an open connection
            return int(original(account_id, **named))
        finally:
            _here.account = None

    def head_of(original: Any, *arguments: Any) -> Any:
        found = original(*arguments)
        passing.at("head locked")
        return found

    def record(original: Any, event: Any, **named: Any) -> Any:
        written = original(event, **named)
        if event == Event.ENFORCEMENT_ATTEMPTED:
            passing.at("claim written, not committed")
        return written

    def claim(original: Any, *arguments: Any, **named: Any) -> Any:
        sent = original(*arguments, **named)
        if sent is not None:
            passing.at("claim committed")
        return sent

    def settle(original: Any, *arguments: Any, **named: Any) -> None:
        passing.at("answered, nothing written")
        original(*arguments, **named)
        passing.at("outcome committed, bell not acknowledged")

    def count(original: Any, *arguments: Any, **named: Any) -> None:
        original(*arguments, **named)
        passing.at("outcome written, not committed")

    wrap(actions, "drain", drain)
    wrap(EnforcementQuerySet, "head_of", head_of)
    wrap(actions, "record", record)
    wrap(actions, "_claim", claim)
    wrap(actions, "_settle", settle)
    wrap(actions.counting, "count", count)


def _around_calling(passing: Passing) -> None:
    from portal import line

    def connect(original: Any, connection: Any) -> Any:
        passing.at("before connecting")
        connected = original(connection)
        passing.at("connected, nothing sent")
        return connected

    def request(original: Any, connection: Any, *arguments: Any, **named: Any) -> None:
        original(connection, *arguments, **named)
        passing.at("sent, no answer yet")
        if passing.is_due("done there, answer not read"):
            select.select([connection.sock], [], [], 10)  # something to read: it is done there
            passing.at("done there, answer not read")

    wrap(line._Watched, "_new_conn", connect)
    wrap(line._Watched, "request", request)


def _around_watching(passing: Passing) -> None:
    from moderation.enforcement import actions
    from moderation.enforcement.dispatcher import Dispatcher

    def sweep(original: Any, *arguments: Any) -> Any:
        _here.sweeping = True
        try:
            return original(*arguments)
        finally:
            _here.sweeping = False

    def conclude(original: Any, row: Any, *arguments: Any, **named: Any) -> bool:
        done = bool(original(row, *arguments, **named))
        if getattr(_here, "sweeping", False):
            passing.at("loss found, not committed", row.account_id)
        return done

    def end(original: Any, row: Any, **named: Any) -> bool:
        done = bool(original(row, **named))
        passing.at("lift ordered, not committed", row.account_id)
        return done

    def ring(original: Any, dispatcher: Any, account_id: UUID, **named: Any) -> None:
        passing.at("bell heard, not rung", account_id)
        original(dispatcher, account_id, **named)

    def drain_here(original: Any, dispatcher: Any, account_id: UUID) -> None:
        if passing.left_to_others(account_id):
            dispatcher._ring(account_id)  # the bell may have died with another worker
        else:
            original(dispatcher, account_id)

    def listen(original: Any, dispatcher: Any) -> None:
        passing.is_up()
        original(dispatcher)

    wrap(actions, "sweep", sweep)
    wrap(actions, "_conclude", conclude)
    wrap(actions, "_end", end)
    wrap(Dispatcher, "_ring", ring)
    wrap(Dispatcher, "_drain_here", drain_here)
    wrap(Dispatcher, "_listen", listen)


def become(words: list[str]) -> None:
    """Go on as the process whose words these are: `-m MODULE …` or a script and its arguments."""
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def main(folder: str, *words: str) -> None:
    """A worker or dispatcher with the points drawn up."""
    import django
    from celery.signals import worker_ready

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    passing = Passing(Marks(Path(folder)), dispatcher="dispatcher" in words)
    draw_up(passing)
    worker_ready.connect(lambda **_: passing.is_up(), weak=False)
    become(list(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
