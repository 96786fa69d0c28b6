"""Is this bundle what its log signed, and is nothing left out? One file, for Python 3.11 or newer and nothing else.

    python verify.py BUNDLE [--key FILE] [--witness FILE … --need K]

BUNDLE is the zip as it was downloaded. FILE holds a public key in one line, got from somebody you trust and not out of
the bundle. Exit 0: sound. 1: not sound, and where. 2: cannot tell. Nothing is sent or fetched. docs/bundle.md says what
each file of a bundle is, and what is not proven.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import hashlib
import hmac
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

FORMAT = "reeve-bundle/v1"
PAYLOAD, HEAD, STATEMENT = b"reeve/payload/v1\n", b"reeve/head/v1\n", b"reeve/bundle/v1\n"
TREE, HEADS = "proofs/tree.bin", "proofs/heads.json"
EMPTY_ROOT = hashlib.sha256(b"").digest()
EACH = 1000  # up to so many rows have a proof of their own, which names the row that was changed
BLOCK = 1 << 18  # bytes read at once
SMALL, LINE, FILES, RATIO = 16 << 20, 256 << 10, 2000, 1100  # bounds: a small file, a line, files, inflation
MANIFEST = {
    "v", "format", "tool", "asked_by", "asked_at", "why", "filter", "scope", "counts", "times", "origin", "size",
    "first", "last", "previous", "checkpoint", "files",
}  # fmt: skip
LOOSE = {"manifest.json", "SHA256SUMS", "checkpoint.txt", "previous-checkpoint.txt", "VKEYS"}
_sha256 = hashlib.sha256
_ROW = re.compile(rb'\{"i":(0|[1-9][0-9]{0,17}),"leaf":"([^"]*)"(?:,"payload":"([^"]*)")?\}\n')
_strict = json.JSONDecoder(parse_constant=lambda name: _refuse(f"{name} is no JSON"))
_scan = _strict.scan_once  # type: ignore[attr-defined]  # a value at a place in a text, and where it ends


class NotSound(Exception):
    """Something is not as it was signed; `position` is the first bad leaf, `until` one after the last it may be."""

    def __init__(self, why: str, position: int | None = None, until: int | None = None) -> None:
        super().__init__(why)
        self.why, self.position, self.until = why, position, until


class CannotTell(Exception):
    """This is not a bundle, or not one this program knows."""


@dataclass
class Verdict:
    """What came out: `code` 0 sound, 1 not sound, 2 cannot tell."""

    code: int
    why: str = ""
    position: int | None = None
    until: int | None = None
    lines: list[str] = field(default_factory=list)  # the account, for people


def _json(raw: bytes) -> Any:
    """What these bytes say, all of them. Raises `ValueError`."""
    text = raw.decode()
    try:
        found, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    return found if end == len(text) else _refuse("more than one value")


def _refuse(why: str) -> Any:
    raise ValueError(why)


# --- Ed25519 (RFC 8032) -----------------------------------------------------------------------------------------------

_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
Point = tuple[int, int, int, int]


def _point(raw: bytes) -> Point | None:
    """The point these 32 bytes stand for (RFC 8032, 5.1.3), if there is one."""
    whole = int.from_bytes(raw, "little")
    y, sign = whole & ((1 << 255) - 1), whole >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _add(one: Point, two: Point) -> Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % _P, (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or _refuse("no base point")


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether it is this key's signature under the message (RFC 8032, 5.1.7; without the cofactor)."""
    key = _point(public) if len(public) == 32 and len(signature) == 64 else None
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _L:
        return False
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    minus = (_P - key[0], key[1], 1, _P - key[3])
    table = (None, _BASE, minus, _add(_BASE, minus))
    found: Point = (0, 1, 1, 0)
    for bit in range(252, -1, -1):  # both products at once
        found = _add(found, found)
        if step := table[(scalar >> bit & 1) + 2 * (digest >> bit & 1)]:
            found = _add(found, step)
    x, y = (part * pow(found[2], -1, _P) % _P for part in found[:2])
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


# --- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) -------------------------------


@dataclass(frozen=True)
class Key:
    """A public key: `name+id+base64(kind ‖ key)`, kind 1 of a log, 4 of a witness."""

    name: str
    public: bytes
    kind: int
    text: str

    @property
    def key_id(self) -> bytes:
        return _sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


