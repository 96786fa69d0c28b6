"""Is this pattern fit to be run on anybody's text?

Linear time, ASCII, small; what depends on a Unicode version is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

MAX_REPEAT = 20
MAX_REPEATS_TOGETHER = 1000  # of nested or neighbouring counted repeats, multiplied


def trouble(text: str) -> str:
    """What is wrong with a pattern, or an empty text. The engine itself (Rust's) runs in linear time."""
    if not text.isascii():
        return "a pattern uses ASCII characters only"
    if found := re.search(r"\\[A-Za-z0-9]", text):
        return f"“{found[0]}” cannot be used in a pattern; write the characters, such as [0-9]"
    if "(?" in text or "[[:" in text:
        return "flags, look-arounds and named classes cannot be used in a pattern"
    together = 1
    for repeat in _repeats(text):
        if repeat > MAX_REPEAT:
            return f"a part of a pattern repeats at most {MAX_REPEAT} times"
        together *= max(1, repeat)
    if together > MAX_REPEATS_TOGETHER:
        return "the repeats of this pattern multiply to too many"
    try:
        pl.select(pl.lit("").str.contains(text, strict=True))
    except pl.exceptions.PolarsError:
        return "this pattern cannot be read"
    return ""


def _repeats(text: str) -> Iterator[int]:
    for found in re.finditer(r"\{(\d*)(,?)(\d*)\}", re.sub(r"\\.", "", text)):
        yield int(found[3] or found[1] or 0)
