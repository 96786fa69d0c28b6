"""What is an action that kills who carries it out? A worker or dispatcher in which some accounts are poison.

    python -m tests.faults.road.poison FOLDER -m celery …

`poison.json` in the folder says which account is what: it breaks off every process that is about to call for it. It
also says how long a task, or a dispatcher's hand, may take.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any

from .dying import become, wrap

MANNERS = ("segfault", "exit", "memory", "loop", "unpicklable")
_ROOM = 64 << 20  # bytes that are left where memory runs out


class Unpicklable(Exception):
    """What went wrong cannot be told to another process."""

    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


def take(manner: str) -> None:
    """Die of it."""
    match manner:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(1)
        case "memory":
            _run_out_of_memory()
        case "loop":
            while True:
                pass
        case "unpicklable":
            raise Unpicklable


def _run_out_of_memory() -> None:
    """As under `ulimit -v`: the process may have no more than it has and a little."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _ROOM, before[1]))
    kept = []
    try:
        while True:
            kept.append(bytearray(1 << 20))
    finally:
        kept.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


def main(folder: str, *words: str) -> None:
    """A worker or dispatcher that knows which accounts are poison."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from moderation.enforcement import connector, dispatcher
    from portal.celery import app

    told = json.loads((Path(folder) / "poison.json").read_text())
    poison: dict[str, str] = told["accounts"]
    app.conf.task_time_limit = dispatcher.HAND_LIMIT = told["limit"]
    dispatcher.SILENCE = told["limit"] / 2

    def carry_out(original: Any, description: Any, call: Any, **named: Any) -> Any:
        if manner := poison.get(call.account):
            with (Path(folder) / "taken.jsonl").open("ab", buffering=0) as file:
                took = {"account": call.account, "manner": manner, "by": "worker" if "celery" in words else "other"}
                file.write(json.dumps(took).encode() + b"\n")
            take(manner)
        return original(description, call, **named)

    wrap(connector, "carry_out", carry_out)
    become(list(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
