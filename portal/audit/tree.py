"""What does the tree over the leaves come to? The Merkle tree of RFC 6962, kept in tiles, and its proofs (RFC 9162).

Hashes of leaves and of whole subtrees stand side by side in tiles of 256 (C2SP tlog-tiles): level 0 holds leaf hashes,
level n the hashes of whole subtrees of 256**n leaves. A reader gives the hashes of a tile as bytes, 32 each; a tile
that is not full is shorter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

TILE_WIDTH = 256
HASH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Reader = Callable[[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow(size: int, hashes: Sequence[bytes], read: Reader) -> dict[tuple[int, int], bytes]:
    """The tiles `{(level, index): bytes}` that change when leaf hashes are put after the first `size` leaves."""
    changed: dict[tuple[int, int], bytes] = {}
    level, fresh, before = 0, list(hashes), size
    while fresh:
        index, held = divmod(before, TILE_WIDTH)
        tile = read(level, index)[: held * HASH] if held else b""
        if len(tile) != held * HASH:
            raise ValueError(f"tile {level}/{index} holds {len(tile) // HASH} hashes, and {held} are needed")
        whole = []
        for start in range(0, held + len(fresh), TILE_WIDTH):
            part = tile if start == 0 else b""
            begin = max(0, start - held)
            part += b"".join(fresh[begin : start + TILE_WIDTH - held])
            changed[level, index + start // TILE_WIDTH] = part
            if len(part) == TILE_WIDTH * HASH:
                whole.append(of_tile(part))
        level, fresh, before = level + 1, whole, before // TILE_WIDTH
    return changed


def root(size: int, read: Reader) -> bytes:
    """The root over the first `size` leaves; 32 bytes."""
    return _range(0, size, read) if size else EMPTY_ROOT


def of_stack(stack: Sequence[tuple[int, bytes]]) -> bytes:
    """The root over whole subtrees (leaves, hash) that stand side by side, from left to right."""
    top = stack[-1][1] if stack else EMPTY_ROOT
    for _, left in reversed(stack[:-1]):
        top = node_hash(left, top)
    return top


def inclusion(index: int, size: int, read: Reader) -> list[bytes]:
    """The proof that leaf `index` stands in the tree of `size` leaves, from the leaf up (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, read))
            end = middle
        else:
            path.append(_range(start, middle, read))
            start = middle
    return path[::-1]


def consistency(old: int, new: int, read: Reader) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with that of `old` (RFC 9162, 2.1.4.1)."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {old} is no beginning of one of {new}")
    start, end, whole = 0, new, True
    path = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range(middle, end, read))
            end = middle
        else:
            path.append(_range(start, middle, read))
            start, whole = middle, False
    if not whole:
        path.append(_range(start, end, read))
    return path[::-1]


def subtree(start: int, end: int, read: Reader) -> bytes:
    """The hash over leaves [start, end), which must be a node of the tree."""
    return _range(start, end, read)


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that the leaf hash stands at `index` under this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(one, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, one)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that one tree is the beginning of the other (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    one = other = path[0]
    for part in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            one, other = node_hash(part, one), node_hash(part, other)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            other = node_hash(other, part)
        place, last = place >> 1, last >> 1
    return last == 0 and one == old_root and other == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _range(start: int, end: int, read: Reader) -> bytes:
    """The hash over leaves [start, end), where that is a node of the tree: by the highest tiles that hold it."""
    size = end - start
    if size & (size - 1):  # the ragged right edge
        middle = start + _split(size)
        return node_hash(_range(start, middle, read), _range(middle, end, read))
    level = (size.bit_length() - 1) // 8
    width = size >> (8 * level)  # entries of that level, fewer than 256
    index, offset = divmod(start >> (8 * level), TILE_WIDTH)
    part = read(level, index)[offset * HASH : (offset + width) * HASH]
    if len(part) != width * HASH:
        raise ValueError(f"tile {level}/{index} lacks hashes of the leaves {start} to {end}")
    return of_tile(part)


def of_tile(hashes: bytes) -> bytes:
    """The root over a power of two of hashes."""
    row = [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
