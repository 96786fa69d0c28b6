"""Does one list of hashes prove any set of leaves, and no other list?"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest

from portal.audit import multiproof, tree, verifier

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 255, 256, 257, 511, 513, 700]


def leaves(size: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % at).digest() for at in range(size)]


def reader(size: int) -> tree.Reader:
    tiles = tree.grow(0, leaves(size), lambda level, index: b"")
    return lambda level, index: tiles.get((level, index), b"")


def by_recursion(start: int, end: int, known: set[int]) -> Iterator[tuple[int, int]]:
    """The largest subtrees without a known leaf, straight from their definition."""
    if not known & set(range(start, end)):
        yield start, end
    elif end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        yield from by_recursion(start, middle, known)
        yield from by_recursion(middle, end, known)


def rebuilt(size: int, known: list[int], proof: list[bytes]) -> bytes:
    rest = iter(proof)
    one = verifier.Tree(size, lambda: next(rest))
    hashes = leaves(size)
    for at in known:
        one.skip(at)
        one.add(hashes[at])
    one.skip(size)
    assert not list(rest), "every hash is used"
    return one.root()


@pytest.mark.parametrize("size", SIZES)
def test_any_set_of_leaves_gives_the_root(size: int) -> None:
    dice, read = random.Random(size), reader(size)
    for share in (0, 0.01, 0.3, 0.7, 1):
        known = [at for at in range(size) if dice.random() < share]
        runs = [(at, at + 1) for at in known]

        assert list(multiproof.nodes(runs, size)) == list(by_recursion(0, size, set(known)))
        assert rebuilt(size, known, list(multiproof.prove(runs, size, read))) == tree.root(size, read)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (0, 700), (3, 300), (255, 257), (699, 700), (256, 512)])
def test_a_run_of_leaves_gives_the_root(start: int, end: int) -> None:
    read, hashes = reader(700), leaves(700)
    proof = list(multiproof.prove([(start, end)], 700, read))
    rest = iter(proof)
    one = verifier.Tree(700, lambda: next(rest))
    one.skip(start if start < end else 0)
    for at in range(start, end):
        one.add(hashes[at])
    one.skip(700)
    assert one.root() == tree.root(700, read)


def test_the_roots_of_smaller_sizes_come_out_on_the_way() -> None:
    read, hashes = reader(700), leaves(700)
    one = verifier.Tree(700, lambda: b"")
    for at in range(700):
        one.add(hashes[at])
        assert one.root() == tree.root(at + 1, read)


def test_another_leaf_gives_another_root() -> None:
    read, hashes = reader(33), leaves(33)
    proof = list(multiproof.prove([(5, 6)], 33, read))
    rest = iter(proof)
    one = verifier.Tree(33, lambda: next(rest))
    one.skip(5)
    one.add(hashes[6])
    one.skip(33)
    assert one.root() != tree.root(33, read)


@pytest.mark.parametrize("runs", [[(3, 2)], [(5, 6), (4, 5)], [(0, 34)], [(-1, 0)], [(5, 7), (6, 8)]])
def test_leaves_out_of_order_are_refused(runs: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="not in order"):
        list(multiproof.nodes(runs, 33))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 257])
def test_the_verifier_reads_the_proofs_of_the_tree(size: int) -> None:
    read, hashes, root = reader(size), leaves(size), tree.root(size, reader(size))
    for at in range(0, size, 5):
        proof = tree.inclusion(at, size, read)
        assert verifier.included(at, size, hashes[at], proof, root)
        assert not verifier.included(at, size, hashes[at], [*proof, root], root)
        assert not verifier.included(at, size, hashes[at][::-1], proof, root)
    for old in range(1, size + 1):
        proof = tree.consistency(old, size, read)
        assert verifier.continues(old, size, tree.root(old, read), root, proof)
        assert not verifier.continues(old, size, hashes[0][::-1], root, proof)
