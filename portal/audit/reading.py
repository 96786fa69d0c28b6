"""How are events, leaves and tiles read for a check? Page by page, in the transaction of whoever asks."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from .models import Tile

PAGE = 5000
TILES_AT_ONCE = 32
ROWS = """
SELECT l.index, l.leaf, l.event_id::text, e.payload, e.occurred_at AT TIME ZONE 'UTC',
       e.type, e.by, to_json(e.subjects)::text, e.told_at AT TIME ZONE 'UTC'
  FROM portal_leaf l LEFT JOIN portal_auditevent e ON e.id = l.event_id
 WHERE l.index > %s ORDER BY l.index LIMIT %s"""
LEAVES = "SELECT index, leaf FROM portal_leaf WHERE index > %s ORDER BY index LIMIT %s"
_TILES = "SELECT idx, hashes FROM portal_tile WHERE level = 0 AND idx >= %s AND idx < %s"
HEADS = "SELECT tag, n, last FROM portal_head WHERE tag > %s ORDER BY tag LIMIT %s"
UNPLACED = """
SELECT (SELECT count(*) FROM portal_auditevent) - (SELECT count(*) FROM portal_leaf)
     - (SELECT count(*) FROM portal_pending p JOIN portal_auditevent e ON e.id = p.event_id)"""

_DECODE = json.JSONDecoder().raw_decode


class Bad(Exception):
    """The first position that is not what it should be, as far as was looked, and why."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position, self.why = position, why


class Tiles:
    """Reads tiles for a walk from left to right: those of leaves many at a time, those above a few kept."""

    def __init__(self) -> None:
        self.ahead: dict[int, bytes] = {}
        self.above = functools.lru_cache(maxsize=64)(tile)

    def __call__(self, level: int, index: int) -> bytes:
        if level:
            return self.above(level, index)
        if index not in self.ahead:
            with connection.cursor() as cursor:
                cursor.execute(_TILES, [index, index + TILES_AT_ONCE])
                self.ahead = {at: bytes(hashes) for at, hashes in cursor.fetchall()}
        return self.ahead.get(index, b"")


def tile(level: int, index: int) -> bytes:
    """One tile; nothing where there is none."""
    return bytes(Tile.objects.filter(level=level, idx=index).values_list("hashes", flat=True).first() or b"")


def named(upto: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Whom each leaf before `upto` names; what cannot be read names nobody."""
    for index, leaf in pages(LEAVES, -1):
        if index >= upto:
            return
        try:
            told = told_by(index, bytes(leaf))
        except Bad:
            continue
        yield index, [*told["subj"], told["act"]]


def heads() -> Iterator[tuple[str, int, int]]:
    """The counters that the next leaves will be numbered from: tag (hex), number, last leaf."""
    return ((bytes(tag).hex(), n, last) for tag, n, last in pages(HEADS, b""))


def pages(query: str, after: Any) -> Iterator[Any]:
    """The rows of a query, page by page, each beginning after the first column of the last row."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute(query, [after, PAGE])
            page = cursor.fetchall()
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1][0]


def json_of(told: bytes) -> Any:
    """As `json.loads`, without looking for other encodings than the one there is."""
    text = told.decode()
    found, end = _DECODE(text)
    if end != len(text):
        raise ValueError("more than one value")
    return found


def agrees(payload: bytes, event: str, type_: str, by: str, of: str, told: datetime | None) -> bool:
    """Whether the columns say what the event says; `of` is JSON.

    The canonical form of an event fixes how it begins and ends, so that most need not be parsed: the quotes of the end
    are even and its braces close the whole, so it can be no part of a text or of something inside.
    """
    if '"' not in by and '"' not in type_ and "\\" not in by + type_:
        when = f',"told":"{told.isoformat()}+00:00"' if told else ""
        ends = f',"id":"{event}","of":{of}{when},"type":"{type_}","v":1}}'
        if payload.startswith(f'{{"by":"{by}","facts":'.encode()) and payload.endswith(ends.encode()):
            return True
    try:
        body = json_of(payload)
        at = datetime.fromisoformat(body["told"]).astimezone(UTC).replace(tzinfo=None) if "told" in body else None
        return bool((body["type"], body["by"], body["of"], at) == (type_, by, json.loads(of), told))
    except (ValueError, KeyError, TypeError):
        return False


def new_name(payload: bytes) -> str:
    """The name under which an epoch was opened; nothing, where an event only looks like that."""
    try:
        return str(json_of(payload)["facts"]["origin"])
    except (ValueError, KeyError, TypeError):
        return ""


def statement(index: int, payload: bytes) -> tuple[int, int, str]:
    """What a `log.heads` says: size, names and root of the heads. Raises `Bad` where it can be true of no log."""
    try:
        facts = json_of(payload)["facts"]
        size, entries, root = facts["size"], facts["entries"], facts["root"]
        if type(size) is type(entries) is int and 0 <= size <= index and type(root) is str:
            return size, entries, root
    except (ValueError, KeyError, TypeError):
        pass
    raise Bad(index, f"leaf {index} states counts that are not those of the leaves before it")


def told_by(index: int, leaf: bytes) -> dict[str, Any]:
    """What a leaf says; raises `Bad` where it cannot be read."""
    try:
        told: dict[str, Any] = json_of(leaf)
        for one in (*told["subj"], told["act"]):
            if not (type(one["n"]) is type(one["p"]) is int and 0 < one["n"] < 1 << 53):
                raise ValueError
            if len(one["k"]) != 32 or len(bytes.fromhex(one["k"])) != 16:
                raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Bad(index, f"leaf {index} cannot be read") from None
    return told
