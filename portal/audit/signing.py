"""Who vouches for the tree? A process with a key and a record of its own, who refuses what is not a continuation.

The record stands outside the database: a database that was set back, restored or rewritten cannot make the signer
say something else about a size it has signed.
"""

from __future__ import annotations

import base64
import fcntl
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from . import durable, note, origin, sealing, tree
from .models import Alarm, Checkpoint, Leaf, Tree

DATABASE = "signer"
_AFTER = "Nothing was signed. The log was set back or rewritten: find out by whom; docs/operations.md says how."


class RefusesToSign(RuntimeError):
    """The tree in the database is not a continuation of what was signed; the message says how, and what to do."""


class AnotherSigns(RuntimeError):
    """The folder is in use; that ends by itself."""


@dataclass(frozen=True)
class Signed:
    """What was signed last; of a new epoch at first only where it begins, and the event that must be in the tree."""

    origin: str
    size: int
    root: bytes
    opening: str = ""


class Signer:
    """The key, the record, and the lock that keeps a second signer out."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(settings.SIGNER_DIR)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock: IO[str] = (self.folder / "lock").open("a")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            raise AnotherSigns(f"Another signer works with {self.folder}.") from None
        self.private = self._private()
        self.begin(self._newest_epoch())

    def begin(self, epoch: int) -> None:
        """Work in this epoch; the public key of one that has not signed yet is given to nobody."""
        self.epoch = epoch
        self.key = note.Signer(origin.name(settings.AUDIT_ORIGIN, epoch), self.private)
        before = self.record()
        if before is None or not before.opening:
            self._publish_key()

    def close(self) -> None:
        """Let another signer in."""
        self.lock.close()

    def sign(self) -> Signed | None:
        """Sign the tree as it stands, if it grew; returns what was signed.

        Checked against the own record first, which is on the disk before the signature leaves. Raises `RefusesToSign`.
        """
        now = self._next()
        if now is None:
            return None
        self.keep(now)
        text = note.Checkpoint(now.origin, now.size, now.root).text
        whole = str(note.Note(text, [self.key.sign(text)]))
        Checkpoint.objects.using(DATABASE).create(size=now.size, root=now.root, note=whole)
        return now

    def refusal(self) -> str:
        """Why it would refuse now; nothing is signed."""
        try:
            self._next()
        except RefusesToSign as why:
            return str(why)
        return ""

    def tell(self, why: RefusesToSign) -> None:
        """Let the refusal be known where others look; once for each, until there is a new checkpoint."""
        told = Alarm.objects.using(DATABASE).filter(kind=Alarm.Kind.REFUSED, told=str(why))
        newest = Checkpoint.objects.using(DATABASE).order_by("-size").values_list("created_at", flat=True).first()
        if not (told.filter(created_at__gt=newest) if newest else told).exists():
            Alarm.objects.using(DATABASE).create(kind=Alarm.Kind.REFUSED, about=self.key.name, told=str(why))

    def record(self, epoch: int | None = None) -> Signed | None:
        """What was signed last, in this epoch or another, as this machine remembers it."""
        try:
            told: dict[str, Any] = json.loads(self._path(epoch or self.epoch).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Signed(told["origin"], told["size"], base64.b64decode(told["root"]), told.get("opening", ""))

    def keep(self, now: Signed, *, epoch: int | None = None) -> None:
        """Remember what is signed, or where an epoch begins: on the disk when this returns."""
        told = {"origin": now.origin, "size": now.size, "root": base64.b64encode(now.root).decode()}
        before = self.record()
        durable.write(
            self._path(epoch or self.epoch),
            json.dumps(told | ({"opening": now.opening} if now.opening else {})).encode(),
        )
        if before and before.opening and not now.opening:
            self._publish_key()

    def _next(self) -> Signed | None:
        """What is to be signed now, or nothing. Raises `RefusesToSign`."""
        size = Tree.objects.using(DATABASE).values_list("size", flat=True).get(pk=1)
        before = self.record()
        if before and before.opening:
            if (
                not Leaf.objects.using(DATABASE)
                .filter(event_id=UUID(before.opening), index__range=(before.size, size))
                .exists()
            ):
                return None  # the epoch begins with its own statement
        elif before and size == before.size and Checkpoint.objects.using(DATABASE).filter(size=size).exists():
            return None
        read = sealing.reader(DATABASE)
        try:
            now = Signed(self.key.name, size, tree.root(size, read))
            self._refuse_what_is_no_continuation(before, now, read)
        except ValueError as error:
            raise RefusesToSign(f"The tree of {size} leaves is not whole: {error}. {_AFTER}") from None
        return now

    def _refuse_what_is_no_continuation(self, before: Signed | None, now: Signed, read: tree.Reader) -> None:
        if before is None:
            newest = Checkpoint.objects.using(DATABASE).order_by("-size").values_list("size", flat=True).first()
            if newest is not None:
                raise RefusesToSign(
                    f"The database holds a checkpoint of {newest} leaves and the record in {self.folder} is gone: "
                    "bring it back from its copy."
                )
            return
        if now.origin != before.origin:
            raise RefusesToSign(f"This key signed for {before.origin}, and is asked to sign for {now.origin}. {_AFTER}")
        if now.size < before.size:
            raise RefusesToSign(f"The tree has {now.size} leaves, and {before.size} were signed. {_AFTER}")
        proof = tree.consistency(before.size, now.size, read) if before.size else []
        if before.size and not tree.check_consistency(before.size, now.size, before.root, now.root, proof):
            raise RefusesToSign(f"The first {before.size} leaves are not those that were signed. {_AFTER}")

    def _publish_key(self) -> None:
        durable.write(self.folder / "log.vkey", f"{self.key.verifier.vkey}\n".encode())

    def _path(self, epoch: int) -> Path:
        return self.folder / ("signed.json" if epoch == 1 else f"signed-epoch-{epoch}.json")

    def _newest_epoch(self) -> int:
        found = [
            origin.epoch(f"/{path.stem.removeprefix('signed-')}") for path in self.folder.glob("signed-epoch-*.json")
        ]
        return max(found, default=1)

    def _private(self) -> Ed25519PrivateKey:
        path = self.folder / "key"
        if not path.exists():
            durable.write(path, Ed25519PrivateKey.generate().private_bytes_raw())
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
