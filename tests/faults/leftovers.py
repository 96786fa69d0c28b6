"""Where can a planted value still be read? Every cell of the database, every key of Redis, every file, however written.

A value is looked for as it is, in either case, in hex, base64, JSON once and twice, quoted for a URL and for HTML;
what is packed is unpacked first, and what is sealed is opened with the key the application has.
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

HEAD = 8  # bytes by which a form is recognised first; a shorter value is no evidence of anything
ROWS = 2000
# What PostgreSQL writes down of the values of a column, for its planner: whoever may read the table may read this.
REMEMBERED = ("most_common_vals", "histogram_bounds", "most_common_elems")


def forms(value: str) -> set[bytes]:
    """How a value can be written."""
    raw = value.encode()
    escaped = json.dumps(value)[1:-1]
    texts = {value, value.casefold(), value.upper(), escaped, json.dumps(escaped)[1:-1], html.escape(value)}
    texts |= {quote(value, safe=""), quote(value), quote_plus(value), raw.hex(), raw.hex().upper()}
    found = {text.encode() for text in texts}
    for lead in range(3):  # where a value begins inside a longer text, its base64 is one of three
        for code in (base64.b64encode, base64.urlsafe_b64encode):
            whole = code(b"\0" * lead + raw)
            found.add(whole[(0, 2, 3)[lead] : len(whole) - 4])
    return {form for form in found if len(form) >= HEAD}


class Words:
    """Planted values, to be found in any form; each found one is named `name of account`."""

    def __init__(self, planted: Sequence[Mapping[str, str]]) -> None:
        self.names: dict[bytes, str] = {}
        for values in planted:
            for name, value in values.items():
                self.names |= dict.fromkeys(forms(value), f"{name} of {values['id']}")
        self.lengths: dict[bytes, set[int]] = {}
        for form in self.names:
            self.lengths.setdefault(form[:HEAD], set()).add(len(form))

    def within(self, data: bytes) -> set[str]:
        """Which of them stand in these bytes, packed or not."""
        return {hit for one in unpacked(data) for hit in self._plain(one)}

    def _plain(self, data: bytes) -> set[str]:
        heads, names = self.lengths, self.names
        return {
            names[word]
            for at in range(len(data) - HEAD + 1)
            if (lengths := heads.get(data[at : at + HEAD]))
            for length in lengths
            if (word := data[at : at + length]) in names
        }


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what they hold if they are a zip, gzip, zlib or Parquet."""
    yield data
    if data[:4] == b"PK\x03\x04":
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as bundle:
            for inner in bundle.namelist():
                yield from unpacked(bundle.read(inner))
    elif data[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError, zlib.error):
            yield gzip.decompress(data)
    elif data[:1] == b"\x78":
        with suppress(zlib.error):
            yield zlib.decompress(data)
    elif data[:4] == b"PAR1":
        import polars

        yield "\n".join(str(row) for row in polars.read_parquet(io.BytesIO(data)).iter_rows()).encode()


def found_in_tables(planted: Sequence[Mapping[str, str]], connection: Any = None) -> list[str]:
    """`table.column: value of account` for every value that can be read in the database.

    Through this connection, best of a superuser; else through the application's. What is sealed in the vault is opened.
    """
    if connection is None:
        from django.db import connection as ours

        connection = ours
    words, found = Words(planted), set()
    for table, column, data in (*_cells(connection), *_remembered(connection), *_opened()):
        found |= {f"{table}.{column}: {hit}" for hit in words.within(data)}
    return sorted(found)


def _cells(connection: Any) -> Iterator[tuple[str, str, bytes]]:
    """Every cell of every table, materialized view and large object, of every schema but PostgreSQL's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname, a.attname, t.typname"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, a.attnum"
        )
        columns = cursor.fetchall()
        for schema, table, column, kind in columns:
            shown = f'"{column}"' if kind == "bytea" else f'"{column}"::text'
            cursor.execute(f'SELECT {shown} FROM "{schema}"."{table}" WHERE "{column}" IS NOT NULL')
            while rows := cursor.fetchmany(ROWS):
                for (cell,) in rows:
                    yield table, column, bytes(cell) if kind == "bytea" else str(cell).encode()
        cursor.execute("SELECT loid::text FROM pg_largeobject_metadata, LATERAL (SELECT oid AS loid) AS o")
        assert not cursor.fetchall(), "there are large objects, which nobody searches"


def _remembered(connection: Any) -> Iterator[tuple[str, str, bytes]]:
    shown = ", ".join(f"{name}::text" for name in REMEMBERED)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tablename, attname, {shown} FROM pg_stats WHERE schemaname = 'public'")
        for table, column, *kept in cursor.fetchall():
            yield table, f"{column} (statistics)", "\n".join(one for one in kept if one).encode()


def _opened() -> Iterator[tuple[str, str, bytes]]:
    from portal.privacy.actions import open_values
    from portal.privacy.models import VaultValue

    rows = dict(VaultValue.objects.values_list("pk", "name"))
    for pk, plain in open_values(rows).items():
        yield "portal_vaultvalue", f"{rows[pk]} (opened)", plain.encode(errors="surrogatepass")


def text_indexes(connection: Any) -> list[str]:
    """Indexes over the words of a text; a search of the tables does not look into them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexdef ~ '(tsvector|gin_trgm|gist_trgm|to_tsvector)'"
        )
        return [row[0] for row in cursor.fetchall()]


def found_in_redis(url: str, planted: Sequence[Mapping[str, str]]) -> list[str]:
    """`key: value of account` for every value that can be read in any database of the server."""
    import redis

    words, found = Words(planted), set()
    server: Any = redis.Redis.from_url(url)
    for number in server.info("keyspace"):
        one: Any = redis.Redis.from_url(url)
        one.connection_pool.connection_kwargs["db"] = int(str(number).removeprefix("db"))
        for key in one.scan_iter(count=1000):
            found |= {f"{key!r}: {hit}" for hit in words.within(key)}
            found |= {f"{key!r}: {hit}" for part in _said(one, key) for hit in words.within(part)}
    return sorted(found)


def _said(server: Any, key: bytes) -> Iterator[bytes]:
    reads = {
        b"string": server.get, b"list": lambda name: server.lrange(name, 0, -1), b"set": server.smembers,
        b"hash": server.hgetall, b"zset": lambda name: server.zrange(name, 0, -1), b"stream": server.xrange,
    }  # fmt: skip
    kind = server.type(key)
    if kind != b"none":  # its time was over meanwhile
        yield from _flat(reads[kind](key))


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        yield from _flat([part for pair in value.items() for part in pair])
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for part in value:
            yield from _flat(part)
    elif value is not None:
        yield str(value).encode()


def found_in_files(paths: Iterable[Path], planted: Sequence[Mapping[str, str]]) -> list[str]:
    """`file: value of account` for every value that can be read in one of these files or packed in it."""
    words = Words(planted)
    return sorted({f"{path.name}: {hit}" for path in paths for hit in words.within(path.read_bytes())})
