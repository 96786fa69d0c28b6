"""Is the log what was signed? Every event, leaf, tile, counter and checkpoint, from the first to the last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from . import chains, counted, note, origin, reading, tree
from .canonical import payload_hash
from .events import Event
from .models import Checkpoint, Head, Tree


@dataclass(frozen=True)
class Verdict:
    """Up to where the log is sound, or the first position that is not."""

    sound: bool
    size: int  # leaves looked at
    waiting: int = 0  # leaves after the newest checkpoint: sealed, not yet signed
    checkpoint: str = ""  # the text of the newest one
    at: datetime | None = None  # when that was signed
    origin: str = ""  # the name it was signed under
    unplaced: int = 0  # events in the table that have no place and do not wait for one
    position: int | None = None  # the first bad leaf
    why: str = ""

    def whole(self) -> Verdict:
        """The same, but not sound where events stand beside the tree: each leaf is, and nothing proves those."""
        if not self.sound or not self.unplaced:
            return self
        return replace(self, sound=False, why=f"{self.unplaced} events have no place and wait for none")


def public_key() -> note.Verifier | None:
    """The public key of the log: as set, or as the signer of this machine wrote it down."""
    told = settings.AUDIT_VKEY
    path = Path(settings.SIGNER_DIR) / "log.vkey"
    if not told and path.is_file():
        told = path.read_text(encoding="utf-8").strip()
    return note.Verifier.parse(told) if told else None


def verify(key: note.Verifier | None, *, progress: Callable[[int, int], None] = lambda _done, _of: None) -> Verdict:
    """Check the whole log against its checkpoints. Without a key there is nothing to check it against.

    Reads in one snapshot, page by page; memory does not grow with the log, but for its checkpoints' sizes.
    `progress(leaves looked at, leaves)` is called after each page; what it raises ends the check.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        size = Tree.objects.values_list("size", flat=True).get(pk=1)
        walk = _Walk(key)
        try:
            walk.compare()
            for row in reading.pages(reading.ROWS, -1):
                walk.take(*row)
                if walk.size % reading.PAGE == 0:
                    progress(walk.size, size)
            walk.end(size)
            walk.statements(walk.size)
        except reading.Bad as bad:
            bad = walk.earlier(bad)
            return Verdict(False, walk.size, position=bad.position, why=bad.why)
        cursor.execute(reading.UNPLACED)
        unplaced = cursor.fetchone()[0]
        newest = Checkpoint.objects.order_by("-size").first()
        return Verdict(
            True,
            size,
            waiting=size - (newest.size if newest else 0),
            checkpoint=newest.note if newest else "",
            at=newest.created_at if newest else None,
            origin=walk.origin,
            unplaced=unplaced,
        )


