"""Is anything left that can be read after accounts were erased? Looks for planted values everywhere.

Every column of every table (bytea as it is, as hex and base64; JSON with its escapes), every key of Redis, every file
of a folder, unzipped.
"""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

SHORT = 6  # a shorter value is no evidence of anything


def forms(value: str) -> set[bytes]:
    """The forms in which a value can stand somewhere: as it is, without case, hex, base64 at any offset, JSON."""
    raw = value.encode()
    found = {raw, value.casefold().encode(), json.dumps(value)[1:-1].encode(), raw.hex().encode()}
    found |= {json.dumps(json.dumps(value)[1:-1])[1:-1].encode()}
    for lead in range(3):  # where a value begins inside a longer text, its base64 is one of three
        whole = base64.b64encode(b"\0" * lead + raw)
        found.add(whole[(0, 2, 3)[lead] : len(whole) - 4])
    return {form for form in found if len(form) >= SHORT}


class Words:
    """All forms of all values, looked for at once."""

    def __init__(self, planted: Sequence[Mapping[str, str]]) -> None:
        self.names: dict[bytes, str] = {}
        for values in planted:
            for name, value in values.items():
                self.names |= dict.fromkeys(forms(value), f"{name} of {values['id']}")
        self.any = re.compile(b"|".join(re.escape(form) for form in sorted(self.names, key=len, reverse=True)))

    def within(self, data: bytes) -> set[str]:
        """Which of them stand in these bytes."""
        return {self.names[found] for found in self.any.findall(data)}


def found_in_tables(planted: Sequence[Mapping[str, str]]) -> list[str]:
    """`table.column: value of account` for every value that can be read in the database, by its owner's eyes."""
    words, found = Words(planted), set()
    for table, column, data in _cells():
        found |= {f"{table}.{column}: {hit}" for hit in words.within(data)}
    return sorted(found)


def _cells() -> Iterator[tuple[str, str, bytes]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, udt_name FROM information_schema.columns "
            "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        )
        columns = cursor.fetchall()
    for table, column, kind in columns:
        shown = f'"{column}"' if kind == "bytea" else f'"{column}"::text'
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT {shown} FROM "{table}" WHERE "{column}" IS NOT NULL')
            while rows := cursor.fetchmany(2000):
                for (cell,) in rows:
                    yield table, column, bytes(cell) if kind == "bytea" else str(cell).encode()


def found_in_redis(url: str, planted: Sequence[Mapping[str, str]]) -> list[str]:
    """`key: value of account` for every value that can be read in any database of the server."""
    import redis

    words, found = Words(planted), set()
    server = redis.Redis.from_url(url)
    for number in server.info("keyspace"):
        one = redis.Redis.from_url(url)
        one.connection_pool.connection_kwargs["db"] = int(str(number).removeprefix("db"))
        for key in one.scan_iter(count=1000):
            held = one.dump(key)  # short of a compressed text, what a value holds stands in its dump
            data = key + b"\n" + (held or b"") + b"\n" + _said(one, key)
            found |= {f"{key!r}: {hit}" for hit in words.within(data)}
    return sorted(found)


def _said(server: Any, key: bytes) -> bytes:
    reads = {
        b"string": server.get, b"list": lambda name: server.lrange(name, 0, -1), b"set": server.smembers,
        b"hash": server.hgetall, b"zset": lambda name: server.zrange(name, 0, -1), b"stream": server.xrange,
    }  # fmt: skip
    return _flat(reads[server.type(key)](key))


def _flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, Iterable) and not isinstance(value, str):
        return b"\n".join(_flat(part) for part in value)
    return str(value).encode()


def found_in_files(folder: Path, planted: Sequence[Mapping[str, str]]) -> list[str]:
    """`file: value of account` for every value that can be read in a file, or in a file within a zip."""
    words, found = Words(planted), set()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        for name, data in _contents(path.name, path.read_bytes()):
            found |= {f"{name}: {hit}" for hit in words.within(data)}
    return sorted(found)


def _contents(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    if zipfile.is_zipfile(BytesIO(data)):
        with zipfile.ZipFile(BytesIO(data)) as bundle:
            for inner in bundle.namelist():
                yield from _contents(f"{name}/{inner}", bundle.read(inner))
