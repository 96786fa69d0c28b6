"""What are the exact bytes of a bundle? A zip with fixed times, order and rights: same content, same file."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKED = (".parquet", ".xlsx", ".zip")
TOGETHER = 5000  # hashes written at once

README = """This is a part of the log of Reeve ({origin}), with the proof that nothing in it was changed or left out.

    python verify.py BUNDLE --key FILE

BUNDLE is the zip this file came in. FILE holds the public key of the log, which you should have from somebody you
trust, and not from here; VKEYS holds it for comparing. Python 3.11 or newer is enough; nothing is sent or fetched.
verify.py is here for convenience: its authors publish the same file.

events.jsonl      the events: the authority. One line a leaf; the payload is the exact event, base64
events.* (other)  the same events for reading. Not proven row by row, but as files of this bundle
manifest.json     who asked for it, when, why, with which filter, and what is in it. All times are UTC
leafhashes.bin    the hash of each leaf, where the bundle covers a range of the log
proofs/           what ties these leaves to the checkpoint, and the log's own statement about this bundle
checkpoint.txt    size and root of the log, signed
SHA256SUMS        for sha256sum -c

What is proven: each event is the one that was sealed, and the log was not changed before it; a bundle about one name
holds every leaf that names it up to the size the manifest says; a bundle of a range holds every leaf of it. Personal
values are not in the log: an event carries a commitment to them, and is proven with or without the value.

What is not proven: that what was written was true; what somebody did not write at all; the last second before an event
is sealed; what of the filter a leaf does not show (scope.unproven in the manifest says it); and, against somebody who
holds the key of the log, anything but what a saved checkpoint or a witness vouches for.
"""


class Files:
    """The zip: fixed times, order and rights, so that the same content gives the same bytes."""

    def __init__(self, target: zipfile.ZipFile) -> None:
        self.target = target
        self.digests: dict[str, str] = {}

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """One file, piece by piece."""
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr = 3, 0o644 << 16
        info.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
        info._compresslevel = 1  # type: ignore[attr-defined]  # hashes do not get smaller by trying harder
        digest = hashlib.sha256()
        with self.target.open(info, "w", force_zip64=True) as goal:
            for chunk in chunks:
                digest.update(chunk)
                goal.write(chunk)
        self.digests[name] = digest.hexdigest()


def line(index: int, leaf: bytes, payload: bytes | None) -> bytes:
    """One line of events.jsonl; without payload it is withheld."""
    if payload is None:
        return b'{"i":%d,"leaf":"%s"}\n' % (index, base64.b64encode(leaf))
    return b'{"i":%d,"leaf":"%s","payload":"%s"}\n' % (index, base64.b64encode(leaf), base64.b64encode(payload))


def chunks(path: Path) -> Iterator[bytes]:
    """A file, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


def joined(hashes: Iterable[bytes]) -> Iterator[bytes]:
    """Hashes in pieces worth writing."""
    held = []
    for one in hashes:
        held.append(one)
        if len(held) == TOGETHER:
            yield b"".join(held)
            held = []
    yield b"".join(held)


def text(raw: bytes | memoryview) -> str:
    """Base64."""
    return base64.b64encode(bytes(raw)).decode()


def lines(hashes: Iterable[bytes]) -> str:
    """A proof as other programs read it: a line of base64 each."""
    return "".join(f"{text(one)}\n" for one in hashes)


def tlog_proof(index: int, path: Iterable[bytes], note: str) -> bytes:
    """That a leaf stands under a checkpoint, in the form c2sp.org/tlog-proof@v1."""
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{lines(path)}\n{note}".encode()
