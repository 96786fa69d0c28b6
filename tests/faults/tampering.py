"""What can somebody do to a bundle who has everything but the key of the log? Each way, at three depths.

Depth 0: changes the thing and leaves the rest. 1: makes the manifest, the counts and SHA256SUMS fit. 2: also hashes
leaves, tree and proofs anew. An act returns the lowest leaf it touched, None if it touched none, or `NOTHING` if there
was nothing to do it to.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from portal.audit import multiproof, note, packing, tree, verifier
from portal.audit.canonical import payload_hash

NOTHING = -1
Row = tuple[int, bytes, bytes | None]


@dataclass(frozen=True)
class Base:
    """An honest bundle, and what its attacker knows besides: all leaf hashes, and other bundles of the same log."""

    files: dict[str, bytes]
    vkey: str
    hashes: list[bytes]
    marks: list[str] = field(default_factory=list)  # all signed checkpoints of the log
    others: list[Base] = field(default_factory=list)
    twin: bool = False  # of another history that the same key signed


class Open:
    """A bundle taken apart."""

    def __init__(self, base: Base) -> None:
        self.base, self.files = base, dict(base.files)
        self.manifest = json.loads(base.files["manifest.json"])
        self.heads = json.loads(base.files["proofs/heads.json"])
        self.hashes = list(base.hashes)
        lines = [json.loads(line) for line in base.files["events.jsonl"].splitlines()]
        self.rows: list[Row] = [
            (one["i"], base64.b64decode(one["leaf"]), base64.b64decode(one["payload"]) if "payload" in one else None)
            for one in lines
        ]
        self.raw: bytes | None = None  # events.jsonl as it is, instead of the rows
        self.key = base.vkey

    @property
    def ranged(self) -> bool:
        return bool(self.manifest["scope"]["kind"] == "range")

    def close(self, depth: int) -> bytes:
        """The zip again."""
        files, manifest = self.files, self.manifest
        lines = b"".join(packing.line(*row) for row in self.rows)
        files["events.jsonl"] = lines if self.raw is None else self.raw
        if depth > 1:
            self._hash_anew()
        if depth > 0:
            counts = manifest["counts"]
            counts["leaves"], counts["payloads"] = len(self.rows), sum(row[2] is not None for row in self.rows)
            if self.ranged:
                counts["hidden"] = max(0, manifest["scope"]["end"] - manifest["scope"]["start"] - len(self.rows))
            indexes = [row[0] for row in self.rows]
            manifest["first"], manifest["last"] = min(indexes, default=None), max(indexes, default=None)
            content = {name for name in files if name not in verifier.LOOSE and not name.startswith("proofs/")}
            manifest["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in content}
        files["proofs/heads.json"] = files["proofs/heads.json"] and verifier.dumped(self.heads).encode()
        files["manifest.json"] = verifier.dumped(manifest).encode()
        if depth > 0:
            sums = {name: hashlib.sha256(one).hexdigest() for name, one in files.items() if name != "SHA256SUMS"}
            files["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
        return packed(files)

    def _hash_anew(self) -> None:
        """Leaf hashes, the proof of all and the proofs of single rows that changed, as far as they need no key."""
        size, files = len(self.hashes), self.files
        changed = set()
        for index, leaf, _ in self.rows:
            if index < size and self.hashes[index] != tree.leaf_hash(leaf):
                self.hashes[index] = tree.leaf_hash(leaf)
                changed.add(index)
        tiles = tree.grow(0, self.hashes, lambda level, index: b"")

        def read(level: int, index: int) -> bytes:
            return tiles.get((level, index), b"")

        known = sorted({row[0] for row in self.rows if row[0] < size})
        if self.ranged:
            scope = self.manifest["scope"]
            files["leafhashes.bin"] = b"".join(self.hashes[scope["start"] : scope["end"]])
            runs = [(scope["start"], scope["end"])]
        else:
            runs = [(at, at + 1) for at in known]
        files["proofs/tree.bin"] = b"".join(multiproof.prove(runs, size, read))
        singles = {self.heads["index"], *(known if len(known) <= verifier.EACH else [known[0], known[-1]])}
        for name in [name for name in files if name.endswith(".tlog-proof")]:
            if int(name[7:-11]) not in singles:
                del files[name]
        for index in singles:
            if index in changed or f"proofs/{index}.tlog-proof" not in files:
                told = packing.tlog_proof(index, tree.inclusion(index, size, read), files["checkpoint.txt"].decode())
                files[f"proofs/{index}.tlog-proof"] = told


def packed(files: dict[str, bytes]) -> bytes:
    """Files as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """A zip as files."""
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        return {name: whole.read(name) for name in whole.namelist()}


Act = Callable[[Open, random.Random], int | None]


def _some(one: Open, dice: random.Random) -> int:
    return dice.randrange(len(one.rows)) if one.rows else NOTHING


def _leaf(row: Row, **changes: Any) -> bytes:
    told = {**json.loads(row[1]), **changes}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# --- Acts on rows -----------------------------------------------------------------------------------------------------


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


# --- Acts on what ties the rows to the log ----------------------------------------------------------------------------


