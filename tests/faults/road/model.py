"""What should the road do? A model of actions, their backend and the platform, as small as it can be said. Pure.

Written from the design and the contract, not from the code. What chance decides (the wait before another try) is
checked to lie in its bounds and then taken over from what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

PAIRS = {"label": "unlabel", "suspend": "unsuspend", "ban": "unban", "restrict": "unrestrict"}
OPPOSITE = PAIRS | {lift: measure for measure, lift in PAIRS.items()}
KINDS = (*OPPOSITE, "warn", "notify")
KEYS = {"label": "labelled", "suspend": "suspended", "ban": "banned"}
SCOPES = ("live", "wings")  # the platform knows the first only
OPEN = ("queued", "in_flight", "retrying", "stopped", "unsure")
DAY = timedelta(hours=23)  # after that the platform may have forgotten the key
MAKES_WAY = timedelta(minutes=5)  # so long a notice is tried where something waits behind it
MOST_LOST = 5


@dataclass
class Act:
    """One action as it should stand; `next` is a span where chance has a say."""

    key: str
    seq: int
    kind: str
    scope: str
    due: datetime
    next: tuple[datetime, datetime]
    until: datetime | None = None
    expires: datetime | None = None
    status: str = "queued"
    lost: int = 0
    first: datetime | None = None
    forgotten: bool = False  # at the last claim: whether the platform may have forgotten the key
    tries: list[str] = field(default_factory=list)

    @property
    def measure(self) -> str:
        """What it takes or lifts."""
        return OPPOSITE[self.kind] if self.kind in OPPOSITE and self.kind not in PAIRS else self.kind

    @property
    def in_the_way(self) -> bool:
        """Whether later ones wait for it: not for a notice that stands still."""
        return self.status in OPEN and not (self.kind == "notify" and self.status in ("stopped", "unsure"))


@dataclass
class There:
    """One account on the platform."""

    last: int = 0
    gone: bool = False
    on: set[tuple[str, str]] = field(default_factory=set)  # (measure, scope) in force
    warned: int = 0
    effects: list[str] = field(default_factory=list)  # keys, in order

    def does(self, key: str, seq: int, kind: str, scope: str) -> str:
        """What it answers to an action: `applied`, `gone`, `never`, or `read` where it knows a newer number."""
        if key in self.effects:
            return "applied"
        if self.gone:
            return "gone"
        if seq < self.last:
            return "read"
        if OPPOSITE.get(kind, kind) in ("restrict", "unrestrict") and scope != "live":
            return "never"
        self.effects.append(key)
        self.last = seq
        if kind == "warn":
            self.warned += 1
        elif kind in PAIRS:
            self.on.add((kind, scope))
        elif kind in OPPOSITE:
            self.on.discard((OPPOSITE[kind], scope))
        return "applied"

    def holds(self, act: Act) -> bool:
        """Whether what an action wants is so; of a warning or a notice nobody can tell."""
        return act.kind in OPPOSITE and ((act.measure, act.scope) in self.on) == (act.kind in PAIRS)


@dataclass
class Model:
    """An account's actions and the platform's side of it."""

    name: str
    acts: list[Act] = field(default_factory=list)
    there: There = field(default_factory=There)
    findings: int = 0

    @property
    def head(self) -> Act | None:
        """The first that is in the way."""
        return next((act for act in self.acts if act.in_the_way), None)

    def order(self, key: str, kind: str, scope: str, *, until: datetime | None, now: datetime) -> Act:
        """The next number; what was never sent and says the opposite is overtaken."""
        for act in self.acts:
            opposite = act.kind == OPPOSITE.get(kind) and act.scope == scope
            if opposite and act.status == "queued" and not act.tries:
                act.status = "superseded"
        expires = until if kind in PAIRS else None
        self.acts.append(Act(key, len(self.acts) + 1, kind, scope, now, (now, now), until, expires))
        return self.acts[-1]

    def claim(self, *, now: datetime) -> Act | None:
        """A worker takes the head, if it is due."""
        act = self.head
        if act is None or act.status not in ("queued", "retrying") or act.next[1] > now:
            return None
        act.status, act.first = "in_flight", act.first or now
        act.forgotten = now - act.first > DAY
        act.tries.append("sent")
        return act

    def answer(self, act: Act, fault: str) -> str:
        """What the platform makes of a call: the meaning of its answer; `fault` is what goes wrong on the way."""
        if len(act.tries) > 1 and act.forgotten:
            if act.kind not in OPPOSITE:
                return "unsure"
            if fault == "unreached":
                return "later"
            if self.there.gone:
                return "gone"
            if self.there.holds(act):
                return "applied"
        if fault in ("unreached", "error_500", "rate_429"):
            return "later"
        if fault == "stranger":
            return "pause"
        said = self.there.does(act.key, act.seq, act.kind, act.scope)
        if said == "read":
            return "applied" if self.there.holds(act) else "unsure"
        return "later" if said == "applied" and fault in ("garbage", "reset") else said

    def settle(self, act: Act, meaning: str, fault: str, *, now: datetime) -> None:
        """What an answer makes of the action under its lease."""
        waited = self._behind(act, lambda one: one.status == "queued" and one.due <= now)
        patience = MAKES_WAY if act.kind == "notify" and waited else DAY
        given_up = meaning == "later" and now - max(act.first or now, act.due) > patience
        ends = {"applied": "applied", "gone": "moot", "never": "stopped", "unsure": "unsure"}
        act.status = "stopped" if given_up else ends.get(meaning, "retrying")
        act.tries[-1] = "later" if meaning == "pause" else meaning
        self.findings += act.status in ("stopped", "unsure")
        if act.status == "retrying":
            wait = min(300, 2 ** min(len(act.tries), 9))
            first = now + timedelta(seconds=1) if fault == "rate_429" else now
            latest = now + timedelta(seconds=2 if fault == "rate_429" else wait)
            act.next = (now, now) if meaning == "pause" else (first, latest)

    def overtaken(self, act: Act) -> bool:
        """Whether it is a notice behind which something was ordered since."""
        return act.kind == "notify" and self._behind(act, lambda one: one.status not in ("superseded", "cancelled"))

    def _behind(self, act: Act, counts: Callable[[Act], bool]) -> bool:
        return any(one.seq > act.seq and counts(one) for one in self.acts)

    def lose(self, act: Act, *, now: datetime) -> None:
        """Its worker was lost."""
        act.lost += 1
        act.tries[-1] = "lost"
        act.status = "stopped" if act.lost >= MOST_LOST else "retrying"
        act.next = (now, now)
        self.findings += act.status == "stopped"

    def retry(self, act: Act, *, now: datetime) -> bool:
        """A lead sends it again; says whether that may be."""
        if act.status not in ("stopped", "unsure"):
            return False
        if self.overtaken(act):
            return False
        act.status, act.due, act.next, act.lost = "queued", now, (now, now), 0
        return True

    def over(self, now: datetime) -> Iterator[tuple[Act, bool]]:
        """Measures whose time is up, the first first, and whether each is lifted now."""
        timed = [(act.expires, act) for act in self.acts if act.status == "applied" and act.expires]
        for _, act in sorted(((at, act) for at, act in timed if at <= now), key=lambda one: one[0]):
            later = [
                one for one in self.acts if one.seq > act.seq and (one.measure, one.scope) == (act.measure, act.scope)
            ]
            if any(one.status in OPEN for one in later):
                continue
            act.expires = None
            yield act, not any(one.status == "applied" for one in later)

    def told(self) -> list[tuple[Any, ...]]:
        """Every action in few words, to compare."""
        return [(a.key, a.seq, a.kind, a.scope, a.status, a.lost, a.expires, tuple(a.tries)) for a in self.acts]
