"""Does the platform stand as it should? Pure: what we had done there, beside what was read.

Only a loss that can be proven is ours to heal: the platform's newest number is older than the effect, and it stands
exactly as our earlier effects had left it. Whatever else differs was another hand, and a person looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .kinds import LIFTS

MOST_HEALS = 3  # an effect lost again after so many heals is for a person
Thing = tuple[str, str]  # a measure and its scope: ("suspend", ""), ("restrict", "live")


class Verdict(StrEnum):
    """How one thing, or a whole account, stands."""

    SAME = "same"
    LOST = "lost"
    FOREIGN = "foreign"
    UNTOLD = "untold"


@dataclass(frozen=True)
class Done:
    """An action that came to an end. `sure`: it was applied; otherwise nobody knows whether it happened."""

    id: str
    seq: int
    kind: str
    scope: str = ""
    sure: bool = True
    until: datetime | None = None
    heals: int = 0  # how many heals in a row ended in this action

    @property
    def thing(self) -> Thing:
        """The measure it is about, whether it takes it or lifts it."""
        return LIFTS.get(self.kind, self.kind), self.scope

    @property
    def takes(self) -> bool:
        """Whether the measure is in force after it."""
        return self.kind not in LIFTS


@dataclass(frozen=True)
class Standing:
    """One thing: what it should be, what was read, what that makes it; `by` is the action that governs it."""

    measure: str
    scope: str
    wanted: bool
    seen: bool | None
    verdict: Verdict
    by: Done | None = None

    @property
    def words(self) -> str:
        """How it differs, for a person."""
        name = f"{self.measure} ({self.scope})" if self.scope else self.measure
        if not self.measure:
            return "it has had actions of a newer number than any of ours"
        if self.by is None:
            return f"{name} is in force, which nobody ordered here"
        return f"{name} is {'in force' if self.seen else 'not in force'}, no. {self.by.seq} ordered otherwise"


def compare(
    done: Sequence[Done], seen: Mapping[Thing, bool | None], *, newest: int | None, issued: int, now: datetime
) -> list[Standing]:
    """Each thing that was read, beside the actions that govern it.

    `seen` says of each thing whether it is in force (None: the reading does not say); `newest` is the newest number
    applied there, if the backend tells it; `issued` the last number we gave.
    """
    found = [_stands(thing, there, done, newest=newest, now=now) for thing, there in sorted(seen.items())]
    if newest is not None and newest > issued:
        found.append(Standing("", "", False, None, Verdict.FOREIGN))
    return found


def overall(found: Iterable[Standing]) -> Verdict:
    """The account as a whole: another hand stands above a loss, a loss above what cannot be told."""
    verdicts = {one.verdict for one in found}
    order = (Verdict.FOREIGN, Verdict.LOST, Verdict.UNTOLD)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.SAME)


def _stands(thing: Thing, there: bool | None, done: Sequence[Done], *, newest: int | None, now: datetime) -> Standing:
    mine = sorted((one for one in done if one.thing == thing), key=lambda one: one.seq)
    last = mine[-1] if mine else None
    wanted = last is not None and last.takes

    def is_(verdict: Verdict) -> Standing:
        return Standing(*thing, wanted, there, verdict, last)

    if last is None:
        return is_(Verdict.FOREIGN if there else Verdict.SAME)  # what nobody ordered and is not there needs no word
    if there is None or not last.sure or _is_over(last, now=now):
        return is_(Verdict.UNTOLD)
    if there == wanted:
        return is_(Verdict.SAME)
    if newest is None or last.seq <= newest or last.heals >= MOST_HEALS:
        return is_(Verdict.FOREIGN)
    before = [one for one in mine if one.seq <= newest]
    if before and not before[-1].sure:
        return is_(Verdict.FOREIGN)
    left = bool(before) and before[-1].takes
    return is_(Verdict.LOST if there == left else Verdict.FOREIGN)


def _is_over(last: Done, *, now: datetime) -> bool:
    """Its time is up: the platform may have ended it, and our own lift is on its way."""
    return last.takes and last.until is not None and last.until <= now
