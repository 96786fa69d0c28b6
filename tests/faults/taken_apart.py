"""A bundle taken apart, to be changed and closed again: as it is, so that it fits itself, or hashed anew."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field

from portal.audit import multiproof, packing, tree, verifier

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
