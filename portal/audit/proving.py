"""Is the log what was signed? Every event, leaf, tile, counter and checkpoint, from the first to the last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction

from . import heads, note, sealing, tree
from .canonical import payload_hash
from .events import Event
from .models import AuditEvent, Checkpoint, Leaf, Tree

PAGE = 5000


@dataclass(frozen=True)
class Verdict:
    """Up to where the log is sound, or the first position that is not."""

    sound: bool
    size: int  # leaves looked at
    waiting: int = 0  # leaves after the newest checkpoint: sealed, not yet signed
    checkpoint: str = ""  # the text of the newest one
    at: datetime | None = None  # when that was signed
    position: int | None = None  # the first bad leaf
    why: str = ""


class _Bad(Exception):
    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position, self.why = position, why


def public_key() -> note.Verifier | None:
    """The public key of the log: as set, or as the signer of this machine wrote it down."""
    told = settings.AUDIT_VKEY
    path = Path(settings.SIGNER_DIR) / "log.vkey"
    if not told and path.is_file():
        told = path.read_text(encoding="utf-8").strip()
    return note.Verifier.parse(told) if told else None


def verify(key: note.Verifier | None, *, progress: Callable[[int, int], None] = lambda _done, _of: None) -> Verdict:
    """Check the whole log against its checkpoints. Without a key there is nothing to check it against.

    Reads in one snapshot, page by page, and remembers one number per subject. `progress(leaves looked at, leaves)` is
    called after each page; what it raises ends the check.
    """
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        size = Tree.objects.values_list("size", flat=True).get(pk=1)
        marks = list(Checkpoint.objects.order_by("size"))
        walk = _Walk({mark.size: mark for mark in marks}, key, wanted=_stated_sizes())
        try:
            for row in _rows(cursor):
                walk.take(*row)
                if walk.size % PAGE == 0:
                    progress(walk.size, size)
            walk.end(size)
        except _Bad as bad:
            return Verdict(False, walk.size, position=bad.position, why=bad.why)
        newest = marks[-1] if marks else None
        return Verdict(
            True,
            size,
            waiting=size - (newest.size if newest else 0),
            checkpoint=newest.note if newest else "",
            at=newest.created_at if newest else None,
        )


class _Walk:
    """Builds the tree again from the events and compares at each checkpoint."""

    def __init__(self, marks: dict[int, Checkpoint], key: note.Verifier | None, *, wanted: set[int]) -> None:
        self.marks, self.key = marks, key
        self.size = 0
        self.stack: list[tuple[int, bytes]] = []  # (leaves, hash) of whole subtrees, left to right
        self.heads: dict[str, tuple[int, int]] = {}
        self.wanted = wanted  # sizes that bundles were made over
        self.stated: dict[int, tuple[int, int, str]] = {}  # size, names and root of the heads at these
        self.tile = b""
        self.read = sealing.reader()
        self._compare()
        self._state()

    def take(self, index: int, leaf: bytes, event: UUID, payload: Any, columns: tuple[Any, ...]) -> None:
        if index != self.size:
            raise _Bad(self.size, f"leaf {self.size} is missing")
        told = _told(index, leaf)
        if told.get("id") != str(event):
            raise _Bad(index, f"leaf {index} is of another event than the one it points to")
        if payload is None:
            raise _Bad(index, f"the event of leaf {index} is gone from the log")
        if told.get("ph") != payload_hash(bytes(payload)).hex():
            raise _Bad(index, f"the event of leaf {index} was changed after it was sealed")
        if not _agrees(json.loads(bytes(payload)), columns):
            raise _Bad(index, f"the columns of the event of leaf {index} say something else than the event")
        for one in (*told["subj"], told["act"]):
            n, last = self.heads.get(one["k"], (0, -1))
            if (one["n"], one["p"]) != (n + 1, last):
                raise _Bad(index, f"leaf {index} is out of the count of whom it names: an event was left out before it")
        if told.get("type") == Event.LOG_HEADS:
            self._statement(index, json.loads(bytes(payload)))
        self.heads |= {one["k"]: (one["n"], index) for one in (*told["subj"], told["act"])}
        self._add(tree.leaf_hash(leaf))
        self._compare()
        self._state()

    def end(self, size: int) -> None:
        """Nothing is missing at the end: not against the tree, not against what was signed."""
        signed = max(self.marks, default=0)
        if self.size != max(size, signed):
            raise _Bad(self.size, f"the log ends after {self.size} leaves; {max(size, signed)} were sealed or signed")
        if self.tile and not self.read(0, self.size // tree.TILE_WIDTH) == self.tile:
            raise _Bad(self.size - len(self.tile) // 32, "the last tile holds other hashes than the leaves give")

        self._counters()

    def _state(self) -> None:
        if self.size in self.wanted:
            found = heads.of_counts(self.size, ((bytes.fromhex(tag), *one) for tag, one in self.heads.items()))
            self.stated[self.size] = self.size, len(found), found.root.hex()

    def _statement(self, index: int, payload: dict[str, Any]) -> None:
        """What a bundle was made over is what the leaves give."""
        try:
            facts = payload["facts"]
            told = facts["size"], facts["entries"], facts["root"]
        except (KeyError, TypeError):
            told = None
        if told is None or told[0] not in self.stated or told != self.stated[told[0]]:
            raise _Bad(index, f"leaf {index} states counts that are not those of the leaves before it")

    def _counters(self) -> None:
        """The counters that the next leaves will be numbered from."""
        counted = heads.joined((bytes.fromhex(tag), *one) for tag, one in self.heads.items())
        if heads.entries() != counted:
            kept = heads.by_tag(heads.entries())
            tags = {*kept, *self.heads}
            wrong = [self.heads.get(tag, (0, 0))[1] for tag in tags if kept.get(tag) != self.heads.get(tag)]
            raise _Bad(min(wrong), f"the counter of whom leaf {min(wrong)} names says something else than the leaves")

    def _add(self, digest: bytes) -> None:
        whole = (1, digest)
        self.tile += digest
        while self.stack and self.stack[-1][0] == whole[0]:
            left = self.stack.pop()
            whole = (2 * whole[0], tree.node_hash(left[1], whole[1]))
        self.stack.append(whole)
        if len(self.tile) == 32 * tree.TILE_WIDTH:
            first = self.size + 1 - tree.TILE_WIDTH
            if self.read(0, first // tree.TILE_WIDTH) != self.tile:
                raise _Bad(first, f"the tile of leaf {first} holds other hashes than the leaves give")
            self.tile = b""
        self.size += 1

    def _compare(self) -> None:
        mark = self.marks.get(self.size)
        if mark is None:
            return
        root = hashlib.sha256(b"").digest() if not self.stack else self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            root = tree.node_hash(left, root)
        try:
            signed = note.Note.parse(mark.note)
            text = note.Checkpoint.parse(signed.text)
        except note.BadNote as error:
            raise _Bad(self.size, f"the checkpoint at {self.size} cannot be read: {error}") from None
        if self.key is None or not note.verify(signed, self.key):
            raise _Bad(self.size, f"the checkpoint at {self.size} is not signed by the key of this log")
        if (text.origin, text.size) != (self.key.name, self.size):
            raise _Bad(self.size, f"the checkpoint at {self.size} speaks of another log or size")
        if text.root != root or bytes(mark.root) != root:
            raise _Bad(self._since(self.size), f"the leaves up to {self.size} are not those that were signed")

    def _since(self, size: int) -> int:
        """The first position a wrong root can be about: the leaf after the checkpoint before."""
        return max((one for one in self.marks if one < size), default=0)


def _rows(cursor: Any) -> Iterator[tuple[int, bytes, UUID, Any, tuple[Any, ...]]]:
    after = -1
    while True:
        page = list(
            Leaf.objects.filter(index__gt=after)
            .order_by("index")
            .values_list("index", "leaf", "event_id", "event__payload", "event__type", "event__by", "event__subjects")[
                :PAGE
            ]
        )
        for index, leaf, event, payload, *columns in page:
            yield index, bytes(leaf), event, payload, tuple(columns)
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _stated_sizes() -> set[int]:
    """The sizes at which the heads were stated for a bundle, as far as these events can be read."""
    sizes = set()
    for payload in AuditEvent.objects.filter(type=Event.LOG_HEADS).values_list("payload", flat=True).iterator():
        try:
            sizes.add(json.loads(bytes(payload))["facts"]["size"])
        except (ValueError, KeyError, TypeError):
            continue  # its leaf will say so
    return sizes


def _told(index: int, leaf: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(leaf)
        _ = [one[part] for one in (*told["subj"], told["act"]) for part in "knp"]
    except (ValueError, KeyError, TypeError):
        raise _Bad(index, f"leaf {index} cannot be read") from None
    return told


def _agrees(payload: dict[str, Any], columns: tuple[Any, ...]) -> bool:
    type_, by, subjects = columns
    return bool(payload.get("type") == type_ and payload.get("by") == by and payload.get("of") == list(subjects))
