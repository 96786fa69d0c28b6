"""What can be done to what ties the rows of a bundle to its log: checkpoints, proofs, heads, key, manifest, files?"""

from __future__ import annotations

import base64
import json
import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from portal.audit import note, packing, tree, verifier
from portal.audit.canonical import payload_hash

from .taken_apart import NOTHING, Open
from .tampering import Act


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


ON_TIES: list[Act] = [
    flip_the_checkpoint, flip_the_tree, flip_the_key, flip_a_proof, flip_the_previous, flip_the_older, sign_again,
    sign_again_and_hide_it, another_origin, ask_with_another_key, stale_checkpoint, split_view, another_previous,
    no_previous, edit_heads, edit_statement, statement_of_another, another_name, nothing_of_that_name, edit_manifest,
    edit_a_file, add_a_file, remove_a_file,
]  # fmt: skip
