"""How does a part of the log become a file that proves itself? One zip, which `verifier.py` checks with a public key.

Written in one go and page by page: first the events, then, when all files stand, the log states their digests and the
counts of whom they name (`log.heads`); the signed checkpoint that covers this statement closes the bundle. What is in
each file: docs/bundle.md.
"""

from __future__ import annotations

import bisect
import json
import secrets
import time
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from portal.refusal import Refused

from . import actions, heads, multiproof, note, packing, proving, sealing, tree, verifier
from .canonical import payload_hash
from .models import AuditEvent, Checkpoint, Leaf
from .verifier import NotSound
from .waiting import Wait, covered, until_sealed

PAGE = 5000
MARKS = 64  # older checkpoints given with a range
Rights = Callable[[Sequence[str]], Mapping[str, str]]  # "payload" or "leaf" of each event id; none: hash only

_ROWS = (
    "SELECT l.index, l.event_id::text, l.leaf, e.payload FROM portal_leaf l"
    " LEFT JOIN portal_auditevent e ON e.id = l.event_id WHERE l.index "
)
_NAMED = (
    "SELECT string_agg(int8send(l.index), ''::bytea ORDER BY l.index) FROM portal_leaf l"
    " JOIN portal_auditevent e ON e.id = l.event_id WHERE l.index < %s AND "
)
_MARKS = (
    "SELECT size FROM (SELECT size, row_number() OVER (ORDER BY size) AS at, count(*) OVER () AS total"
    " FROM portal_checkpoint WHERE size > %s AND size <= %s AND starts_with(note, %s)) AS marks"
    " WHERE at %% greatest(1, (total + %s - 1) / %s) = 0 ORDER BY size"
)


@dataclass(frozen=True)
class Scope:
    """What a bundle is complete over: leaves [start, end) (`range`), or all that name a `subject` or an `actor`.

    `name` is the name in the log (`account:UUID`, `user:7`); `lanes` are those the asker may know of; no `end`: all.
    What of these leaves is asked for: those of `types`, if any are told, and of all `also`, each a kind with a name.
    `unproven` are sentences for the manifest: what else was asked for, that no leaf can show.
    """

    kind: str
    name: str = ""
    lanes: Sequence[str] = (sealing.GENERAL,)
    start: int = 0
    end: int | None = None
    types: Sequence[str] = ()
    also: Sequence[tuple[str, str]] = ()
    unproven: Sequence[str] = ()

    def tags(self) -> dict[str, str]:
        """The tag of the name by lane, hex."""
        return {} if self.kind == "range" else self._tags(self.kind, self.name)

    def told(self) -> dict[str, Any]:
        """As it stands in the manifest, but for the leaves of a range."""
        told: dict[str, Any] = {"kind": self.kind, "unproven": list(self.unproven)}
        told |= {"name": self.name, "tags": self.tags()} if self.name else {}
        told |= {"types": list(self.types)} if self.types else {}
        return told | ({"also": {name: self._tags(kind, name) for kind, name in self.also}} if self.also else {})

    def _tags(self, kind: str, name: str) -> dict[str, str]:
        told = f"by:{name}" if kind == "actor" else name
        return {lane: sealing.tag(told, lane).hex() for lane in self.lanes}


@dataclass(frozen=True)
class Row:
    """One leaf of a bundle; without payload it was not asked for, or may not be seen."""

    index: int
    event_id: str
    leaf: bytes
    payload: bytes | None


class Rendering(Protocol):
    """Another form of the same events. Fed the rows that have a payload, by index, in pages."""

    name: str

    def add(self, rows: Sequence[Row]) -> None: ...

    def finish(self) -> Path: ...


@dataclass(frozen=True)
class Written:
    """What the bundle came to: `size` and `root` of its checkpoint, `stated` the size it is complete up to."""

    leaves: int
    payloads: int
    hidden: int
    stated: int
    size: int
    root: str
    origin: str


