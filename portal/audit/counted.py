"""Are the counts that the log stated for its bundles those of its leaves? Pure: counted again, a part at a time.

Each `log.heads` holds the root of a sorted map of all names at one size (`heads.py`). The entries of one range of names
stand side by side in it, so the names are taken range by range, and memory does not grow with their number.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from . import tree
from .chains import Named

AT_ONCE = 500_000  # names remembered in one go
PREFIX = b"reeve/head/v1\n"
LETTERS = 4  # of a tag in hex: what ranges are cut by


@dataclass(frozen=True)
class Statement:
    """What leaf `index` says of the first `size` leaves: so many names, and the root of their map in hex."""

    index: int
    size: int
    entries: int
    root: str


def first_wrong(statements: list[Statement], leaves: Callable[[], Named], *, names: int) -> int | None:
    """The first leaf that states other counts than the leaves before it give; `names` is about how many there are.

    The leaves are read once for each range, and the names sorted once for each size that was stated.
    """
    sizes = sorted({one.size for one in statements})
    maps: dict[int, _Map] = defaultdict(_Map)
    many = 1 + names // AT_ONCE
    bounds = [f"{part * 16**LETTERS // many:0{LETTERS}x}" for part in range(many)] + ["g"]
    for low, high in itertools.pairwise(bounds):
        heads: dict[str, tuple[int, int]] = {}
        due = sizes[::-1]
        for index, named in leaves() if sizes else ():
            while due and due[-1] <= index:
                maps[due.pop()].add(heads)
            if not due:
                break
            for one in named:
                if low <= one["k"] < high:
                    heads[one["k"]] = (one["n"], index)
        for size in due:
            maps[size].add(heads)
    wrong = (one.index for one in statements if (one.entries, one.root) != maps[one.size].told())
    return min(wrong, default=None)


class _Map:
    """The root over entries that come in order: whole subtrees from left to right, as (leaves, hash)."""

    def __init__(self) -> None:
        self.entries = 0
        self.stack: list[tuple[int, bytes]] = []

    def add(self, heads: dict[str, tuple[int, int]]) -> None:
        for tag in sorted(heads):
            n, last = heads[tag]
            entry = bytes.fromhex(tag) + n.to_bytes(8, "big") + last.to_bytes(8, "big")
            whole = (1, tree.leaf_hash(PREFIX + entry))
            while self.stack and self.stack[-1][0] == whole[0]:
                whole = (2 * whole[0], tree.node_hash(self.stack.pop()[1], whole[1]))
            self.stack.append(whole)
            self.entries += 1

    def told(self) -> tuple[int, str]:
        return self.entries, tree.of_stack(self.stack).hex()