def _flip(one: Open, dice: random.Random, name: str) -> int | None:
    content = one.files.get(name, b"")
    if not content:
        return NOTHING
    at = dice.randrange(len(content))
    one.files[name] = content[:at] + bytes([content[at] ^ (1 << dice.randrange(7))]) + content[at + 1 :]
    return None


def flip_the_checkpoint(one: Open, dice: random.Random) -> int | None:
    return _flip(one, dice, "checkpoint.txt")


def flip_the_tree(one: Open, dice: random.Random) -> int | None:
    return _flip(one, dice, "proofs/tree.bin")


def flip_the_key(one: Open, dice: random.Random) -> int | None:
    return _flip(one, dice, "VKEYS")


def flip_a_proof(one: Open, dice: random.Random) -> int | None:
    names = [name for name in one.files if name.endswith(".tlog-proof")]
    _flip(one, dice, dice.choice(sorted(names)))
    return None


def flip_the_previous(one: Open, dice: random.Random) -> int | None:
    return _flip(one, dice, dice.choice(["previous-checkpoint.txt", "proofs/consistency.txt"]))


def flip_the_older(one: Open, dice: random.Random) -> int | None:
    notes = json.loads(one.files.get("proofs/checkpoints.json", b"[]"))
    if not notes:
        return NOTHING
    at = dice.randrange(len(notes))
    place = dice.randrange(len(notes[at]))
    notes[at] = notes[at][:place] + chr(ord(notes[at][place]) ^ 1) + notes[at][place + 1 :]
    one.files["proofs/checkpoints.json"] = verifier.dumped(notes).encode()
    return None


def sign_again(one: Open, dice: random.Random, *, origin: str = "", key_inside: bool = True) -> int | None:
    """The whole forged and signed by another key of the same name."""
    old = note.Note.parse(one.files["checkpoint.txt"].decode())
    told = note.Checkpoint.parse(old.text)
    forger = note.Signer(origin or told.origin, Ed25519PrivateKey.generate())
    root = tree.root(len(one.hashes), _reader(one.hashes))
    text = note.Checkpoint(origin or told.origin, told.size, root).text
    fresh = str(note.Note(text, [forger.sign(text)])).encode()
    one.files = {name: content.replace(str(old).encode(), fresh) for name, content in one.files.items()}
    if key_inside:
        one.files["VKEYS"] = f"{forger.verifier.vkey}\n".encode()
    one.manifest["origin"] = origin or told.origin
    return None


def sign_again_and_hide_it(one: Open, dice: random.Random) -> int | None:
    """As before, with the true key left in VKEYS."""
    return sign_again(one, dice, key_inside=False)


def another_origin(one: Open, dice: random.Random) -> int | None:
    return sign_again(one, dice, origin="evil.example/log")


def ask_with_another_key(one: Open, dice: random.Random) -> int | None:
    """The bundle is honest, and the auditor has the key of another log."""
    one.key = note.Signer(one.manifest["origin"], Ed25519PrivateKey.generate()).verifier.vkey
    return None


def stale_checkpoint(one: Open, dice: random.Random) -> int | None:
    """An older checkpoint, truly signed."""
    older = [mark for mark in one.base.marks if int(mark.split("\n")[1]) < len(one.hashes)]
    return _other_checkpoint(one, dice.choice(older)) if older else NOTHING


def split_view(one: Open, dice: random.Random) -> int | None:
    """A checkpoint of another history, truly signed by the same log."""
    others = [other for other in one.base.others if other.twin]
    return _other_checkpoint(one, dice.choice(others).files["checkpoint.txt"].decode()) if others else NOTHING


def _other_checkpoint(one: Open, mark: str) -> int | None:
    old = one.files["checkpoint.txt"]
    one.files = {name: content.replace(old, mark.encode()) for name, content in one.files.items()}
    size, root = mark.split("\n")[1:3]
    one.manifest["checkpoint"] = {"size": int(size), "root": base64.b64decode(root).hex()}
    return None


def another_previous(one: Open, dice: random.Random) -> int | None:
    """A previous checkpoint of another history."""
    others = [other for other in one.base.others if other.twin]
    if not others or "previous-checkpoint.txt" not in one.files:
        return NOTHING
    mark = dice.choice(others).files["checkpoint.txt"]
    one.files["previous-checkpoint.txt"] = mark
    size, root = mark.decode().split("\n")[1:3]
    one.manifest["previous"] = {"size": int(size), "root": base64.b64decode(root).hex()}
    return None


def no_previous(one: Open, dice: random.Random) -> int | None:
    """As if the log began here."""
    if "previous-checkpoint.txt" not in one.files:
        return NOTHING
    del one.files["previous-checkpoint.txt"], one.files["proofs/consistency.txt"]
    one.manifest["previous"] = None
    return None