def write(
    target: zipfile.ZipFile,
    *,
    scope: Scope,
    may_have: Rights,
    about: Mapping[str, Any],
    by: actions.Subject | str,
    of: actions.Subject | str,
    now: datetime,
    renderings: Sequence[Rendering] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    previous: str | None = None,
    pause: Callable[[float], None] = time.sleep,
    within: float = 30.0,
) -> Written:
    """Write a bundle into an empty zip. Must not run inside a transaction: the log states it, and must be signed.

    `about` holds asked_by, asked_at, why and filter; `by` and `of` are the actor and the export the statement in the
    log names. `progress(done, total)` is called after each page and while waiting; it may raise to stop. `previous` is
    a checkpoint the asker saved. `pause` is how to wait. Raises `Refused` when the log is not sealed or signed within
    so many seconds, and `NotSound` with the position when the log here is not what it should be.
    """
    key = proving.public_key()
    if key is None:
        raise Refused("There is no public key of the log here: set AUDIT_VKEY. Without it no bundle can be made.")
    wait = Wait(pause, within, lambda: progress(0, 0))
    until_sealed(wait)
    _refuse_another_key(Checkpoint.objects.order_by("-size").first(), key)  # before the long part of it
    counts = heads.take()
    maker = _Maker(target, scope, counts.size, may_have, progress)
    before = _previous(previous, key, counts.size)
    maker.events(renderings)
    for tag, chain in maker.chains.items():
        chain.end(*counts.count(bytes.fromhex(tag)))
    maker.files(renderings, key)
    salt = secrets.token_bytes(32)
    manifest = maker.manifest(about, key, before)
    statement = actions.state_heads(
        by=by, of=of, now=now, size=counts.size, entries=len(counts), root=counts.root,
        bundle=verifier.statement(manifest, salt), **verifier.extent(manifest),
    )  # fmt: skip
    wait.call = lambda: progress(maker.done, maker.total)
    index, mark = covered(statement.pk, wait)
    _refuse_another_key(mark, key)
    maker.proofs(mark, index, before)
    maker.close(manifest, _told(statement, index, salt, scope, counts), mark, key)
    return Written(maker.leaves, maker.payloads, maker.hidden, counts.size, mark.size, bytes(mark.root).hex(), key.name)


def _refuse_another_key(mark: Checkpoint | None, key: note.Verifier) -> None:
    if mark and not note.verify(note.Note.parse(mark.note), key):
        raise Refused(
            f"The newest checkpoint is not signed by the public key here ({key.name}): the log goes on under another "
            "name since, or AUDIT_VKEY is not its key. Nothing was made."
        )


