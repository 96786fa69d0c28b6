"""Who comes at once? Threads with connections of their own that all start on one signal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any


def all_at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each act in its own thread on its own connection, together; what each returned or raised, in order."""
    from django.db import connection

    results: list[Any] = [None] * len(acts)
    gate = threading.Barrier(len(acts))

    def run(index: int) -> None:
        try:
            gate.wait(timeout=60)
            results[index] = acts[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return results