class _Walk:
    """Builds the tree again from the events; compares each leaf with its tile and the whole at each checkpoint."""

    def __init__(self, key: note.Verifier | None) -> None:
        self.key = key
        self.marks = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))[::-1]  # the next is last
        self.signed = max(self.marks, default=0)
        self.before = 0  # the size of the checkpoint before
        self.origin = origin.base(key.name) if key else ""
        self.opened: set[str] = set()  # names of later epochs that an event has opened
        self.size = 0
        self.stack: list[tuple[int, bytes]] = []  # (leaves, hash) of whole subtrees, left to right
        self.chains = chains.Chains()
        self.read = reading.Tiles()
        self.tile = b""
        self.stated: list[counted.Statement] = []  # what bundles were made over
        self.odd: int | None = None  # the first leaf that differs from a tile which cannot be trusted either

    def take(self, index: int, leaf: bytes, event: str, payload: Any, at: Any, *columns: Any) -> None:
        """One leaf and its event; times are in UTC, without a zone."""
        leaf = bytes(leaf)
        if index != self.size:
            raise reading.Bad(self.size, f"leaf {self.size} is missing")
        digest = hashlib.sha256(b"\x00" + leaf).digest()
        slot = index % tree.TILE_WIDTH
        if slot == 0:
            self._next_tile(index)
        if self.tile[slot * 32 : slot * 32 + 32] != digest and self.odd is None:
            self._differs(index)
        told = reading.told_by(index, leaf)
        if told.get("id") != event:
            raise reading.Bad(index, f"leaf {index} is of another event than the one it points to")
        if payload is None:
            raise reading.Bad(index, f"the event of leaf {index} is gone from the log")
        payload = bytes(payload)
        if told.get("ph") != payload_hash(payload).hex():
            raise reading.Bad(index, f"the event of leaf {index} was changed after it was sealed")
        written = f"{at.isoformat(timespec='microseconds')}Z"
        if (told.get("t"), told.get("type")) != (written, columns[0]) or not reading.agrees(payload, event, *columns):
            raise reading.Bad(index, f"the columns of the event of leaf {index} say something else than the event")
        if columns[0] == Event.LOG_EPOCH_OPENED:
            self.opened.add(reading.new_name(payload))
        elif columns[0] == Event.LOG_HEADS:
            self.stated.append(counted.Statement(index, *reading.statement(index, payload)))
        try:
            self.chains.take(index, (*told["subj"], told["act"]))
        except chains.Broken as broken:
            raise reading.Bad(index, str(broken)) from None
        self._add(digest)

    def end(self, size: int) -> None:
        """Nothing is missing at the end: not against the tree, not against what was signed, not against the heads."""
        most = max(size, self.signed)
        if self.size != most:
            raise reading.Bad(self.size, f"the log ends after {self.size} leaves; {most} were sealed or signed")
        if self.odd is not None:
            raise reading.Bad(self.odd, f"the tile of leaf {self.odd} holds another hash than the leaf gives")
        slot = self.size % tree.TILE_WIDTH
        if slot and len(self.tile) != slot * 32:
            raise reading.Bad(self.size, "the last tile holds hashes of leaves that are not there")
        if self.key and origin.epoch(self.key.name) > origin.epoch(self.origin):
            raise reading.Bad(self.size, f"nothing here was signed as {self.key.name}; the last name is {self.origin}")
        if wrong := self.chains.left(reading.heads()):
            position = chains.first_broken(self._named(size), size, wrong)
            if position is not None:
                raise reading.Bad(position, str(chains.Broken(position)))
            position = chains.odd_head(self._named(size), reading.heads, size, wrong)
            raise reading.Bad(
                position, f"the counter of whom leaf {position} names says something else than the leaves"
            )

    def statements(self, upto: int) -> None:
        """What bundles were made over is what the leaves give, as far as `upto`."""
        stated = [one for one in self.stated if one.index < upto]
        position = counted.first_wrong(stated, self._named(upto), names=Head.objects.count()) if stated else None
        if position is not None:
            raise reading.Bad(position, f"leaf {position} states counts that are not those of the leaves before it")

    def earlier(self, bad: reading.Bad) -> reading.Bad:
        """The first bad position where that is before this one: counts are compared at the end, which was not reached.

        Where nothing is wrong before it, `bad` itself.
        """
        broken = chains.first_broken(self._named(bad.position), bad.position)
        if broken is not None:
            bad = reading.Bad(broken, str(chains.Broken(broken)))
        try:
            self.statements(bad.position)
        except reading.Bad as stated:
            return stated
        return bad

    def _named(self, upto: int) -> Callable[[], chains.Named]:
        return lambda: reading.named(upto)

    def compare(self) -> None:
        """Where a checkpoint stands, the leaves must come to what was signed."""
        if not self.marks or self.marks[-1] != self.size:
            return
        root, size = tree.of_stack(self.stack), self.marks.pop()
        text = self._signed(Checkpoint.objects.get(pk=size))
        if text.root != root:
            raise reading.Bad(self._first_wrong(text), f"the leaves up to {size} are not those that were signed")
        if self.odd is not None:
            raise reading.Bad(self.odd, f"the tile of leaf {self.odd} holds another hash than the leaf that was signed")
        self.before = size

    def _add(self, digest: bytes) -> None:
        count, stack = 1, self.stack
        while stack and stack[-1][0] == count:
            digest = hashlib.sha256(b"\x01" + stack.pop()[1] + digest).digest()
            count *= 2
        stack.append((count, digest))
        self.size += 1
        if self.size % tree.TILE_WIDTH == 0 and self.odd is None:
            self._close_tile()
        if self.marks and self.marks[-1] == self.size:
            self.compare()

    def _signed(self, mark: Checkpoint) -> note.Checkpoint:
        """What a checkpoint says, if it may be believed."""
        try:
            signed = note.Note.parse(mark.note)
            text = note.Checkpoint.parse(signed.text)
        except note.BadNote as error:
            raise reading.Bad(self.size, f"the checkpoint at {self.size} cannot be read: {error}") from None
        own = note.Verifier(text.origin, self.key.public) if self.key else None
        if own is None or not note.verify(signed, own):
            raise reading.Bad(self.size, f"the checkpoint at {self.size} is not signed by the key of this log")
        later = text.origin in self.opened and origin.epoch(text.origin) > origin.epoch(self.origin)
        if text.size != self.size or not (text.origin == self.origin or later):
            raise reading.Bad(self.size, f"the checkpoint at {self.size} speaks of another log, epoch or size")
        if bytes(mark.root) != text.root:
            raise reading.Bad(self.size, f"the checkpoint at {self.size} says another root beside its note")
        self.origin = text.origin
        return text

    def _next_tile(self, index: int) -> None:
        self.tile = self.read(0, index // tree.TILE_WIDTH)

    def _close_tile(self) -> None:
        """The hash of a whole tile must stand in the tile above, and so on up."""
        level, index = 0, self.size // tree.TILE_WIDTH - 1
        while True:
            above = self.read(level + 1, index // tree.TILE_WIDTH)
            slot = index % tree.TILE_WIDTH
            if above[slot * 32 : slot * 32 + 32] != tree.of_tile(self.read(level, index)):
                first = max(self.before, index * tree.TILE_WIDTH ** (level + 1))
                raise reading.Bad(first, f"the tiles over the leaves {first} to {self.size - 1} do not fit together")
            if slot != tree.TILE_WIDTH - 1:
                return
            level, index = level + 1, index // tree.TILE_WIDTH

    def _differs(self, index: int) -> None:
        """A leaf is not what its tile says: it was changed, if the tile is what was signed; else that shows later."""
        mark = next((size for size in reversed(self.marks) if size > index), None)
        if mark is None:
            raise reading.Bad(index, f"leaf {index} was changed after it was sealed, or the hash of it was")
        if self._tile_was_signed(index, self._signed_at(mark)):
            raise reading.Bad(index, f"leaf {index} was changed after it was sealed")
        self.odd = index

    def _signed_at(self, mark: int) -> note.Checkpoint | None:
        try:
            told = Checkpoint.objects.values_list("note", flat=True).get(pk=mark)
            signed = note.Note.parse(told)
            text = note.Checkpoint.parse(signed.text)
        except note.BadNote:
            return None
        own = note.Verifier(text.origin, self.key.public) if self.key else None
        return text if own and note.verify(signed, own) else None

    def _tile_was_signed(self, index: int, text: note.Checkpoint | None) -> bool:
        """Whether the tile that holds this leaf is proved by a checkpoint."""
        if text is None:
            return False
        slot = index % tree.TILE_WIDTH
        try:
            proof = tree.inclusion(index, text.size, self.read)
        except ValueError:
            return False
        return tree.check_inclusion(index, text.size, self.tile[slot * 32 : slot * 32 + 32], proof, text.root)

    def _first_wrong(self, text: note.Checkpoint) -> int:
        """The first leaf that a wrong root can be about: of the first tile that is not what was signed.

        Where the tiles say nothing that can be believed, it is the leaf after the checkpoint before.
        """
        for start in range(self.before, text.size, tree.TILE_WIDTH):
            self._next_tile(start)
            if not self._tile_was_signed(start, text):
                return start // tree.TILE_WIDTH * tree.TILE_WIDTH if start > self.before else start
        return self.before