class _Maker:
    """One bundle while it is written."""

    def __init__(
        self,
        target: zipfile.ZipFile,
        scope: Scope,
        size: int,
        may_have: Rights,
        progress: Callable[[int, int], None],
    ) -> None:
        self.files_in = packing.Files(target)
        self.scope, self.size, self.may_have, self.progress = scope, size, may_have, progress
        self.tags = set(scope.tags().values())
        self.read = sealing.reader()
        self.start = min(scope.start, size)
        self.end = max(self.start, min(size if scope.end is None else scope.end, size))
        self.named = self._named() if self.tags else array("q")
        self.kept = array("q")  # the leaves of a chain that is proven
        self.chains = {tag: verifier.Chain() for tag in self.tags}
        self.singles: list[int] = []  # rows with a proof of their own
        self.total = len(self.named) if self.tags else self.end - self.start
        self.done = self.leaves = self.payloads = 0
        self.first: int | None = None
        self.last: int | None = None

    @property
    def hidden(self) -> int:
        return 0 if self.tags else self.end - self.start - self.leaves

    def events(self, renderings: Sequence[Rendering]) -> None:
        """events.jsonl, and the renderings beside it."""
        self.files_in.put("events.jsonl", self._lines(renderings))

    def _lines(self, renderings: Sequence[Rendering]) -> Iterator[bytes]:
        for page in self._pages():
            rows = self._rows(page)
            yield b"".join(packing.line(row.index, row.leaf, row.payload) for row in rows)
            whole = [row for row in rows if row.payload is not None]
            for rendering in renderings:
                rendering.add(whole)
            self._count(rows, len(whole))
            self.done += len(page)
            self.progress(self.done, self.total)

    def _pages(self) -> Iterator[list[Any]]:
        with connection.cursor() as cursor:
            for at in range(0, self.total, PAGE):
                if self.tags:
                    wanted = list(self.named[at : at + PAGE])
                    cursor.execute(_ROWS + "= ANY(%s) ORDER BY l.index", [wanted])
                else:
                    wanted = list(range(self.start + at, min(self.start + at + PAGE, self.end)))
                    cursor.execute(_ROWS + ">= %s AND l.index <= %s ORDER BY l.index", [wanted[0], wanted[-1]])
                page = cursor.fetchall()
                if [row[0] for row in page] != wanted:
                    missing = min(set(wanted) - {row[0] for row in page}, default=wanted[0])
                    raise NotSound(f"leaf {missing} is missing", missing)
                yield page

    def _rows(self, page: list[Any]) -> list[Row]:
        """The rows of a page this asker may know of, each held against the tree."""
        rights = self.may_have([row[1] for row in page])
        rows = []
        for index, event, raw, payload in page:
            leaf, right = bytes(raw), rights.get(event)
            if payload is None:
                raise NotSound(f"the event of leaf {index} is gone from the log", index)
            block, place = divmod(index, tree.TILE_WIDTH)
            if self.read(0, block)[place * tree.HASH : (place + 1) * tree.HASH] != tree.leaf_hash(leaf):
                raise NotSound(f"leaf {index} was changed: its hash is another", index)
            if b'"ph":"%b"' % payload_hash(bytes(payload)).hex().encode() not in leaf:
                raise NotSound(f"the event of leaf {index} was changed: its hash is another", index)
            if not (self._in_chain(index, leaf) if self.tags else right):
                continue
            rows.append(Row(index, event, leaf, bytes(payload) if right == "payload" else None))
        return rows

    def _in_chain(self, index: int, leaf: bytes) -> bool:
        """Whether the leaf carries a tag that was asked for: it is counted apart in a lane the asker does not know."""
        told = json.loads(leaf)
        mine = [one for one in ([told["act"]] if self.scope.kind == "actor" else told["subj"]) if one["k"] in self.tags]
        for one in mine:
            self.chains[one["k"]].take(index, one["n"], one["p"])
        if mine:
            self.kept.append(index)
        return bool(mine)

    def _count(self, rows: Sequence[Row], whole: int) -> None:
        if rows:
            self.first = rows[0].index if self.first is None else self.first
            self.last = rows[-1].index
        self.singles += [row.index for row in rows[: verifier.EACH - len(self.singles)]]
        self.leaves += len(rows)
        self.payloads += whole

    def _named(self) -> array[int]:
        """The leaves below the stated size whose events name it, by the index of the log's columns."""
        what = "e.by = %s" if self.scope.kind == "actor" else "e.subjects @> ARRAY[%s]::varchar[]"
        with connection.cursor() as cursor:
            cursor.execute(_NAMED + what, [self.size, self.scope.name])
            found = array("q", bytes(cursor.fetchone()[0] or b""))
        found.byteswap()  # the database writes the highest byte first
        return found

    def files(self, renderings: Sequence[Rendering], key: note.Verifier) -> None:
        """What else the log will vouch for."""
        if not self.tags:
            self.files_in.put("leafhashes.bin", self._leaf_hashes())
        for rendering in renderings:
            self.files_in.put(rendering.name, packing.chunks(rendering.finish()))
        self.files_in.put("README.txt", [packing.README.format(origin=key.name).encode()])
        self.files_in.put("verify.py", packing.chunks(Path(verifier.__file__)))

    def _leaf_hashes(self) -> Iterator[bytes]:
        at = self.start
        while at < self.end:
            block, place = divmod(at, tree.TILE_WIDTH)
            end = min(self.end, (block + 1) * tree.TILE_WIDTH)
            yield self.read(0, block)[place * tree.HASH : (place + end - at) * tree.HASH]
            at = end

    def manifest(self, about: Mapping[str, Any], key: note.Verifier, before: Checkpoint | None) -> dict[str, Any]:
        """All that is known before the log has stated it."""
        scope = self.scope.told() | ({} if self.tags else {"start": self.start, "end": self.end})
        return {
            "v": 1,
            "format": verifier.FORMAT,
            "tool": f"Reeve {settings.VERSION}",
            **{name: about[name] for name in ("asked_by", "asked_at", "why", "filter")},
            "scope": scope,
            "counts": {"leaves": self.leaves, "payloads": self.payloads, "hidden": self.hidden},
            "times": "UTC",
            "origin": key.name,
            "size": self.size,
            "first": self.first,
            "last": self.last,
            "previous": {"size": before.size, "root": bytes(before.root).hex()} if before else None,
            "files": dict(sorted(self.files_in.digests.items())),
        }

    def proofs(self, mark: Checkpoint, statement: int, before: Checkpoint | None) -> None:
        """What ties the leaves to the checkpoint."""
        try:
            self._proofs(mark, statement, before)
        except ValueError as error:  # a tile lacks what it should hold
            raise NotSound(str(error)) from None

    def _proofs(self, mark: Checkpoint, statement: int, before: Checkpoint | None) -> None:
        self.read = sealing.reader()  # the last tiles have grown since
        _hold(mark, self.read)
        known = ((at, at + 1) for at in self.kept) if self.tags else iter([(self.start, self.end)])
        self.files_in.put("proofs/tree.bin", packing.joined(multiproof.prove(known, mark.size, self.read)))
        rows = self.singles if self.leaves <= verifier.EACH else self.singles[:1]
        for index in sorted({statement, *rows, *([] if self.last is None else [self.last])}):
            path = tree.inclusion(index, mark.size, self.read)
            self.files_in.put(f"proofs/{index}.tlog-proof", [packing.tlog_proof(index, path, mark.note)])
        if not self.tags:
            with connection.cursor() as cursor:
                origin = mark.note[: mark.note.index("\n") + 1]  # those of an older epoch have another key
                cursor.execute(_MARKS, [self.start, self.end, origin, MARKS, MARKS])
                sizes = [row[0] for row in cursor.fetchall()]
            notes = list(Checkpoint.objects.filter(size__in=sizes).order_by("size").values_list("note", flat=True))
            self.files_in.put("proofs/checkpoints.json", [verifier.dumped(notes).encode()])
        if before:
            path = tree.consistency(before.size, mark.size, self.read)
            self.files_in.put("proofs/consistency.txt", [packing.lines(path).encode()])
            self.files_in.put("previous-checkpoint.txt", [before.note.encode()])

    def close(self, manifest: dict[str, Any], told: dict[str, Any], mark: Checkpoint, key: note.Verifier) -> None:
        """The statement, the checkpoint, the manifest, the sums."""
        whole = {**manifest, "checkpoint": {"size": mark.size, "root": bytes(mark.root).hex()}}
        self.files_in.put("proofs/heads.json", [verifier.dumped(told).encode()])
        self.files_in.put("checkpoint.txt", [mark.note.encode()])
        self.files_in.put("VKEYS", [f"{key.vkey}\n".encode()])
        self.files_in.put("manifest.json", [verifier.dumped(whole).encode()])
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.files_in.digests.items()))
        self.files_in.put("SHA256SUMS", [sums.encode()])


