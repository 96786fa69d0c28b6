"""How many leaves name whom, at one size of the log? The heads as a sorted Merkle map, and proofs of its entries.

An entry is tag ‖ n ‖ last (16 + 8 + 8 bytes, big endian); entries are sorted by tag and are the leaves of a tree as in
RFC 6962. A tag is absent when two entries that stand side by side have it between them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from . import tree
from .counted import PREFIX

ENTRY, TAG = 32, 16
CHUNK = 1 << 16  # entries hashed at a time

_ALL = "SELECT string_agg(tag || int8send(n) || int8send(last), ''::bytea ORDER BY tag) FROM portal_head"


@dataclass(frozen=True)
class Heads:
    """The heads at a size. Memory: about 70 bytes an entry."""

    size: int  # leaves
    entries: bytes  # 32 each, sorted
    tiles: dict[tuple[int, int], bytes]

    def __len__(self) -> int:
        return len(self.entries) // ENTRY

    @property
    def root(self) -> bytes:
        """The root over all entries."""
        return tree.root(len(self), self._read)

    def count(self, tag: bytes) -> tuple[int, int]:
        """How many leaves name this tag, and the last of them; (0, -1) for none."""
        at = self._place(tag)
        entry = self.entries[at * ENTRY : (at + 1) * ENTRY]
        return (_number(entry[TAG : TAG + 8]), _number(entry[TAG + 8 :])) if entry[:TAG] == tag else (0, -1)

    def prove(self, tag: bytes) -> dict[str, Any]:
        """What shows how many leaves name this tag: its entry, or the two neighbours between which it is not."""
        at = self._place(tag)
        if at < len(self) and self._tag(at) == tag:
            return {"is": self._shown(at)}
        return {
            "before": self._shown(at - 1) if at else None,
            "after": self._shown(at) if at < len(self) else None,
        }

    def _place(self, tag: bytes) -> int:
        """The index of the first entry that is not before the tag."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._tag(middle) < tag else (low, middle)
        return low

    def _tag(self, at: int) -> bytes:
        return self.entries[at * ENTRY : at * ENTRY + TAG]

    def _shown(self, at: int) -> dict[str, Any]:
        entry = self.entries[at * ENTRY : (at + 1) * ENTRY]
        return {
            "tag": entry[:TAG].hex(),
            "at": at,
            "n": _number(entry[TAG : TAG + 8]),
            "last": _number(entry[TAG + 8 :]),
            "proof": [base64.b64encode(one).decode() for one in tree.inclusion(at, len(self), self._read)],
        }

    def _read(self, level: int, index: int) -> bytes:
        return self.tiles.get((level, index), b"")


def of(size: int, entries: bytes) -> Heads:
    """The map over sorted entries."""
    tiles: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        return tiles.get((level, index), b"")

    for begin in range(0, len(entries), CHUNK * ENTRY):
        part = entries[begin : begin + CHUNK * ENTRY]
        hashes = [tree.leaf_hash(PREFIX + part[at : at + ENTRY]) for at in range(0, len(part), ENTRY)]
        tiles.update(tree.grow(begin // ENTRY, hashes, read))
    return Heads(size, entries, tiles)


def of_counts(size: int, counts: Iterable[tuple[bytes, int, int]]) -> Heads:
    """The map over (tag, n, last), in any order."""
    return of(size, joined(counts))


def joined(counts: Iterable[tuple[bytes, int, int]]) -> bytes:
    """Sorted entries of (tag, n, last), in any order."""
    return b"".join(tag + n.to_bytes(8, "big") + last.to_bytes(8, "big") for tag, n, last in sorted(counts))


def by_tag(told: bytes) -> dict[str, tuple[int, int]]:
    """Entries as tag (hex) → n, last."""
    whole = [told[at : at + ENTRY] for at in range(0, len(told), ENTRY)]
    return {one[:TAG].hex(): (_number(one[TAG : TAG + 8]), _number(one[TAG + 8 :])) for one in whole}


def entries() -> bytes:
    """The sorted entries of all heads, as the database has them now."""
    with connections["default"].cursor() as cursor:
        cursor.execute(_ALL)
        return bytes(cursor.fetchone()[0] or b"")


def take() -> Heads:
    """All heads and the size of the tree they belong to, read in one snapshot.

    Must not be called inside a transaction. A million: under two seconds (`python -m tests.bench.verify`).
    """
    with transaction.atomic(durable=True), connections["default"].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT size FROM portal_tree WHERE id = 1")
        size = cursor.fetchone()[0]
        found = entries()
    return of(size, found)


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
