"""What would a newer version do differently? A worker or dispatcher whose bells have other words.

    python -m tests.faults.road.newer - -m celery …

Its dispatcher says more with each bell, and every fifth has a name that only its worker knows; the worker knows both.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from typing import Any

from .dying import become, wrap

NEW_NAME = "moderation.enforcement.tasks.carry_out"


def main(_: str, *words: str) -> None:
    """Go on as the process whose words these are, of a later version."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from moderation.enforcement import tasks
    from moderation.management.commands import dispatcher
    from portal.celery import app

    @app.task(name=NEW_NAME, queue="enforcement", acks_late=True, shared=False)
    def carry_out(**told: Any) -> None:
        tasks.drain(**told)

    rung = itertools.count(1)

    def publish(original: Any, line: Any, bell: Any) -> bool:
        if bell.queue == "enforcement":
            bell = dataclasses.replace(
                bell, told=bell.told | {"hint": [1, 2]}, task=bell.task if next(rung) % 5 else NEW_NAME
            )
        return bool(original(line, bell))

    wrap(dispatcher.Line, "publish", publish)
    become(list(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
