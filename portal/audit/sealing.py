"""How does a committed event get its place? In batches, by one sequencer: numbered, hashed and put in the tree.

The deciding transaction only leaves its events in `Pending`. That is a queue of work and not "id greater than the last
one": ids commit out of order, and what commits late would be passed over.
"""

from __future__ import annotations

import base64
import functools
import hmac
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.models.functions import Now

from . import tree
from .canonical import canonical
from .models import Alarm, Tile, Tree

log = logging.getLogger(__name__)

DATABASE = "sequencer"
BATCH = 5000
GENERAL = "general"
TAG_BYTES = 16
Lanes = Callable[[Sequence[UUID]], Mapping[UUID, str]]  # the lane of each event that is not in the general one

# Whether it has a leaf is asked for each event by the index: as EXISTS, PostgreSQL read all leaves to hash them.
_TAKE = """
WITH waiting AS (SELECT event_id FROM portal_pending ORDER BY event_id LIMIT %s FOR UPDATE SKIP LOCKED),
     taken AS (DELETE FROM portal_pending p USING waiting w WHERE p.event_id = w.event_id RETURNING p.event_id)
SELECT t.event_id, e.occurred_at, e.type, e.by, e.subjects, e.payload_hash,
       (SELECT l.index FROM portal_leaf l WHERE l.event_id = t.event_id) IS NOT NULL
  FROM taken t LEFT JOIN portal_auditevent e ON e.id = t.event_id ORDER BY e.occurred_at, t.event_id"""


def seal(*, lanes: Lanes, limit: int = BATCH) -> int:
    """Give up to `limit` waiting events their place, in one transaction; returns how many leaves were added.

    The row of the tree is locked first, so that two sequencers can never give one number twice. `lanes` says which of
    the events are in a restricted lane: a subject's events there are numbered apart, so that the other numbers show no
    hole to who may not know of them.
    """
    with transaction.atomic(using=DATABASE), connections[DATABASE].cursor() as cursor:
        size = Tree.objects.using(DATABASE).select_for_update().values_list("size", flat=True).get(pk=1)
        cursor.execute(_TAKE, [limit])
        taken = cursor.fetchall()
        _tell_what_is_gone([row[0] for row in taken if row[1] is None])
        rows = [row for row in taken if row[1] is not None and not row[-1]]  # not again what has its place
        if not rows:
            return 0
        restricted = lanes([row[0] for row in rows])
        leaves = _number(rows, restricted, size=size, cursor=cursor)
        cursor.execute(
            "INSERT INTO portal_leaf (index, event_id, leaf) "
            "SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::bytea[])",
            [list(range(size, size + len(rows))), [str(row[0]) for row in rows], leaves],
        )
        _grow(size, leaves, cursor=cursor)
        Tree.objects.using(DATABASE).filter(pk=1).update(size=size + len(rows), sealed_at=Now())
    return len(rows)


def leaf_of(
    event_id: UUID, *, at: datetime, type: str, payload_hash: bytes, subjects: Sequence[Any], actor: Any
) -> bytes:
    """The bytes of a leaf: small and free of personal data; each subject and the actor as (tag, number, last index)."""
    return canonical(
        {
            "v": 1,
            "id": str(event_id),
            "t": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "ph": payload_hash.hex(),
            "type": type,
            "subj": [{"k": tag.hex(), "n": n, "p": last} for tag, n, last in subjects],
            "act": dict(zip("knp", (actor[0].hex(), *actor[1:]), strict=True)),
        }
    )


def tag(name: str, lane: str = GENERAL) -> bytes:
    """The 16 bytes that stand for a name in leaves: a keyed hash, so that the tree alone links nobody."""
    told = name if lane == GENERAL else f"{name}#{lane}"
    return hmac.digest(_key(), told.encode(), "sha256")[:TAG_BYTES]


def reader(using: str = "default", *, size: int | None = None) -> tree.Reader:
    """Reads the tiles of the tree from the database, and remembers the last thousand (8 MB)."""

    @functools.lru_cache(maxsize=1024)
    def read(level: int, index: int) -> bytes:
        found = Tile.objects.using(using).filter(level=level, idx=index).values_list("hashes", flat=True).first()
        return bytes(found or b"")

    return read


def _tell_what_is_gone(events: Sequence[UUID]) -> None:
    """Who takes an event out before it has its place leaves its number here: that stays."""
    for event in events:
        log.critical("event %s waited for its place and is gone: somebody took it out of the log", event)
    told = "event {} was taken out of the log before it had its place"
    Alarm.objects.using(DATABASE).bulk_create(
        Alarm(kind=Alarm.Kind.GONE, about=str(event), told=told.format(event)) for event in events
    )


def _number(rows: Sequence[Any], restricted: Mapping[UUID, str], *, size: int, cursor: Any) -> list[bytes]:
    """The leaves of these rows; the heads of whom they name are read once, counted on, and written once."""
    named = [_tags(row, restricted.get(row[0], GENERAL)) for row in rows]
    wanted = sorted({one for actor, subjects in named for one in (actor, *subjects)})
    cursor.execute("SELECT tag, n, last FROM portal_head WHERE tag = ANY(%s::bytea[])", [wanted])
    heads = {bytes(one): (n, last) for one, n, last in cursor.fetchall()}
    leaves = []
    for index, (row, (actor, subjects)) in enumerate(zip(rows, named, strict=True), start=size):
        event_id, at, type_, _, _, digest, _ = row
        told = {one: (one, heads.get(one, (0, -1))[0] + 1, heads.get(one, (0, -1))[1]) for one in (actor, *subjects)}
        leaves.append(
            leaf_of(
                event_id,
                at=at,
                type=type_,
                payload_hash=bytes(digest),
                subjects=[told[one] for one in subjects],
                actor=told[actor],
            )
        )
        heads |= {one: (n, index) for one, n, _ in told.values()}
    cursor.execute(
        "INSERT INTO portal_head (tag, n, last) SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[]) "
        "ON CONFLICT (tag) DO UPDATE SET n = EXCLUDED.n, last = EXCLUDED.last",
        [wanted, [heads[one][0] for one in wanted], [heads[one][1] for one in wanted]],
    )
    return leaves


def _tags(row: Sequence[Any], lane: str) -> tuple[bytes, list[bytes]]:
    """Who did it and whom it is about. What somebody did and what was done to them are counted apart."""
    return tag(f"by:{row[3]}", lane), list(dict.fromkeys(tag(name, lane) for name in row[4]))


def _grow(size: int, leaves: Iterable[bytes], *, cursor: Any) -> None:
    changed = tree.grow(size, [tree.leaf_hash(leaf) for leaf in leaves], reader(DATABASE))
    cursor.execute(
        "INSERT INTO portal_tile (level, idx, hashes) SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bytea[]) "
        "ON CONFLICT (level, idx) DO UPDATE SET hashes = EXCLUDED.hashes",
        [[level for level, _ in changed], [index for _, index in changed], list(changed.values())],
    )


@functools.cache
def _key() -> bytes:
    if not settings.AUDIT_KEY:
        raise ImproperlyConfigured("AUDIT_KEY is not set: 32 random bytes, base64. Without it no leaf can be made.")
    return base64.b64decode(settings.AUDIT_KEY)
