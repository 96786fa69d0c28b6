"""Which hashes prove many leaves at once? Pure: those of the largest subtrees in which none of them stands.

With the known leaves, in order, they give the root, and there is no second list that would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from . import tree

Run = tuple[int, int]  # known leaves [start, end)


def gaps(known: Iterable[Run], size: int) -> Iterator[Run]:
    """What lies between runs of known leaves in a tree of `size`. Raises `ValueError` if they are not in order."""
    at = 0
    for start, end in known:
        if not at <= start <= end <= size:
            raise ValueError(f"leaves {start} to {end} are not in order, or not in a tree of {size}")
        if start == end:
            continue
        if start > at:
            yield at, start
        at = end
    if at < size:
        yield at, size


def nodes(known: Iterable[Run], size: int) -> Iterator[Run]:
    """The largest nodes of the tree without a known leaf, from left to right, as [start, end)."""
    for begin, end in gaps(known, size):
        start = begin
        while start < end:
            low = start & -start or 1 << size.bit_length()  # a node that starts here has at most so many leaves
            rest = end - start
            # the last node may be ragged: it ends where the tree ends
            width = rest if end == size and rest <= low else min(low, 1 << (rest.bit_length() - 1))
            yield start, start + width
            start += width


def prove(known: Iterable[Run], size: int, read: tree.Reader) -> Iterator[bytes]:
    """The hashes of these nodes, 32 bytes each."""
    for start, end in nodes(known, size):
        yield tree.subtree(start, end, read)
