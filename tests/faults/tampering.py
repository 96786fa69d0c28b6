"""What can somebody do to the rows of a bundle who has everything but the key of the log? Each way, at three depths.

Depth 0: changes the thing and leaves the rest. 1: makes the manifest, the counts and SHA256SUMS fit. 2: also hashes
leaves, tree and proofs anew. An act returns the lowest leaf it touched, None if it touched none, or `NOTHING` if there
was nothing to do it to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from portal.audit import packing
from portal.audit.canonical import payload_hash

from .taken_apart import NOTHING, Open, Row

Act = Callable[[Open, random.Random], int | None]


def _some(one: Open, dice: random.Random) -> int:
    return dice.randrange(len(one.rows)) if one.rows else NOTHING


def _leaf(row: Row, **changes: Any) -> bytes:
    told = {**json.loads(row[1]), **changes}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def edit_payload(one: Open, dice: random.Random) -> int | None:
    """Another fact in the event; the leaf as it was."""
    if (at := _some(one, dice)) == NOTHING or one.rows[at][2] is None:
        return NOTHING
    index, leaf, payload = one.rows[at]
    assert payload is not None
    place = dice.randrange(len(payload))
    one.rows[at] = (index, leaf, payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :])
    return index


def edit_event_and_leaf(one: Open, dice: random.Random) -> int | None:
    """Another event altogether, its hash in the leaf."""
    if (at := _some(one, dice)) == NOTHING or one.rows[at][2] is None:
        return NOTHING
    index, _, payload = one.rows[at]
    told = json.loads(payload or b"{}")
    told["facts"] = {**told["facts"], "n": dice.randrange(10**6)}
    fresh = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    one.rows[at] = (index, _leaf(one.rows[at], ph=payload_hash(fresh).hex()), fresh)
    return index


def edit_leaf(one: Open, dice: random.Random) -> int | None:
    """Another time in the leaf."""
    if (at := _some(one, dice)) == NOTHING:
        return NOTHING
    index, _, payload = one.rows[at]
    one.rows[at] = (index, _leaf(one.rows[at], t="2026-01-01T00:00:00.000000Z"), payload)
    return index


def edit_count(one: Open, dice: random.Random) -> int | None:
    """Another number in the leaf, to close a hole or to make one."""
    if (at := _some(one, dice)) == NOTHING:
        return NOTHING
    index, leaf, payload = one.rows[at]
    told = json.loads(leaf)
    for part in (*told["subj"], told["act"]):
        part["n"] += 1
    one.rows[at] = (index, _leaf(one.rows[at], subj=told["subj"], act=told["act"]), payload)
    return index


def drop(one: Open, dice: random.Random, at: int | None = None) -> int | None:
    """A row less."""
    at = _some(one, dice) if at is None else at
    return NOTHING if at == NOTHING or not one.rows else one.rows.pop(at)[0]


def drop_first(one: Open, dice: random.Random) -> int | None:
    return drop(one, dice, 0)


def drop_last(one: Open, dice: random.Random) -> int | None:
    return drop(one, dice, len(one.rows) - 1)


def drop_middle(one: Open, dice: random.Random) -> int | None:
    return drop(one, dice, dice.randrange(1, len(one.rows) - 1)) if len(one.rows) > 2 else NOTHING


def drop_only(one: Open, dice: random.Random) -> int | None:
    return drop(one, dice, 0) if len(one.rows) == 1 else NOTHING


def drop_and_renumber(one: Open, dice: random.Random) -> int | None:
    """A row less, and all after it moved up."""
    if len(one.rows) < 2 or not one.ranged:
        return NOTHING
    at = dice.randrange(len(one.rows) - 1)
    gone = one.rows[at][0]
    one.rows = [*one.rows[:at], *((index - 1, leaf, payload) for index, leaf, payload in one.rows[at + 1 :])]
    one.manifest["scope"]["end"] -= 1
    del one.hashes[gone]
    one.hashes.append(b"\x00" * 32)
    return gone


def truncate(one: Open, dice: random.Random) -> int | None:
    """The last rows less; of a range, said to be shorter."""
    if not one.rows:
        return NOTHING
    at = dice.randrange(len(one.rows))
    first = one.rows[at][0]
    if not one.ranged and at != len(one.rows) - 1:
        at = len(one.rows) - 1
        first = one.rows[at][0]
    if one.ranged:
        one.manifest["scope"]["end"] = first
    one.rows = one.rows[:at]
    return first


def cut_the_file(one: Open, dice: random.Random) -> int | None:
    """events.jsonl ends in the middle of its last line."""
    if not one.rows:
        return NOTHING
    one.raw = b"".join(packing.line(*row) for row in one.rows)[: -dice.randrange(2, 100)]
    return one.rows[-1][0]


def repeat(one: Open, dice: random.Random) -> int | None:
    """A row twice."""
    if (at := _some(one, dice)) == NOTHING:
        return NOTHING
    one.rows.insert(at, one.rows[at])
    return one.rows[at][0]


def insert(one: Open, dice: random.Random) -> int | None:
    """An event that never was, where another leaf stands, and well counted."""
    if (at := _some(one, dice)) == NOTHING:
        return NOTHING
    index, leaf, payload = one.rows[at]
    ours = set(one.manifest["scope"].get("tags", {}).values())
    told = json.loads(leaf)
    for part in (*told["subj"], told["act"]):
        if part["k"] in ours or one.ranged:
            part["n"], part["p"] = part["n"] + 1, index
    if index + 1 >= len(one.hashes) or index + 1 in {row[0] for row in one.rows} or index + 1 >= one.manifest["size"]:
        return NOTHING
    one.rows.insert(at + 1, (index + 1, _leaf(one.rows[at], subj=told["subj"], act=told["act"]), payload))
    return index + 1


def swap(one: Open, dice: random.Random) -> int | None:
    """Two lines change places."""
    if len(one.rows) < 2:
        return NOTHING
    left, right = sorted(dice.sample(range(len(one.rows)), 2))
    one.rows[left], one.rows[right] = one.rows[right], one.rows[left]
    return one.rows[right][0]


def swap_content(one: Open, dice: random.Random) -> int | None:
    """Two events change places under their indexes."""
    if len(one.rows) < 2:
        return NOTHING
    left, right = sorted(dice.sample(range(len(one.rows)), 2))
    (i, leaf_i, payload_i), (j, leaf_j, payload_j) = one.rows[left], one.rows[right]
    one.rows[left], one.rows[right] = (i, leaf_j, payload_j), (j, leaf_i, payload_i)
    return i


def withhold(one: Open, dice: random.Random) -> int | None:
    """The payload of a row less, as if it could not be given."""
    if (at := _some(one, dice)) == NOTHING or one.rows[at][2] is None:
        return NOTHING
    one.rows[at] = (*one.rows[at][:2], None)
    return one.rows[at][0]


def hash_of_a_leaf(one: Open, dice: random.Random) -> int | None:
    """A byte of leafhashes.bin."""
    hashes = one.files.get("leafhashes.bin", b"")
    if not hashes:
        return NOTHING
    at = dice.randrange(len(hashes))
    one.files["leafhashes.bin"] = hashes[:at] + bytes([hashes[at] ^ 1]) + hashes[at + 1 :]
    one.hashes[one.manifest["scope"]["start"] + at // 32] = one.files["leafhashes.bin"][at // 32 * 32 :][:32]
    return int(one.manifest["scope"]["start"] + at // 32)


ON_ROWS: list[Act] = [
    edit_payload, edit_event_and_leaf, edit_leaf, edit_count, drop, drop_first, drop_middle, drop_last, drop_only,
    drop_and_renumber, truncate, cut_the_file, repeat, insert, swap, swap_content, withhold, hash_of_a_leaf,
]  # fmt: skip