def parse_key(text: str, kind: int, whose: str) -> Key:
    """The key in a file of one line."""
    told = text.strip()
    found = re.fullmatch(r"([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", told)
    raw = base64.b64decode(found[3]) if found else b""
    if not found or raw[0] != kind:
        raise CannotTell(f"{whose} is not a public key of a {'log' if kind == 1 else 'witness'}: name+id+base64")
    key = Key(found[1], raw[1:], kind, told)
    if key.key_id.hex() != found[2]:
        raise CannotTell(f"{whose}: the id of the key is not that of its name and bytes")
    return key


def signed_by(note: str, key: Key) -> bool:
    """Whether the note carries this key's signature; lines of other keys say nothing, a false line of this one does."""
    body, blank, lines = note.rpartition("\n\n")
    body, mine = body + "\n", []
    for line in lines.removesuffix("\n").split("\n") if blank and lines.endswith("\n") else ():
        found = re.fullmatch(r"— ([^\s+]{1,200}) ([A-Za-z0-9+/]+=*)", line)
        raw = base64.b64decode(found[2]) if found and len(found[2]) % 4 == 0 else b""
        if found and found[1] == key.name and raw[:4] == key.key_id:
            mine.append(raw[4:] if base64.b64encode(raw).decode() == found[2] else b"")
    return bool(mine) and all(_signature(body, one, key) for one in mine)


def _signature(body: str, raw: bytes, key: Key) -> bool:
    if key.kind == 1:
        return ed25519(key.public, body.encode(), raw)
    at = int.from_bytes(raw[:8], "big")  # a witness signs the time with it
    return len(raw) == 72 and ed25519(key.public, f"cosignature/v1\ntime {at}\n{body}".encode(), raw[8:])