def edit_heads(one: Open, dice: random.Random) -> int | None:
    """One number of what the log stated, or of its proof."""
    if not one.heads["tags"]:
        return NOTHING
    tag = dice.choice(sorted(one.heads["tags"]))
    told = one.heads["tags"][tag]
    side = dice.choice(sorted(name for name in told if told[name]) or [""])
    if not side:
        return NOTHING
    part = dice.choice(["n", "last", "at", "tag", "proof"])
    if part == "proof":
        told[side]["proof"] = told[side]["proof"][:-1] or ["A" * 43 + "="]
    else:
        told[side][part] = f"{int(told[side]['tag'], 16) ^ 1:032x}" if part == "tag" else told[side][part] + 1
    return None


def edit_statement(one: Open, dice: random.Random) -> int | None:
    """Another size, root or digest in the statement."""
    payload = json.loads(base64.b64decode(one.heads["payload"]))
    facts, name = payload["facts"], dice.choice(sorted(payload["facts"]))
    facts[name] = facts[name] + 1 if isinstance(facts[name], int) else f"{int(facts[name], 16) ^ 1:064x}"
    fresh = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
    leaf = json.loads(base64.b64decode(one.heads["leaf"]))
    if dice.random() < 0.5:
        leaf["ph"] = payload_hash(fresh).hex()
    one.heads["payload"] = base64.b64encode(fresh).decode()
    one.heads["leaf"] = base64.b64encode(json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode()).decode()
    return None


def statement_of_another(one: Open, dice: random.Random) -> int | None:
    """The true statement about another bundle of the same log."""
    others = [other for other in one.base.others if other.hashes == one.base.hashes[: len(other.hashes)]]
    others = [other for other in others if not other.twin]
    if not others:
        return NOTHING
    theirs = json.loads(dice.choice(others).files["proofs/heads.json"])
    if theirs["index"] >= len(one.hashes):
        return NOTHING
    one.heads = {**theirs, "tags": dice.choice([theirs["tags"], one.heads["tags"]])}
    if dice.random() < 0.5:
        one.manifest["size"] = json.loads(base64.b64decode(theirs["payload"]))["facts"]["size"]
    path = tree.inclusion(theirs["index"], len(one.hashes), _reader(one.hashes))
    told = packing.tlog_proof(theirs["index"], path, one.files["checkpoint.txt"].decode())
    one.files[f"proofs/{theirs['index']}.tlog-proof"] = told
    return None


def another_name(one: Open, dice: random.Random) -> int | None:
    """A bundle about one, said to be about another."""
    if one.ranged:
        return NOTHING
    one.manifest["scope"]["name"] = "case:999"
    return None


def nothing_of_that_name(one: Open, dice: random.Random) -> int | None:
    """A true bundle that shows that somebody else has no events, put under this name."""
    others = [other for other in one.base.others if b'"before"' in other.files.get("proofs/heads.json", b"")]
    if one.ranged or not others or not one.rows:
        return NOTHING
    other = Open(dice.choice(others))
    other.manifest["scope"]["name"] = one.manifest["scope"]["name"]
    one.files, one.heads, one.rows, one.hashes = other.files, other.heads, [], other.hashes
    one.manifest = {**one.manifest, **other.manifest}
    return None


def edit_manifest(one: Open, dice: random.Random) -> int | None:
    """Who asked, when, why, with which filter."""
    name = dice.choice(["asked_by", "asked_at", "why", "filter", "tool", "times", "size", "origin", "checkpoint"])
    value = one.manifest[name]
    if isinstance(value, str):
        one.manifest[name] = value + "x"
    elif name == "checkpoint":
        one.manifest[name] = {**value, "size": value["size"] + 1}
    else:
        one.manifest[name] = value + 1 if isinstance(value, int) else {"case": 2}
    return None


def edit_a_file(one: Open, dice: random.Random) -> int | None:
    """README, verify.py or a rendering."""
    return _flip(one, dice, dice.choice(sorted({"README.txt", "verify.py", "events.csv"} & set(one.files))))


def add_a_file(one: Open, dice: random.Random) -> int | None:
    one.files[dice.choice(["more.csv", "proofs/more.bin", "proofs/99999.tlog-proof"])] = b"x"
    return None


def remove_a_file(one: Open, dice: random.Random) -> int | None:
    name = dice.choice(sorted(set(one.files) - {"manifest.json", "events.jsonl", "SHA256SUMS", "proofs/heads.json"}))
    del one.files[name]
    return None


def _reader(hashes: list[bytes]) -> tree.Reader:
    tiles = tree.grow(0, hashes, lambda level, index: b"")
    return lambda level, index: tiles.get((level, index), b"")


ON_ROWS: list[Act] = [
    edit_payload, edit_event_and_leaf, edit_leaf, edit_count, drop, drop_first, drop_middle, drop_last, drop_only,
    drop_and_renumber, truncate, cut_the_file, repeat, insert, swap, swap_content, withhold, hash_of_a_leaf,
]  # fmt: skip
ON_TIES: list[Act] = [
    flip_the_checkpoint, flip_the_tree, flip_the_key, flip_a_proof, flip_the_previous, flip_the_older, sign_again,
    sign_again_and_hide_it, another_origin, ask_with_another_key, stale_checkpoint, split_view, another_previous,
    no_previous, edit_heads, edit_statement, statement_of_another, another_name, nothing_of_that_name, edit_manifest,
    edit_a_file, add_a_file, remove_a_file,
]  # fmt: skip