def _hold(mark: Checkpoint, read: tree.Reader) -> None:
    """Let the tiles give what this checkpoint says. Raises `NotSound` with the two checkpoints it is between."""
    if tree.root(mark.size, read) == _signed_root(mark):
        return
    sizes = list(Checkpoint.objects.filter(size__lte=mark.size).order_by("size").values_list("size", flat=True))
    marks = Checkpoint.objects.in_bulk(sizes, field_name="size")
    good = bisect.bisect_left(sizes, True, key=lambda one: tree.root(one, read) != _signed_root(marks[one]))
    start, end = sizes[good - 1] if good else 0, sizes[good]
    raise NotSound(f"the leaves up to {end} are not those that were signed", start, end)


def _signed_root(mark: Checkpoint) -> bytes:
    try:
        return note.Checkpoint.parse(note.Note.parse(mark.note).text).root
    except note.BadNote as error:
        raise NotSound(f"the checkpoint at {mark.size} cannot be read: {error}") from None


def _told(event: AuditEvent, index: int, salt: bytes, scope: Scope, counts: heads.Heads) -> dict[str, Any]:
    """The statement as heads.json holds it."""
    leaf = Leaf.objects.values_list("leaf", flat=True).get(index=index)
    return {
        "index": index,
        "leaf": packing.text(leaf),
        "payload": packing.text(event.payload),
        "salt": salt.hex(),
        "tags": {tag: counts.prove(bytes.fromhex(tag)) for tag in scope.tags().values()},
    }


def _previous(told: str | None, key: note.Verifier, size: int) -> Checkpoint | None:
    """The checkpoint that the bundle's own must continue: one the asker saved, or the last before it."""
    if told is None:
        mine = Checkpoint.objects.filter(note__startswith=f"{key.name}\n", size__range=(1, size))
        return mine.order_by("-size").first()
    try:
        signed = note.Note.parse(told)
        text = note.Checkpoint.parse(signed.text)
    except note.BadNote as error:
        raise Refused(f"checkpoint: {error}.", status=400) from None
    if not note.verify(signed, key) or text.origin != key.name or not 0 < text.size <= size:
        raise Refused("checkpoint: not an earlier checkpoint of this log.", status=400)
    return Checkpoint(size=text.size, root=text.root, note=told)
