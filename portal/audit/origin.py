"""Which log, and which epoch of it, does the name in a checkpoint speak of? Pure.

A log that had to begin anew, because its database was set back, goes on under `NAME/epoch-2`, then `NAME/epoch-3`.
"""

from __future__ import annotations

import re

_EPOCH = re.compile(r"/epoch-([2-9]|[1-9][0-9]{1,5})$")


def base(origin: str) -> str:
    """The name of the log in its first epoch."""
    return _EPOCH.sub("", origin)


def epoch(origin: str) -> int:
    """The number of the epoch, from 1."""
    found = _EPOCH.search(origin)
    return int(found[1]) if found else 1


def name(base: str, epoch: int) -> str:
    """The name of a log in an epoch."""
    return base if epoch == 1 else f"{base}/epoch-{epoch}"