def checkpoint(note: str, key: Key, what: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint that this key signed."""
    if not signed_by(note, key):
        raise NotSound(f"{what} is not signed by the key of this log ({key.name}, {key.key_id.hex()})")
    parts = note.split("\n")
    if parts[0] != key.name:
        raise NotSound(f"{what} is of another log: {plain(parts[0])}")
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", parts[1]) or len(root := base64.b64decode(parts[2])) != 32:
        raise NotSound(f"{what} does not state a size and a root")
    return int(parts[1]), root


# --- The tree (RFC 6962, RFC 9162) ------------------------------------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf)."""
    return _sha256(b"\x00" + leaf).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01" + left + right).digest()


class Tree:
    """Builds the root over `size` leaves from the leaves that are known, in order, and hashes for all between them.

    `others` are the hashes of the largest whole subtrees in which nothing is known, from left to right.
    """

    def __init__(self, size: int, others: Callable[[], bytes]) -> None:
        self.size, self.others, self.at = size, others, 0
        self.stack: list[tuple[int, bytes]] = []  # (leaves, hash), sizes falling from left to right

    def add(self, digest: bytes, whole: int = 1) -> None:
        """The hash of the next leaf, or of the subtree over so many leaves."""
        self.at += whole
        while self.stack and self.stack[-1][0] == whole:
            digest, whole = _sha256(b"\x01" + self.stack.pop()[1] + digest).digest(), 2 * whole
        self.stack.append((whole, digest))

    def skip(self, to: int) -> None:
        """Nothing is known up to this leaf."""
        while self.at < to:
            low = self.at & -self.at or 1 << self.size.bit_length()
            rest = to - self.at
            whole = rest if to == self.size and rest <= low else min(low, 1 << (rest.bit_length() - 1))
            self.add(self.others(), whole)

    def root(self) -> bytes:
        """The root over all leaves up to `at`."""
        found = self.stack[-1][1] if self.stack else EMPTY_ROOT
        for _, left in reversed(self.stack[:-1]):
            found = _node(left, found)
        return found


def included(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that the leaf hash stands at `index` under this root (RFC 9162, 2.1.3.2).

    Up to where the ways of this leaf and of the last one meet, the index says on which side the other hash is; from
    there on it is always on the left.
    """
    meet = (index ^ (size - 1)).bit_length()
    if not 0 <= index < size or len(proof) != meet + (index >> meet).bit_count():
        return False
    for level, one in enumerate(proof):
        leaf = _node(one, leaf) if level >= meet or index >> level & 1 else _node(leaf, one)
    return leaf == root


def continues(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the old tree is the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new or old == new:
        return old == new and not proof and old_root == new_root
    whole = (old & -old).bit_length() - 1  # the level of the last whole subtree of the old tree
    path = [old_root, *proof] if old == 1 << whole else list(proof)
    place, last = (old - 1) >> whole, (new - 1) >> whole
    meet = (place ^ last).bit_length()
    if len(path) != 1 + meet + (place >> meet).bit_count():
        return False
    one = other = path[0]
    for level, part in enumerate(path[1:]):
        if level >= meet or place >> level & 1:
            one, other = _node(part, one), _node(part, other)
        else:
            other = _node(other, part)
    return one == old_root and other == new_root


# --- The zip: names, sizes, and the digest of all that is read --------------------------------------------------------


class Part(io.RawIOBase):
    """One file of the bundle, read once; the digest is that of all that was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source, self.digest = source, _sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, room: Any) -> int:
        """What `io.BufferedReader` asks for."""
        chunk = self.source.read(len(room))
        self.digest.update(chunk)
        room[: len(chunk)] = chunk
        return len(chunk)


class Bundle:
    """The files of the zip. Raises `CannotTell` for what no bundle is."""

    def __init__(self, source: str | Path | IO[bytes]) -> None:
        self.zip = zipfile.ZipFile(source)
        self.digests: dict[str, str] = {}
        self.names = [info.filename for info in self.zip.infolist()]
        if len(self.names) > FILES or len(set(self.names)) != len(self.names):
            raise CannotTell("two files of one name, or far too many files")
        for info in self.zip.infolist():
            if not re.fullmatch(r"(proofs/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}", info.filename) or info.flag_bits & 1:
                raise CannotTell(f"a strange file: {plain(info.filename)}")
            if info.file_size > RATIO * info.compress_size + 1024 or info.compress_type not in (0, 8):
                raise CannotTell(f"{info.filename} is packed in a way no bundle is")
        for name in ("manifest.json", "SHA256SUMS", "events.jsonl", "checkpoint.txt", "VKEYS", HEADS):
            if name not in self.names:
                raise CannotTell(f"there is no {name} in it: this is not a bundle, or not the whole of one")

    def open(self, name: str) -> io.BufferedReader:
        """A file to read. Raises `NotSound` if it is not there."""
        if name not in self.names:
            raise NotSound(f"{name} is missing")
        return io.BufferedReader(Part(self.zip.open(name)), BLOCK)

    def end(self, name: str, part: io.BufferedReader) -> None:
        """Read what is left of it, and keep its SHA-256."""
        while part.read(BLOCK):
            pass
        self.digests[name] = part.raw.digest.hexdigest()  # type: ignore[attr-defined]

    def text(self, name: str) -> str:
        """A small file, whole."""
        if name in self.names and self.zip.getinfo(name).file_size > SMALL:
            raise CannotTell(f"{name} is far too large")
        part = self.open(name)
        found = part.read(SMALL)
        self.end(name, part)
        return found.decode()

    def json(self, name: str) -> Any:
        """A small file of JSON, written exactly as this program would."""
        told = self.text(name)
        found = _strict.decode(told)
        if dumped(found) != told:
            raise NotSound(f"{name} is not as it was written")
        return found

    def sums(self) -> dict[str, str]:
        """The digest of every file but SHA256SUMS."""
        for name in self.names:
            if name not in self.digests:
                self.end(name, self.open(name))
        return {name: digest for name, digest in self.digests.items() if name != "SHA256SUMS"}


def dumped(thing: Any) -> str:
    """The one way in which JSON files of a bundle are written."""
    return json.dumps(thing, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def statement(manifest: dict[str, Any], salt: bytes) -> str:
    """What the log holds about a bundle: a keyed hash of its manifest (all but the checkpoint that came after)."""
    told = {name: value for name, value in manifest.items() if name != "checkpoint"}
    exact = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(salt, STATEMENT + exact, "sha256").hex()


def extent(manifest: dict[str, Any]) -> dict[str, int]:
    """How much a bundle holds, as the log states it in the clear: so that what is missing can be named."""
    scope, counts = manifest["scope"], manifest["counts"]
    ends = {"start": scope["start"], "end": scope["end"]} if scope["kind"] == "range" else {}
    return {**ends, **{name: counts[name] for name in ("hidden", "leaves", "payloads")}}


def plain(text: object, upto: int = 200) -> str:
    """A text of the bundle, fit for a terminal."""
    return "".join(char if char.isprintable() else "�" for char in str(text))[:upto]


# --- The events -------------------------------------------------------------------------------------------------------


@dataclass
class Chain:
    """The leaves that name one subject or actor: each says which number it is and where the one before stands."""

    n: int = 0
    last: int = -1

    def take(self, index: int, n: int, before: int) -> None:
        """The next leaf that is there. Raises `NotSound` with the position of what is missing or wrong."""
        if (n, before) == (self.n + 1, self.last):
            self.n, self.last = n, index
        elif n > self.n + 1 and self.last < before < index:
            raise NotSound(f"leaf {before}, which leaf {index} names as the one before it, was left out", before)
        elif n == self.n + 1 and 0 <= before < index:
            raise NotSound(f"leaf {before}, which leaf {index} names as the one before it, is not where it was", before)
        elif n <= self.n and before < self.last < index:
            raise NotSound(f"leaf {self.last} does not belong before leaf {index}", self.last)
        else:
            raise NotSound(f"leaf {index} is out of the count of whom it names", index)

    def end(self, n: int, last: int) -> None:
        """Nothing is missing after the last one."""
        if self.n < n:
            raise NotSound(f"{n - self.n} of the events up to leaf {last}, the last one, were left out", last)
        if (self.n, self.last) != (n, last):
            raise NotSound(f"leaf {self.last} is not the last one there was", max(self.last, last))


def rows(part: io.BufferedReader) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Index, leaf and payload of each line: `{"i":1,"leaf":"…","payload":"…"}`, the payload withheld or not."""
    decode, after = binascii.a2b_base64, -1
    while line := part.readline(LINE):
        found = _ROW.fullmatch(line)
        try:
            if not found:
                raise ValueError("not of this form")
            after = int(found[1])
            leaf, payload = decode(found[2], strict_mode=True), found[3]
            yield after, leaf, None if payload is None else decode(payload, strict_mode=True)
        except ValueError:
            if len(line) == LINE:
                raise NotSound(f"a line of events.jsonl is longer than {LINE} bytes") from None
            number = re.match(rb'\{"i":([0-9]{1,18}),', line)
            at = int(number[1]) if number else after + 1
            raise NotSound(f"the line of leaf {at} in events.jsonl cannot be read", at) from None


class Fits:
    """Which leaves are asked for, as far as a leaf can tell: by its kind, and by the tags of every other name."""

    def __init__(self, scope: dict[str, Any]) -> None:
        try:
            self.types = frozenset(scope["types"]) if "types" in scope else None
            self.also = [frozenset(tags.values()) for tags in scope.get("also", {}).values()]
        except (AttributeError, TypeError):
            raise NotSound("the manifest does not say which leaves were asked for") from None

    def __call__(self, told: dict[str, Any]) -> bool:
        if self.types is not None and told["type"] not in self.types:
            return False
        if not self.also:
            return True
        carried = {one["k"] for one in (*told["subj"], told["act"])}
        return all(tags & carried for tags in self.also)


class Walk:
    """Goes through events.jsonl once: every leaf, every payload, the counts, and what the tree comes to."""

    def __init__(
        self, manifest: dict[str, Any], stated: dict[str, int], tree: Tree, hashes: io.BufferedReader | None
    ) -> None:
        scope = manifest["scope"]
        self.kind, self.name, self.fits = scope["kind"], scope.get("name", ""), Fits(scope)
        self.tree, self.hashes = tree, hashes  # leafhashes.bin, if it is a range
        self.chains = {tag: Chain() for tag in scope.get("tags", {}).values()}
        self.ends: dict[str, tuple[int, int]] = {}  # how many there are of each, and the last, as the log stated
        self.start, self.stop = stated.get("start", 0), stated.get("end", manifest["size"])
        self.hidden, self.whole = stated["hidden"], stated["payloads"] == stated["leaves"]
        self.marks: list[tuple[int, bytes]] = []  # signed sizes and roots within the range, falling
        self.sound_to = self.start
        self.leaves = self.payloads = self.withheld = 0  # withheld: of those asked for, as far as a leaf can tell
        self.seen: dict[int, bytes] = {}  # the hashes of the first rows
        self.first: tuple[int, bytes] | None = None
        self.last: tuple[int, bytes] | None = None

    def go(self, lines: Iterator[tuple[int, bytes, bytes | None]]) -> None:
        """All rows. Raises `NotSound` at the first that is not right."""
        after, hashed = self.start - 1, self.hashes and self.start < self.stop
        if hashed:
            self.tree.skip(self.start)
        for index, leaf, payload in lines:
            try:
                if not after < index < self.stop:
                    raise NotSound(f"leaf {index} stands after leaf {after}, or was not asked for", index)
                self._row(index, leaf, payload)
            except (ValueError, KeyError, TypeError, RecursionError):
                raise NotSound(f"leaf {index} or its event cannot be read", index) from None
            except NotSound as bad:
                raise _sooner(bad, index, lines) from None
            after = index
        if hashed:
            self._hide(self.stop)
        if self.hashes and self.hashes.read(1):
            raise NotSound("leafhashes.bin is too long")
        for tag, end in self.ends.items():
            self.chains[tag].end(*end)
        self.tree.skip(self.tree.size)

    def _row(self, index: int, leaf: bytes, payload: bytes | None) -> None:
        digest, told = _sha256(b"\x00" + leaf).digest(), _json(leaf)
        if self.hashes:
            self._hide(index)
            if self._hash() != digest:
                raise NotSound(f"leaf {index} was changed: its hash is another", index)
        else:
            self._in_chain(index, told)
            self.tree.skip(index)
        if payload is not None:
            self._payload(index, told, payload)
        elif self.whole:
            raise NotSound(f"the event of leaf {index} was taken out", index)
        else:
            self.withheld += self.fits(told)
        if self.leaves < EACH:
            self.seen[index] = digest
        self.leaves += 1
        self.last = (index, digest)
        self._add(digest)

    def _hide(self, to: int) -> None:
        """Leaves of which there is a hash only, up to this one."""
        self.hidden -= to - self.tree.at
        if self.hidden < 0:
            raise NotSound(f"leaf {self.tree.at} was left out", self.tree.at)
        while self.tree.at < to:
            self._add(self._hash())

    def _hash(self) -> bytes:
        assert self.hashes is not None
        digest = self.hashes.read(32)
        if len(digest) < 32:
            raise NotSound("leafhashes.bin is too short", self.tree.at)
        return digest

    def _add(self, digest: bytes) -> None:
        """The next leaf of the tree; at a signed size the root must be the signed one."""
        self.tree.add(digest)
        if self.marks and self.marks[-1][0] == self.tree.at:
            size, root = self.marks.pop()
            if self.tree.root() != root:
                raise NotSound(f"the leaves up to {size} are not those that were signed", self.sound_to, size)
            self.sound_to = size

    def _in_chain(self, index: int, told: dict[str, Any]) -> None:
        named = [told["act"]] if self.kind == "actor" else told["subj"]
        mine = [one for one in named if one["k"] in self.chains]
        if not mine:
            raise NotSound(f"leaf {index} does not name what was asked for", index)
        for one in mine:
            self.chains[one["k"]].take(index, one["n"], one["p"])

    def _payload(self, index: int, told: dict[str, Any], payload: bytes) -> None:
        if _sha256(PAYLOAD + payload).hexdigest() != told["ph"]:
            raise NotSound(f"the event of leaf {index} was changed after it was sealed", index)
        said = _json(payload)
        if said["id"] != told["id"] or said["type"] != told["type"]:
            raise NotSound(f"leaf {index} says something else of its event than the event itself", index)
        if self.name and self.name not in (said["of"] if self.kind == "subject" else (said["by"],)):
            raise NotSound(f"the event of leaf {index} does not name {plain(self.name)}", index)
        if not self.fits(told):
            raise NotSound(f"leaf {index} is not of what was asked for", index)
        self.payloads += 1


def _sooner(bad: NotSound, index: int, lines: Iterator[Any]) -> NotSound:
    """Where rows changed places, the lowest that comes after a higher one says more than the gap it left."""
    lowest = index
    with contextlib.suppress(NotSound):
        for row in lines:
            lowest = min(lowest, row[0])
    return NotSound(f"leaf {lowest} stands after leaf {index}", lowest) if lowest < index else bad


# --- The whole --------------------------------------------------------------------------------------------------------


class Check:
    """One bundle against one key."""

    def __init__(self, source: str | Path | IO[bytes], key: str | None) -> None:
        self.bundle = Bundle(source)
        self.manifest: dict[str, Any] = self.bundle.json("manifest.json")
        if not isinstance(self.manifest, dict) or (self.manifest.get("format"), self.manifest.get("v")) != (FORMAT, 1):
            raise CannotTell(f"this program knows bundles of the format {FORMAT} only")
        if set(self.manifest) != MANIFEST:
            raise NotSound("the manifest lacks something, or holds what no manifest does")
        inside = self.bundle.text("VKEYS")
        self.key = parse_key(inside if key is None else key, 1, "VKEYS" if key is None else "what you gave as --key")
        if inside != f"{self.key.text}\n":
            raise NotSound("the key in the bundle (VKEYS) is not the one you gave")
        self.note = self.bundle.text("checkpoint.txt")
        self.size, self.root = checkpoint(self.note, self.key, "the checkpoint")
        self.heads: dict[str, Any] = {}
        self.extent = extent(self.manifest)  # as the log states it, once that is known
        self.at = ""  # when the statement was written
        self.withheld = 0
        self.proofs = {TREE, HEADS}  # what may stand there
        self.tied = False  # whether the statement is in the tree that was signed

    def run(self, witnesses: Sequence[Key], need: int) -> None:
        """Raises `NotSound` or `CannotTell`. What names a leaf comes first, so that its place is told."""
        manifest = self.manifest
        stated = {"size": self.size, "root": self.root.hex()}
        if (manifest["checkpoint"], manifest["origin"]) != (stated, self.key.name):
            raise NotSound("the manifest speaks of another checkpoint or log than the checkpoint in the bundle")
        if (found := sum(signed_by(self.note, one) for one in witnesses)) < need:
            raise NotSound(f"{found} of the witnesses you gave signed the checkpoint, and you asked for {need}")
        if not 0 <= manifest["size"] < self.size:
            raise NotSound("the checkpoint is older than the bundle")
        ends: dict[str, tuple[int, int]] = {}
        trouble = None  # to be said if no leaf can be named
        try:
            ends = self._heads()
        except NotSound as bad:
            trouble = bad
        except (ValueError, KeyError, TypeError, AttributeError):
            trouble = NotSound("proofs/heads.json cannot be read")
        walk = self._walk(ends)
        if trouble:
            raise trouble
        self.withheld = walk.withheld
        counted = {"leaves": walk.leaves, "payloads": walk.payloads, "hidden": self.extent["hidden"]}
        if walk.hidden or manifest["counts"] != counted or extent(manifest) != self.extent:
            raise NotSound("the manifest or the log counts other events than there are")
        if (manifest["first"], manifest["last"]) != (min(walk.seen, default=None), walk.last and walk.last[0]):
            raise NotSound("the manifest names another first or last event")
        self._previous()
        self._files()

    def _walk(self, ends: dict[str, tuple[int, int]]) -> Walk:
        bundle, ranged = self.bundle, self.manifest["scope"]["kind"] == "range"
        parts = {name: bundle.open(name) for name in ["events.jsonl", TREE, "leafhashes.bin"][: 2 + ranged]}
        others = parts[TREE]
        walk = Walk(self.manifest, self.extent, Tree(self.size, lambda: others.read(32)), parts.get("leafhashes.bin"))
        walk.ends = ends
        if ranged:
            self._marks(walk)
        try:
            walk.go(rows(parts["events.jsonl"]))
        except NotSound as bad:
            self._each(walk, bad.until or bad.position)
            raise
        self._each(walk, None)
        if walk.tree.root() != self.root:
            until = walk.stop if ranged else None
            raise NotSound("the leaves are not those that were signed", walk.sound_to if ranged else None, until)
        if others.read(1):
            raise NotSound(f"{TREE} is too long")
        for name, part in parts.items():
            bundle.end(name, part)
        return walk

    def _marks(self, walk: Walk) -> None:
        """Checkpoints signed within the range: with them a change can be narrowed down to the leaves between two."""
        self.proofs.add("proofs/checkpoints.json")
        notes = self.bundle.json("proofs/checkpoints.json")
        found = [checkpoint(one, self.key, "an older checkpoint") for one in notes]
        if sorted(set(found)) != found or (found and not walk.start < found[0][0] <= found[-1][0] <= walk.stop):
            raise NotSound("proofs/checkpoints.json holds other checkpoints than those of the range")
        walk.marks = found[::-1]

    def _each(self, walk: Walk, below: int | None) -> None:
        """The proofs of single rows, which other programs can check as well, up to where something else was wrong.

        Where not even the statement is in the tree, all of it is another, and no single proof names a place.
        """
        every = self.extent["leaves"] <= EACH
        told = dict(list(walk.seen.items())[: None if every else 1])
        if walk.last and (every or below is None):
            told[walk.last[0]] = walk.last[1]
        for index, digest in told.items() if self.tied else ():
            if below is None or (index < below and f"proofs/{index}.tlog-proof" in self.bundle.names):
                self._proof(index, digest)

    def _proof(self, index: int, digest: bytes) -> None:
        """A file c2sp.org/tlog-proof@v1 for one leaf."""
        name = f"proofs/{index}.tlog-proof"
        self.proofs.add(name)
        head, tail = f"c2sp.org/tlog-proof@v1\nindex {index}\n", f"\n{self.note}"
        if name not in self.bundle.names:
            raise NotSound(f"{name} is missing: leaf {index} has no proof of its own", index)
        told = self.bundle.text(name)
        hashes = _hashes(told[len(head) : -len(tail)])
        if told != head + _lines(hashes) + tail or not included(index, self.size, digest, hashes, self.root):
            raise NotSound(f"leaf {index} is not the one that was signed", index)

    def _heads(self) -> dict[str, tuple[int, int]]:
        """The statement in the log, and what it says of each tag: how many leaves, and which is the last."""
        heads = self.heads = self.bundle.json(HEADS)
        if set(heads) != {"index", "leaf", "payload", "salt", "tags"}:
            raise NotSound("proofs/heads.json is not as it was written")
        leaf, payload = base64.b64decode(heads["leaf"]), base64.b64decode(heads["payload"])
        try:
            self._proof(heads["index"], leaf_hash(leaf))
        except NotSound as bad:
            raise NotSound(f"the log signed no such statement about this bundle: {bad.why}") from None
        self.tied = True
        told, said = _json(leaf), _json(payload)
        facts = said["facts"]
        if _sha256(PAYLOAD + payload).hexdigest() != told["ph"] or (told["type"], said["type"]) != ("log.heads",) * 2:
            raise NotSound("the statement of the log about this bundle was changed", heads["index"])
        if not facts["size"] == self.manifest["size"] <= heads["index"]:
            raise NotSound("the statement of the log is about another size")
        self.at, entries, root = told["t"], facts["entries"], bytes.fromhex(facts["root"])
        self.extent = {name: facts[name] for name in self.extent}
        tags = self.manifest["scope"].get("tags", {}).values()
        if sorted(tags) != sorted(heads["tags"]):
            raise NotSound("proofs/heads.json is about other names than the manifest")
        return {tag: _head(bytes.fromhex(tag), heads["tags"][tag], entries, root) for tag in tags}

    def _previous(self) -> None:
        told = self.manifest["previous"]
        if told is None:
            return
        old, root = checkpoint(self.bundle.text("previous-checkpoint.txt"), self.key, "the previous checkpoint")
        lines = self.bundle.text("proofs/consistency.txt")
        self.proofs.add("proofs/consistency.txt")
        hashes = _hashes(lines)
        if told != {"size": old, "root": root.hex()} or _lines(hashes) != lines:
            raise NotSound("the manifest speaks of another previous checkpoint")
        if not continues(old, self.size, root, self.root, hashes):
            raise NotSound(f"the log is not a continuation of what was signed at {old}: it was rewritten", 0, old)

    def _files(self) -> None:
        """What the manifest, SHA256SUMS and the log itself say of the files."""
        bundle, manifest = self.bundle, self.manifest
        sums = bundle.sums()
        for name in sums:
            loose = "previous-checkpoint.txt" if manifest["previous"] is None else ""
            if name == loose or (name.startswith("proofs/") and name not in self.proofs):
                raise NotSound(f"{name} does not belong in this bundle")
        content = {name: one for name, one in sums.items() if name not in LOOSE and not name.startswith("proofs/")}
        for name in sorted(content.keys() | manifest["files"].keys()):
            if content.get(name) != manifest["files"].get(name):
                raise NotSound(f"{name} is not the file the manifest names")
        if bundle.text("SHA256SUMS") != "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)):
            raise NotSound("SHA256SUMS is not right")
        said = _json(base64.b64decode(self.heads["payload"]))["facts"]["bundle"]
        if said != statement(manifest, bytes.fromhex(self.heads["salt"])):
            raise NotSound("the manifest, or a file it names, is not what the log stated when the bundle was made")


def _head(tag: bytes, told: dict[str, Any], entries: int, root: bytes) -> tuple[int, int]:
    """How many leaves name a tag, and the last of them; none, if its two neighbours stand side by side."""

    def holds(one: dict[str, Any]) -> bytes:
        if set(one) != {"at", "last", "n", "proof", "tag"}:
            raise NotSound("proofs/heads.json is not as it was written")
        name, proof = bytes.fromhex(one["tag"]), [base64.b64decode(line) for line in one["proof"]]
        entry = name + one["n"].to_bytes(8, "big") + one["last"].to_bytes(8, "big")
        if len(name) != 16 or not included(one["at"], entries, leaf_hash(HEAD + entry), proof, root):
            raise NotSound("what proofs/heads.json says of a name is not what the log stated")
        return name

    if set(told) == {"is"}:
        if holds(told["is"]) != tag:
            raise NotSound("proofs/heads.json shows the count of another name")
        return told["is"]["n"], told["is"]["last"]
    before, after = told["before"], told["after"]
    left = before is None or holds(before) < tag
    right = after is None or tag < holds(after)
    first, second = -1 if before is None else before["at"], entries if after is None else after["at"]
    if set(told) != {"after", "before"} or not (left and right and first + 1 == second):
        raise NotSound("proofs/heads.json does not show that there is nothing of that name")
    if not entries and root != EMPTY_ROOT:
        raise NotSound("proofs/heads.json does not fit what the log stated")
    return 0, -1


def _hashes(lines: str) -> list[bytes]:
    return [base64.b64decode(line) for line in lines.splitlines()]


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)


def verify(
    source: str | Path | IO[bytes], key: str | None = None, witnesses: Sequence[str] = (), need: int | None = None
) -> Verdict:
    """Check a bundle; never raises. `key` and `witnesses` are the texts of public keys; no key: the one inside."""
    verdict = Verdict(0)
    try:
        keys = {parse_key(one, 4, "what you gave as --witness") for one in witnesses}
        need = len(keys) if need is None else need
        if need > len(keys):
            raise CannotTell(f"you ask for {need} witnesses and gave the keys of {len(keys)}")
        check = Check(source, key)
        verdict.lines = _asked(check)
        check.run(sorted(keys, key=lambda one: one.text), need)
        verdict.lines += _proven(check, key is not None, need)
    except NotSound as bad:
        verdict.code, verdict.why, verdict.position, verdict.until = 1, bad.why, bad.position, bad.until
    except CannotTell as error:
        verdict.code, verdict.why = 2, str(error)
    except Exception as error:  # whatever rubbish a file holds: a sentence, not a traceback
        verdict.code, verdict.why = 2, f"it cannot be read as a bundle ({type(error).__name__}: {plain(error)})"
    return verdict


def _asked(check: Check) -> list[str]:
    """What the bundle is said to be. Proven only if the whole is sound."""
    told, scope = check.manifest, check.manifest["scope"]
    named = f"leaves {scope['start']} to {scope['end']}" if scope["kind"] == "range" else scope["name"]
    asked = json.dumps(told["filter"], ensure_ascii=False) if told["filter"] else "everything"
    return [
        plain(f"Asked for by {told['asked_by']} at {told['asked_at']}: {told['why']}"),
        plain(f"Filter: {asked}. Proven over: {named}, of the log {told['origin']}."),
    ]


def _proven(check: Check, given: bool, need: int) -> list[str]:
    told, counts = check.manifest, check.manifest["counts"]
    bare = counts["leaves"] - counts["payloads"]
    lines = [
        f"{counts['payloads']} events are here and unchanged; {bare} more are shown by their leaf only"
        f"{', and ' + str(counts['hidden']) + ' by their hash only' if counts['hidden'] else ''}.",
        f"Of the leaves shown, {check.withheld} can be of what was asked for and come without their event."
        if check.withheld
        else "Every leaf shown that can be of what was asked for comes with its event.",
        *(plain(f"Not proven: {one}", 400) for one in told["scope"].get("unproven", ())),
        f"Complete up to leaf {told['size']}, as the log itself stated at {plain(check.at)}; nothing was left out.",
        f"Checkpoint: {check.size} leaves of {check.key.name}" + (f", with {need} witnesses." if need else "."),
    ]
    if told["previous"]:
        lines.append(f"The log continues what was signed at {told['previous']['size']}.")
    if given:
        return [*lines, f"Signed by the key you gave ({check.key.key_id.hex()})."]
    return [
        *lines,
        "!! THE KEY WAS TAKEN FROM THE BUNDLE ITSELF. Compare it with one you got from somebody else, or use --key:",
        f"!! {check.key.text}",
    ]


def main(words: Sequence[str] | None = None) -> int:
    """What `python verify.py` does. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--key", help="a file with the public key of the log, got from somebody you trust")
    parser.add_argument("--witness", action="append", default=[], help="a file with the public key of a witness")
    parser.add_argument("--need", type=int, help="how many of these witnesses must have signed; all, if not said")
    asked = parser.parse_args(words)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        key = Path(asked.key).read_text(encoding="utf-8") if asked.key else None
        witnesses = [Path(one).read_text(encoding="utf-8") for one in asked.witness]
    except (OSError, ValueError) as error:
        print(f"CANNOT TELL: the file of a key cannot be read: {plain(error)}")
        return 2
    verdict = verify(asked.bundle, key, witnesses, asked.need)
    print("\n".join(verdict.lines))
    if verdict.code == 0:
        print("SOUND")
    elif verdict.code == 1:
        last = verdict.until - 1 if verdict.until else verdict.position
        where = f" at leaf {verdict.position}" if verdict.position is not None else ""
        where = f" between leaves {verdict.position} and {last}" if last != verdict.position else where
        print(f"NOT SOUND{where}: {verdict.why}")
    else:
        print(f"CANNOT TELL: {verdict.why}")
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
