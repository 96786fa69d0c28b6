"""What came of many tamperings? Counted by kind: how many were found, and whether the first bad leaf was named."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

GOAL = 99.0  # percent of the places


@dataclass
class Kind:
    """The figures of one way of tampering."""

    tried: int = 0
    caught: int = 0
    leaves: int = 0  # of those, how many touched a leaf at all
    exact: int = 0  # that leaf was named
    between: int = 0  # the leaves between two signed checkpoints were named, and it is one of them


@dataclass
class Tally:
    """The figures of many ways."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    by: collections.Counter[str] = field(default_factory=collections.Counter)  # who found it

    @property
    def tried(self) -> int:
        return sum(one.tried for one in self.kinds.values())

    def take(
        self, kind: str, what: str, touched: int | None, code: int, position: int | None, until: int | None
    ) -> None:
        """One more: the lowest leaf it touched, if any, and what the verifier said."""
        one = self.kinds.setdefault(kind, Kind())
        one.tried += 1
        one.caught += code != 0
        if not code:
            self.missed.append(f"{kind}: {what}")
        if touched is None:
            return
        one.leaves += 1
        if position == touched:
            one.exact += 1
        elif position is not None and position <= touched < (until or position + 1):
            one.between += 1
        else:
            self.misplaced.append(f"{kind}: {what}: leaf {touched}, and {position} to {until} was said")

    def add(self, other: Tally) -> None:
        """What another process counted."""
        for name, theirs in other.kinds.items():
            ours = self.kinds.setdefault(name, Kind())
            for part in vars(ours):
                setattr(ours, part, getattr(ours, part) + getattr(theirs, part))
        self.missed += other.missed
        self.misplaced += other.misplaced
        self.by += other.by

    def holds(self) -> bool:
        """Whether all were caught, and the place was right nearly always."""
        whole = self.whole()
        return whole.caught == whole.tried and (whole.exact + whole.between) * 100 >= GOAL * whole.leaves

    def whole(self) -> Kind:
        """All kinds together."""
        return Kind(*(sum(getattr(one, part) for one in self.kinds.values()) for part in vars(Kind())))

    def line(self) -> str:
        """In a sentence."""
        one = self.whole()
        share = (one.exact + one.between) / one.leaves * 100 if one.leaves else 100.0
        exact = one.exact / one.leaves * 100 if one.leaves else 100.0
        return (
            f"{one.caught} of {one.tried} caught; place right in {share:.2f} % of the {one.leaves} that touch a leaf: "
            f"{one.exact} the leaf itself ({exact:.2f} %), {one.between} the leaves between two checkpoints"
        )

    def table(self) -> list[str]:
        """Kind by kind."""
        lines = [
            f"    {'':<30}{'tried':>7}{'caught':>8}{'on a leaf':>11}{'leaf named':>12}{'narrowed':>10}{'wrong':>7}"
        ]
        for name, one in sorted(self.kinds.items()):
            wrong = one.leaves - one.exact - one.between
            figures = f"{one.tried:>7}{one.caught:>8}{one.leaves:>11}{one.exact:>12}{one.between:>10}{wrong:>7}"
            lines.append(f"    {name:<30}{figures}")
        return lines
