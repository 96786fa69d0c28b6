"""What if transactions wait for each other in a ring? The database ends one of them; that one is done again.

Deciding holds a case and touches its account; scoring holds accounts and replaces scores; taking holds scores and joins
cases. Each order is the natural one for its room, so a ring is possible, rare, and nobody's fault: nothing was changed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection
from psycopg2.errorcodes import DEADLOCK_DETECTED

TRIES = 4
P = ParamSpec("P")
R = TypeVar("R")


def again_after_deadlock(act: Callable[P, R]) -> Callable[P, R]:
    """Do the whole transaction again if it was the one that was ended; inside a larger one, that one's owner must.

    What the act changed on the object in hand (its first argument) is taken back first, as the database did.
    """

    @functools.wraps(act)
    def tried(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return act(*args, **kwargs)
        before = dict(args[0].__dict__) if args else {}
        for left in reversed(range(TRIES)):
            try:
                return act(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.__cause__, "pgcode", None) != DEADLOCK_DETECTED or not left:
                    raise
                if args:
                    args[0].__dict__.clear()
                    args[0].__dict__.update(before)
        raise AssertionError("unreachable")

    return tried
