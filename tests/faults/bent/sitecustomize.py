"""What if a process has a wrong clock, or less patience than usual? Python reads this before anything else of ours.

With this folder on `PYTHONPATH`: `BENT_CLOCK` names a file that holds how many seconds the clock is wrong, read again
five times a second, so that it can step; `BENT_PATIENCE=READ,TOTAL` gives the seconds a backend gets for an answer.
Only what Python asks the clock for is bent (`time.time`, `datetime.now` and their kin): not the monotonic clock, which
no administrator can set, and not what libraries in C and Rust ask the system for themselves.
"""

from __future__ import annotations

import copyreg
import datetime
import importlib.abc
import importlib.machinery
import os
import sys
import time
from typing import Any

STEP = 0.2  # seconds between two looks at the file
_time, _time_ns, _gmtime, _localtime, _strftime = time.time, time.time_ns, time.gmtime, time.localtime, time.strftime
_true = datetime.datetime
_looked: list[float] = [float("-inf"), 0.0]


def wrong_by() -> float:
    """Seconds by which this process's clock is wrong now."""
    now = time.monotonic()
    if now - _looked[0] > STEP:
        _looked[0] = now
        try:
            with open(os.environ["BENT_CLOCK"], encoding="ascii") as file:
                _looked[1] = float(file.read() or 0)
        except (OSError, ValueError):  # being written at this moment
            pass
    return _looked[1]


class _Kind(type):
    """Whoever asks is told that a true moment is one of ours, and whoever makes one makes a true one."""

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, _true) if cls is Bent else super().__instancecheck__(thing)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, _true) if cls is Bent else super().__subclasscheck__(kind)

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return _true(*given, **named) if cls is Bent else super().__call__(*given, **named)


class Bent(_true, metaclass=_Kind):
    """`datetime.datetime` by the wrong clock."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _true.fromtimestamp(_time() + wrong_by(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _true.fromtimestamp(_time() + wrong_by(), datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


def moment(text: str) -> datetime.datetime:
    """What a moment was pickled as."""
    return _true.fromisoformat(text)


def bend_the_clock() -> None:
    """Before anybody has taken hold of a function of the clock."""
    time.time = lambda: _time() + wrong_by()
    time.time_ns = lambda: _time_ns() + int(wrong_by() * 1e9)
    time.gmtime = lambda at=None: _gmtime(time.time() if at is None else at)
    time.localtime = lambda at=None: _localtime(time.time() if at is None else at)
    time.strftime = lambda form, at=None: _strftime(form, time.localtime() if at is None else at)
    Bent.__name__, Bent.__qualname__, Bent.__module__ = "datetime", "datetime", "datetime"
    datetime.datetime = Bent  # type: ignore[misc]
    copyreg.pickle(_true, lambda at: (moment, (at.isoformat(),)))


class Impatient(importlib.abc.MetaPathFinder):
    """Sets how long `portal.peer` waits, once it is there."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "portal.peer":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def then_set(module: Any) -> None:
            load(module)
            module.READ, module.TOTAL = (float(part) for part in os.environ["BENT_PATIENCE"].split(","))

        spec.loader.exec_module = then_set  # type: ignore[method-assign]
        return spec


if os.environ.get("BENT_CLOCK"):
    bend_the_clock()
if os.environ.get("BENT_PATIENCE"):
    sys.meta_path.insert(0, Impatient())
