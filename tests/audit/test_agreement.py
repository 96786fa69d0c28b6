"""Does an implementation by somebody else come to the same roots and proofs? pymerkle, as RFC 9162 has them."""

from __future__ import annotations

import pytest
from pymerkle import InmemoryTree

from portal.audit import tree

SIZE = 700


@pytest.fixture(scope="module")
def both():
    """Their tree and ours, grown leaf by leaf from the same entries."""
    theirs, tiles = InmemoryTree(algorithm="sha256"), {}

    def read(level: int, index: int) -> bytes:
        return tiles.get((level, index), b"")

    for number in range(SIZE):
        entry = b"entry %d" % number
        theirs.append_entry(entry)
        tiles.update(tree.grow(number, [tree.leaf_hash(entry)], read))
    return theirs, read


def test_roots_of_every_size_agree(both):
    theirs, read = both
    assert [tree.root(size, read) for size in range(SIZE + 1)] == [theirs.get_root(size) for size in range(SIZE + 1)]


def test_inclusion_proofs_agree(both):
    theirs, read = both
    cases = [(index, size) for size in range(1, SIZE + 1, 7) for index in range(0, size, 4)]
    assert len(cases) > 8_000
    for index, size in cases:
        leaf, *path = theirs.prove_inclusion(index + 1, size).path  # theirs count from 1 and begin with the leaf
        assert tree.inclusion(index, size, read) == path
        assert tree.check_inclusion(index, size, leaf, path, theirs.get_root(size))


def test_consistency_proofs_agree(both):
    theirs, read = both
    cases = [(old, new) for new in range(2, SIZE + 1, 9) for old in range(1, new, 8)]
    assert len(cases) > 3_000
    for old, new in cases:
        ours, path = tree.consistency(old, new, read), theirs.prove_consistency(old, new).path
        assert set(ours) <= set(path), "theirs names the whole old tree too where it is one subtree"
        assert tree.check_consistency(old, new, theirs.get_root(old), theirs.get_root(new), ours)
