"""What can the owner of the database do to the log before a bundle is made of it, and who finds out?"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

from portal.audit import sealing, tree
from portal.audit.canonical import payload_hash
from portal.audit.models import Leaf
from tests.audit.test_verify import tamper

Done = tuple[tuple[int, ...], str]  # the leaves touched, and the name whose bundle should show it


@dataclass
class Log:
    """The log as its owner reads it."""

    leaves: list[bytes]
    payloads: list[bytes]
    events: list[str]

    @classmethod
    def read(cls) -> Log:
        rows = list(Leaf.objects.order_by("index").values_list("leaf", "event__payload", "event_id"))
        return cls([bytes(row[0]) for row in rows], [bytes(row[1]) for row in rows], [str(row[2]) for row in rows])

    def name_at(self, index: int) -> str:
        return str(json.loads(self.payloads[index])["of"][0])


Act = Callable[[Log, random.Random], Done]


def _run(sql: str, params: Sequence[Any] = ()) -> None:
    """One statement as owner, every trigger off, as `tamper()` does."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql, params)


def _quiet() -> None:
    tamper()
    with connections["owner"].cursor() as cursor:
        for table in ("portal_auditevent", "portal_leaf", "portal_checkpoint"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def loud() -> None:
    """The triggers as they were."""
    with connections["owner"].cursor() as cursor:
        for table in ("portal_auditevent", "portal_leaf", "portal_checkpoint"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _rebuild(leaves: list[bytes]) -> None:
    """Tiles, heads and size as these leaves would have them."""
    tiles = tree.grow(0, [tree.leaf_hash(leaf) for leaf in leaves], lambda level, index: b"")
    heads: dict[str, tuple[int, int]] = {}
    for index, leaf in enumerate(leaves):
        told = json.loads(leaf)
        heads |= {one["k"]: (one["n"], index) for one in (*told["subj"], told["act"])}
    _run("DELETE FROM portal_tile")
    for (level, index), hashes in tiles.items():
        _run("INSERT INTO portal_tile (level, idx, hashes) VALUES (%s, %s, %s)", [level, index, hashes])
    _run("DELETE FROM portal_head")
    for tag, (n, last) in heads.items():
        _run("INSERT INTO portal_head (tag, n, last) VALUES (%s, %s, %s)", [bytes.fromhex(tag), n, last])
    _run("UPDATE portal_tree SET size = %s", [len(leaves)])


def _renumbered(leaves: list[bytes]) -> list[bytes]:
    """The same leaves with every count and pointer made to fit."""
    heads: dict[str, tuple[int, int]] = {}
    found = []
    for index, leaf in enumerate(leaves):
        told = json.loads(leaf)
        for one in (*told["subj"], told["act"]):
            n, last = heads.get(one["k"], (0, -1))
            one["n"], one["p"] = n + 1, last
        heads |= {one["k"]: (one["n"], index) for one in (*told["subj"], told["act"])}
        found.append(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())
    return found


def _edited(payload: bytes) -> bytes:
    told = json.loads(payload)
    told["facts"] = {**told["facts"], "n": 987654}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def edit_event(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    fresh = _edited(log.payloads[at])
    _run("UPDATE portal_auditevent SET payload = %s WHERE id = %s", [fresh, log.events[at]])
    return (at,), log.name_at(at)


def edit_event_and_hash(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    fresh = _edited(log.payloads[at])
    told = [fresh, payload_hash(fresh), log.events[at]]
    _run("UPDATE portal_auditevent SET payload = %s, payload_hash = %s WHERE id = %s", told)
    return (at,), log.name_at(at)


def _rewrite(log: Log, at: int) -> None:
    fresh = _edited(log.payloads[at])
    leaf = {**json.loads(log.leaves[at]), "ph": payload_hash(fresh).hex()}
    log.leaves[at] = json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode()
    told = [fresh, payload_hash(fresh), log.events[at]]
    _run("UPDATE portal_auditevent SET payload = %s, payload_hash = %s WHERE id = %s", told)
    _run("UPDATE portal_leaf SET leaf = %s WHERE index = %s", [log.leaves[at], at])


def edit_event_and_leaf(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    _rewrite(log, at)
    return (at,), log.name_at(at)


def edit_all_but_the_signature(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    _rewrite(log, at)
    _rebuild(log.leaves)
    return (at,), log.name_at(at)


def drop_event(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    _run("DELETE FROM portal_auditevent WHERE id = %s", [log.events[at]])
    return (at,), log.name_at(at)


def drop_leaf(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    _run("DELETE FROM portal_leaf WHERE index = %s", [at])
    return (at,), log.name_at(at)


def drop_event_and_leaf(log: Log, dice: random.Random) -> Done:
    done = drop_event(log, dice)
    _run("DELETE FROM portal_leaf WHERE index = %s", [done[0][0]])
    return done


def drop_and_renumber(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    name = log.name_at(at)
    _run("DELETE FROM portal_auditevent WHERE id = %s", [log.events[at]])
    _run("DELETE FROM portal_leaf WHERE index = %s", [at])
    leaves = _renumbered(log.leaves[:at] + log.leaves[at + 1 :])
    for index in range(at, len(leaves)):
        _run("UPDATE portal_leaf SET index = %s, leaf = %s WHERE index = %s", [index, leaves[index], index + 1])
    _rebuild(leaves)
    return (at,), name


def insert_and_renumber(log: Log, dice: random.Random) -> Done:
    """An event that never was, in its place, and all after it moved."""
    at = dice.randrange(len(log.leaves))
    for index in range(len(log.leaves) - 1, at - 1, -1):
        _run("UPDATE portal_leaf SET index = %s WHERE index = %s", [index + 1, index])
    fake = "0199aaaa-0000-7000-8000-000000000000"
    payload = json.dumps({**json.loads(log.payloads[at]), "id": fake}, sort_keys=True, separators=(",", ":")).encode()
    leaf = {**json.loads(log.leaves[at]), "id": fake, "ph": payload_hash(payload).hex()}
    raw = json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode()
    leaves = _renumbered([*log.leaves[:at], raw, *log.leaves[at:]])
    _run(
        "INSERT INTO portal_auditevent (id, occurred_at, told_at, type, by, subjects, payload, payload_hash)"
        " SELECT %s, occurred_at, told_at, type, by, subjects, %s, %s FROM portal_auditevent WHERE id = %s",
        [fake, payload, payload_hash(payload), log.events[at]],
    )
    _run("INSERT INTO portal_leaf (index, event_id, leaf) VALUES (%s, %s, %s)", [at, fake, leaves[at]])
    for index in range(at + 1, len(leaves)):
        _run("UPDATE portal_leaf SET leaf = %s WHERE index = %s", [leaves[index], index])
    _rebuild(leaves)
    return (at,), log.name_at(at)


def swap_leaves(log: Log, dice: random.Random) -> Done:
    one, other = sorted(dice.sample(range(len(log.leaves)), 2))
    for old, new in ((one, 10**9), (other, one), (10**9, other)):
        _run("UPDATE portal_leaf SET index = %s WHERE index = %s", [new, old])
    return (one, other), log.name_at(one)


def swap_events(log: Log, dice: random.Random) -> Done:
    one, other = sorted(dice.sample(range(len(log.leaves)), 2))
    for at, theirs in ((one, other), (other, one)):
        _run("UPDATE portal_auditevent SET payload = %s WHERE id = %s", [log.payloads[theirs], log.events[at]])
    return (one, other), log.name_at(one)


def roll_back(log: Log, dice: random.Random) -> Done:
    """As it was some leaves ago, checkpoints too."""
    at = dice.randrange(1, len(log.leaves))
    name = log.name_at(at)
    for event in log.events[at:]:
        _run("DELETE FROM portal_auditevent WHERE id = %s", [event])
    _run("DELETE FROM portal_leaf WHERE index >= %s", [at])
    _run("DELETE FROM portal_checkpoint WHERE size > %s", [at])
    _rebuild(log.leaves[:at])
    return (at,), name


def hide_from_the_index(log: Log, dice: random.Random) -> Done:
    """The columns say that it is about somebody else: the export would not find it."""
    at = dice.randrange(len(log.leaves))
    _run("UPDATE portal_auditevent SET subjects = ARRAY['case:888'] WHERE id = %s", [log.events[at]])
    return (at,), log.name_at(at)


def hide_and_count_down(log: Log, dice: random.Random) -> Done:
    """The last event of somebody hidden from the index, and their counter set back."""
    at = dice.randrange(len(log.leaves))
    name = log.name_at(at)
    tag = sealing.tag(name)
    named = [index for index, leaf in enumerate(log.leaves) if tag.hex() in leaf.decode()]
    _run("UPDATE portal_auditevent SET subjects = ARRAY['case:888'] WHERE id = %s", [log.events[named[-1]]])
    if len(named) > 1:
        _run("UPDATE portal_head SET n = n - 1, last = %s WHERE tag = %s", [named[-2], tag])
    else:
        _run("DELETE FROM portal_head WHERE tag = %s", [tag])
    return (named[-1],), name


def edit_leaf(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    leaf = {**json.loads(log.leaves[at]), "type": "case.claimed"}
    raw = json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode()
    _run("UPDATE portal_leaf SET leaf = %s WHERE index = %s", [raw, at])
    return (at,), log.name_at(at)


def edit_tile(log: Log, dice: random.Random) -> Done:
    at = dice.randrange(len(log.leaves))
    block, place = divmod(at, tree.TILE_WIDTH)
    _run(
        "UPDATE portal_tile SET hashes = overlay(hashes placing %s from %s) WHERE level = 0 AND idx = %s",
        [b"\x00" * 32, place * 32 + 1, block],
    )
    return (at,), log.name_at(at)


def edit_checkpoint(log: Log, dice: random.Random) -> Done:
    _run("UPDATE portal_checkpoint SET note = replace(note, 'A', 'B'), root = sha256('x')")
    return (), log.name_at(0)


def drop_checkpoints(log: Log, dice: random.Random) -> Done:
    """None of them is there any more, and the log is rewritten from the beginning."""
    at = dice.randrange(len(log.leaves))
    _run("DELETE FROM portal_checkpoint")
    _rewrite(log, at)
    _rebuild(log.leaves)
    return (at,), log.name_at(at)


ACTS: list[Act] = [
    edit_event, edit_event_and_hash, edit_event_and_leaf, edit_all_but_the_signature, drop_event, drop_leaf,
    drop_event_and_leaf, drop_and_renumber, insert_and_renumber, swap_leaves, swap_events, roll_back,
    hide_from_the_index, hide_and_count_down, edit_leaf, edit_tile, edit_checkpoint, drop_checkpoints,
]  # fmt: skip


def strike(act: Act, dice: random.Random) -> Done:
    """Do it, as the owner of the database, with every trigger off while it lasts."""
    _quiet()
    try:
        return act(Log.read(), dice)
    finally:
        loud()
