"""How long does a stranger need to check a bundle, and how much memory? And how long to read a million heads?

    python -m tests.bench.verify --events 1000000

The bundle is made up without a database: real leaves and payloads, a real tree, a key of the moment. It is verified by
the file that is shipped, in a process of its own on one core, as somebody would who got it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = 5000
LAUNCH = """
import json, runpy, sys, time
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
    print(json.dumps([time.process_time(), int(peak)]), file=sys.stderr)
"""
GOAL = 20.0  # seconds for a million


def compact(thing: Any) -> bytes:
    """What `canonical()` gives for such things, faster; held to it below."""
    return json.dumps(thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Made:
    """Events and leaves of a made-up log, one after the other."""

    def __init__(self, events: int) -> None:
        self.events, self.dice = events, random.Random(1)
        self.heads: dict[str, tuple[int, int]] = {}
        self.hashes = bytearray()

    def event(self, index: int, kind: str, of: list[str], facts: dict[str, Any]) -> tuple[bytes, bytes]:
        """Leaf and payload of the next event."""
        from portal.audit import tree
        from portal.audit.canonical import payload_hash

        by = f"user:{index % 50}"
        name = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
        at = f"2026-11-20T12:{index // 60 % 60:02d}:{index % 60:02d}.{index % 1_000_000:06d}Z"
        payload = compact({"v": 1, "id": name, "type": kind, "by": by, "of": of, "facts": facts, "told": at})
        told = [self._count(one, index) for one in (f"by:{by}", *of)]
        leaf = compact(
            {
                "v": 1,
                "id": name,
                "t": at,
                "ph": payload_hash(payload).hex(),
                "type": kind,
                "act": told[0],
                "subj": told[1:],
            }
        )
        self.hashes += tree.leaf_hash(leaf)
        return leaf, payload

    def _count(self, name: str, index: int) -> dict[str, Any]:
        tag = hashlib.sha256(name.encode()).hexdigest()[:32]
        n, last = self.heads.get(tag, (0, -1))
        self.heads[tag] = (n + 1, index)
        return {"k": tag, "n": n + 1, "p": last}

    def lines(self) -> Iterator[bytes]:
        """events.jsonl, in pages."""
        from portal.audit import packing

        for start in range(0, self.events, PAGE):
            page = []
            for index in range(start, min(start + PAGE, self.events)):
                account = str(uuid.UUID(int=self.dice.randrange(self.events // 8 + 1)))
                of = [f"case:{self.dice.randrange(self.events // 5 + 1)}", f"account:{account}", "policy:SPM-1.2"]
                facts = {"outcome": "warn", "reason_code": "bulk_messages", "version": index % 9, "queue": "spam"}
                page.append(packing.line(index, *self.event(index, "decision.held", of, facts)))
            yield b"".join(page)


def make(path: Path, events: int) -> str:
    """Write a bundle over a made-up log of so many events; returns the public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from portal.audit import heads, multiproof, note, packing, tree, verifier

    made, key = Made(events), note.Signer("bench/log", Ed25519PrivateKey.generate())
    with zipfile.ZipFile(path, "w") as target:
        files = packing.Files(target)
        files.put("events.jsonl", made.lines())
        files.put("leafhashes.bin", [bytes(made.hashes)])
        files.put("README.txt", [b"made up\n"])
        files.put("verify.py", packing.chunks(Path(verifier.__file__)))
        counts = heads.of_counts(events, ((bytes.fromhex(tag), *one) for tag, one in made.heads.items()))
        scope = {"kind": "range", "start": 0, "end": events}
        manifest = {
            "v": 1, "format": verifier.FORMAT, "tool": "bench", "asked_by": "ada", "asked_at": "", "why": "",
            "filter": {}, "scope": scope, "counts": {"leaves": events, "payloads": events, "hidden": 0}, "times": "UTC",
            "origin": "bench/log", "size": events, "first": 0, "last": events - 1, "previous": None,
            "files": dict(sorted(files.digests.items())),
        }  # fmt: skip
        facts = {
            "size": events,
            "entries": len(counts),
            "root": counts.root.hex(),
            "bundle": verifier.statement(manifest, b""),
        }
        leaf, payload = made.event(events, "log.heads", ["export:1"], facts | verifier.extent(manifest))
        size, hashes = events + 1, made.hashes
        tiles = tree.grow(
            0, [bytes(hashes[at : at + 32]) for at in range(0, len(hashes), 32)], lambda level, index: b""
        )

        def read(level: int, index: int) -> bytes:
            return tiles.get((level, index), b"")

        root = tree.root(size, read)
        text = note.Checkpoint("bench/log", size, root).text
        signed = str(note.Note(text, [key.sign(text)]))
        files.put("proofs/tree.bin", packing.joined(multiproof.prove([(0, events)], size, read)))
        for index in {events, 0, events - 1} if events > verifier.EACH else range(size):
            files.put(
                f"proofs/{index}.tlog-proof", [packing.tlog_proof(index, tree.inclusion(index, size, read), signed)]
            )
        told = {"index": events, "leaf": packing.text(leaf), "payload": packing.text(payload), "salt": "", "tags": {}}
        whole = {**manifest, "checkpoint": {"size": size, "root": root.hex()}}
        for name, content in (
            ("proofs/checkpoints.json", verifier.dumped([])), ("proofs/heads.json", verifier.dumped(told)),
            ("checkpoint.txt", signed), ("VKEYS", f"{key.verifier.vkey}\n"), ("manifest.json", verifier.dumped(whole)),
        ):  # fmt: skip
            files.put(name, [content.encode()])
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.digests.items()))
        files.put("SHA256SUMS", [sums.encode()])
    return key.verifier.vkey


