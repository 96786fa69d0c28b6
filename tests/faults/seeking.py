"""Is a planted value in these bytes, however it is written? Pure: plain, marked up, escaped, quoted, coded, packed."""

from __future__ import annotations

import base64
import binascii
import html
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote_plus

TOKEN = re.compile(r"zq[a-z]\d{5}")
DIGITS = re.compile(r"99700313\d{5}")
BORN = re.compile(r"1931-\d\d-\d\d")
NET = re.compile(r"2001:0?db8:0?dad:[0-9a-f:]*")
_TAG = re.compile(r"<[^>]*>")
_JSON = re.compile(r"\\u([0-9a-fA-F]{4})")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){10,}")
_SPACES = re.compile(r"[\s().\u202f-]+")
_HIDDEN = re.compile(r"u\+[0-9a-f]{4}")
_FANGS = (("[.]", "."), ("[at]", "@"), ("[:]", ":"), ("hxxp", "http"))


def found_in(body: bytes, *, depth: int = 2) -> set[str]:
    """The planted values in some bytes: tokens, and for phone, birth date and address what stands for them."""
    found: set[str] = set()
    for text in _texts(body, depth):
        folded = _folded(text)
        if "zq" in folded:
            found.update(TOKEN.findall(folded))
        if "1931" in folded:
            found.update(BORN.findall(folded))
        if "dad" in folded:
            found.update(NET.findall(folded))
        if "99" in folded:
            found.update(DIGITS.findall(_SPACES.sub("", folded)))
    return found


def _texts(body: bytes, depth: int) -> Iterator[str]:
    if body[:4] == b"PK\x03\x04":
        yield from _packed(body, depth)
        return
    if body[:4] == b"PAR1":
        yield from _parquet(body, depth)
        return
    raw = body.decode(errors="replace")
    yield raw
    bare = html.unescape(_TAG.sub("", raw))
    yield bare
    yield html.unescape(raw)
    if "\\u" in raw:
        yield _JSON.sub(lambda found: chr(int(found[1], 16)), raw)
    if "%" in raw:
        yield unquote_plus(raw)
    if depth:
        for inner in _coded(body):
            yield from _texts(inner, depth - 1)


def _coded(body: bytes) -> Iterator[bytes]:
    """What stands in base64 and in hexadecimal."""
    for run in _BASE64.findall(body):
        bare = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        try:
            yield base64.b64decode(bare + b"=" * (-len(bare) % 4))
        except (binascii.Error, ValueError):
            continue
    for run in _HEX.findall(body):
        yield bytes.fromhex(run.decode())


def _packed(body: bytes, depth: int) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        for name in packed.namelist():
            yield name
            yield from _texts(packed.read(name), depth)


def _parquet(body: bytes, depth: int) -> Iterator[str]:
    import polars

    table = polars.read_parquet(io.BytesIO(body))
    for row in table.iter_rows():
        for cell in row:
            yield from _texts(cell if isinstance(cell, bytes) else str(cell).encode(errors="replace"), depth)


def _folded(text: str) -> str:
    """Without what hides: case, characters that do not show, the marks we show for them, and the fangs of links."""
    text = text.casefold()
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    text = _HIDDEN.sub("", text)
    for written, meant in _FANGS:
        text = text.replace(written, meant)
    return text
