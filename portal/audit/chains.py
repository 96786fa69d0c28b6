"""Is anybody's count broken? Each leaf gives whom it names a number without a gap, and points to the leaf before.

To remember everybody who was ever named would cost memory without a bound. Instead each naming (k, n, at) adds F(k, n,
at), and takes F(k, n-1, p) away for the one before it, where p is the place it points to. What is left are the last
namings, and these stand in the table of heads. F is keyed with a number drawn for this run, so that nobody can write
rows whose sums cancel out. The sums are kept in 4096 heaps by the first letters of k: who is in a wrong heap is looked
for again, one by one.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

LETTERS = 3  # of a tag in hex: 4096 heaps
AT_ONCE = 500_000  # leaves whose names are remembered in one go when a broken count is looked for

Named = Iterable[tuple[int, Iterable[dict[str, Any]]]]  # leaves by index, and whom each names
Heads = Iterable[tuple[str, int, int]]  # tag (hex), number, last leaf


class Broken(Exception):
    """The count of somebody does not fit at this leaf."""

    def __init__(self, position: int) -> None:
        super().__init__(f"leaf {position} is out of the count of whom it names: an event was left out before it")
        self.position = position


class Chains:
    """The sums of one walk over the leaves."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(16)
        self.heaps: defaultdict[str, int] = defaultdict(int)

    def take(self, index: int, named: Iterable[dict[str, Any]]) -> None:
        """Add whom a leaf names; raises `Broken` where a number and a place cannot be, whatever else is true."""
        key, heaps = self.key, self.heaps
        for one in named:
            tag, n, before = one["k"], one["n"], one["p"]
            more = hash(f"{key}{tag}{n}.{index}")
            if n > 1 and 0 <= before < index:
                more -= hash(f"{key}{tag}{n - 1}.{before}")
            elif n != 1 or before != -1:
                raise Broken(index)
            heaps[tag[:LETTERS]] += more

    def left(self, heads: Heads) -> set[str]:
        """The heaps that do not come to the table of heads `(tag, n, last)`."""
        for tag, n, last in heads:
            self.heaps[tag[:LETTERS]] -= hash(f"{self.key}{tag}{n}.{last}")
        return {heap for heap, total in self.heaps.items() if total}


def first_broken(leaves: Callable[[], Named], upto: int, heaps: set[str] | None = None) -> int | None:
    """The first of `upto` leaves that is out of the count of somebody in these heaps (None: in any).

    Remembers everybody in a part of the heaps at a time, and reads the leaves once for each part.
    """
    found = [_broken(leaves(), part) for part in _parts(upto, heaps)]
    return min((one for one in found if one is not None), default=None)


def odd_head(leaves: Callable[[], Named], heads: Callable[[], Heads], upto: int, heaps: set[str]) -> int:
    """The last leaf of whose counter says something else than the leaves; `upto` if that is of somebody unheard of."""
    odd = [upto]
    for part in _parts(upto, heaps):
        counted = {one["k"]: (one["n"], index) for index, named in leaves() for one in named if _in(one["k"], part)}
        for tag, n, last in heads():
            if _in(tag, part) and counted.get(tag) == (n, last):
                del counted[tag]
        odd += [last for _, last in counted.values()]
    return min(odd)


def _broken(leaves: Named, heaps: set[str] | None) -> int | None:
    heads: dict[str, tuple[int, int]] = {}
    for index, named in leaves:
        fresh = {one["k"]: one for one in named if _in(one["k"], heaps)}
        for tag, one in fresh.items():
            n, last = heads.get(tag, (0, -1))
            if (one["n"], one["p"]) != (n + 1, last):
                return index
            heads[tag] = (one["n"], index)
    return None


def _in(tag: str, heaps: set[str] | None) -> bool:
    return heaps is None or tag[:LETTERS] in heaps


def _parts(leaves: int, heaps: set[str] | None) -> list[set[str] | None]:
    """The heaps in as many parts as a walk over so many leaves needs, so that memory stays bounded."""
    many = 1 + leaves // AT_ONCE
    if many == 1:
        return [heaps]
    names = sorted(heaps) if heaps is not None else [f"{number:0{LETTERS}x}" for number in range(16**LETTERS)]
    return [set(names[start::many]) for start in range(many)]