def verified(path: Path, vkey: str) -> tuple[float, float, float, int, str]:
    """Seconds by the clock and of CPU, megabytes, exit code and words of the bundle's own program, on one core."""
    with tempfile.TemporaryDirectory() as folder:
        program, key = Path(folder) / "verify.py", Path(folder) / "key"
        program.write_bytes(zipfile.ZipFile(path).read("verify.py"))
        key.write_text(vkey)
        words = [sys.executable, "-I", "-S", "-c", LAUNCH, str(program), str(path), "--key", str(key)]
        begun = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=_one_core)
        took = time.perf_counter() - begun
    cpu, peak = json.loads(done.stderr.splitlines()[-1]) if done.stderr else (0, 0)
    return took, cpu, peak / 1024, done.returncode, done.stdout


def _one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def heads_read(rows: int) -> tuple[float, float]:
    """Seconds to read so many heads in one snapshot and to hash them, and to prove one."""
    from portal.local.servers import start

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start(Path(folder), pg_version=18)
        try:
            os.environ |= servers.environment | {"VAULT_KEY": "A" * 43 + "=", "INDEX_KEY": "B" * 43 + "="}
            os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
            import django

            django.setup()
            from django.core.management import call_command
            from django.db import connections

            from portal.audit import heads

            call_command("migrate", database="owner", verbosity=0)
            with connections["owner"].cursor() as cursor:
                cursor.execute(
                    "INSERT INTO portal_head SELECT substr(sha256(i::text::bytea), 1, 16), i, i"
                    " FROM generate_series(1, %s) i",
                    [rows],
                )
                cursor.execute("ANALYZE portal_head")
            begun = time.perf_counter()
            found = heads.take()
            assert len(found) == rows, len(found)
            assert len(found.root) == 32
            took, begun = time.perf_counter() - begun, time.perf_counter()
            found.prove(b"\x80" * 16)
            return took, time.perf_counter() - begun
        finally:
            servers.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--heads", type=int, default=1_000_000, help="0: leave the database out")
    asked = parser.parse_args()
    os.environ |= {"AUDIT_KEY": base64.b64encode(b"bench" * 6 + b"ok").decode()}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "bundle.zip"
        vkey = make(path, asked.events)
        took, cpu, peak, code, words = verified(path, vkey)
        size = path.stat().st_size / 1e6
    print(f"  a bundle of {asked.events:,} events, {size:,.0f} MB: verify.py ends with {code}")
    print(f"  by the clock {took:.1f} s, CPU {cpu:.1f} s on one core, {peak:.0f} MB")
    print(f"  goal: a million events within {GOAL:.0f} s; memory that does not grow with them")
    if asked.heads:
        took, proof = heads_read(asked.heads)
        print(f"  {asked.heads:,} heads read and hashed in {took:.1f} s; the proof of one: {proof * 1000:.1f} ms")
    if code:
        print(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
