"""Does the tree in tiles agree with the definition of RFC 6962, and its proofs with their checks?"""

from __future__ import annotations

import functools
import random

import pytest

from portal.audit import tree

# The leaves and roots that certificate-transparency publishes with RFC 6962 (merkletree test vectors).
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [tree.leaf_hash(number.to_bytes(4, "big")) for number in range(70_000)]


@functools.cache
def mth(start: int, end: int) -> bytes:
    """The definition, word by word."""
    if end - start <= 1:
        return HASHES[start] if end > start else tree.EMPTY_ROOT
    k = 1
    while 2 * k < end - start:
        k *= 2
    return tree.node_hash(mth(start, start + k), mth(start + k, end))


def tiles_of(*batches: int) -> tuple[int, dict[tuple[int, int], bytes]]:
    """The tiles after batches of these sizes."""
    tiles: dict[tuple[int, int], bytes] = {}
    size, read = 0, reader(tiles)
    for batch in batches:
        tiles.update(tree.grow(size, HASHES[size : size + batch], read))
        size += batch
    return size, tiles


def reader(tiles: dict[tuple[int, int], bytes]) -> tree.Reader:
    return lambda level, index: tiles.get((level, index), b"")


def test_it_agrees_with_the_published_vectors():
    hashes = [tree.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
    for size in range(1, 9):
        tiles = tree.grow(0, hashes[:size], lambda *_: b"")
        assert tree.root(size, reader(tiles)).hex() == ROOTS[size - 1]
    assert tree.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_it_agrees_with_the_definition_however_it_grew():
    dice = random.Random(6962)
    for _ in range(60):
        size, tiles = tiles_of(*(dice.choice([0, 1, 2, 17, 255, 256, 257, 600]) for _ in range(dice.randint(1, 6))))
        assert tree.root(size, reader(tiles)) == mth(0, size)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 65_535, 65_536, 65_537, 69_999])
def test_it_agrees_at_the_edges_of_tiles(size):
    _, tiles = tiles_of(size)
    assert tree.root(size, reader(tiles)) == mth(0, size)
    assert tree.root(size - 3, reader(tiles)) == mth(0, size - 3), "an older size is read from the same tiles"


def test_every_proof_of_a_small_tree_holds_and_no_changed_one():
    checked = 0
    _, tiles = tiles_of(70)
    read = reader(tiles)
    for size in range(1, 71):
        whole = mth(0, size)
        for index in range(size):
            proof = tree.inclusion(index, size, read)
            assert tree.check_inclusion(index, size, HASHES[index], proof, whole)
            assert not tree.check_inclusion(index, size, HASHES[index + 1], proof, whole)
            assert not tree.check_inclusion(index, size, HASHES[index], [*proof, whole], whole)
            assert not proof or not tree.check_inclusion(index, size, HASHES[index], proof[:-1], whole)
            checked += 1
        for old in range(1, size + 1):
            proof = tree.consistency(old, size, read)
            assert tree.check_consistency(old, size, mth(0, old), whole, proof)
            assert not tree.check_consistency(old, size, HASHES[0] if old > 1 else whole, HASHES[1], proof)
            assert not tree.check_consistency(old, size, mth(0, old), whole, [*proof, whole])
            checked += 1
    assert checked == 2 * sum(range(1, 71))


def test_proofs_of_a_large_tree_hold():
    dice = random.Random(9162)
    _, tiles = tiles_of(69_001)
    read = reader(tiles)
    for _ in range(300):
        size = dice.randint(1, 69_001)
        index, old = dice.randrange(size), dice.randint(1, size)
        proof = tree.inclusion(index, size, read)
        assert tree.check_inclusion(index, size, HASHES[index], proof, mth(0, size))
        if proof:
            at = dice.randrange(len(proof))
            proof[at] = bytes([proof[at][0] ^ 1]) + proof[at][1:]
            assert not tree.check_inclusion(index, size, HASHES[index], proof, mth(0, size))
        proof = tree.consistency(old, size, read)
        assert tree.check_consistency(old, size, mth(0, old), mth(0, size), proof)


def test_what_cannot_be_is_refused():
    read = reader(tiles_of(5)[1])
    for wrong in (lambda: tree.inclusion(5, 5, read), lambda: tree.consistency(0, 5, read), lambda: tree.root(9, read)):
        with pytest.raises(ValueError, match=r"leaf|beginning|lacks"):
            wrong()
