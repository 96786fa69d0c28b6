"""Is what was written sealed and signed yet? Asked again and again, with a bound, by who makes a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count
from uuid_utils.compat import uuid7

from portal.refusal import Refused

from . import witnessing
from .models import Checkpoint, Cosignature, Leaf, Pending

POLL = 0.2  # seconds
WITNESSES_WITHIN = 10.0  # seconds; a bundle is made without those that do not answer


class Wait:
    """Asks again and again, with a bound over all."""

    def __init__(self, pause: Callable[[float], None], within: float, call: Callable[[], None]) -> None:
        self.pause, self.left, self.call = pause, within, call

    def until(self, ask: Callable[[], Any], otherwise: str) -> Any:
        """What `ask` gives once it gives something. Raises `Refused`."""
        while not (found := ask()):
            if self.left <= 0:
                raise Refused(f"{otherwise} Nothing was made; ask again when it is.")
            self.call()
            self.pause(POLL)
            self.left -= POLL
        return found


def until_sealed(wait: Wait) -> None:
    """Wait until all that was written before now has its place. Raises `Refused` when that takes too long."""
    wait.until(_nothing_waits(), "The log is not being sealed: is the sequencer running?")


def _nothing_waits() -> Callable[[], bool]:
    """Whether all that was written before now has its place."""
    newest = uuid7()
    return lambda: not Pending.objects.filter(pk__lte=newest).exists()


def covered(event: UUID, wait: Wait) -> tuple[int, Checkpoint]:
    """The place of an event, and the checkpoint that covers it, as published: all witnesses are waited for a moment."""
    why = "The log is not being sealed or signed: are sequencer and signer running?"
    index, mark = wait.until(lambda: _signed(event), why)
    witnesses = len(settings.AUDIT_WITNESSES) // 2
    for _ in range(round(WITNESSES_WITHIN / POLL) if witnesses else 0):
        best = Cosignature.objects.filter(size__gt=index).values_list("size").annotate(signed=Count("witness"))
        size, signed = best.order_by("-signed", "-size").first() or (mark.size, 0)
        if signed:
            mark = Checkpoint.objects.get(size=size)
        if signed >= witnesses:
            break
        wait.call()
        wait.pause(POLL)
    mark.note = witnessing.published(mark)  # not saved: the lines of the witnesses stand beside it
    return index, mark


def _signed(event: UUID) -> tuple[int, Checkpoint] | None:
    """The place of an event, and the newest checkpoint, once that covers it."""
    index = Leaf.objects.filter(event_id=event).values_list("index", flat=True).first()
    mark = None if index is None else Checkpoint.objects.filter(size__gt=index).order_by("-size").first()
    return (index, mark) if index is not None and mark else None
