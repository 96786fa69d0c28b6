"""May a spreadsheet open this cell? A text that it would run as a formula gets a leading quote. Pure.

A test holds the rule to a corpus of more than five hundred cells (security.md, "Exports").
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

# What a spreadsheet skips before it looks: white space of all kinds, line breaks, marks without width.
_SKIPPED = r"[\u0001-\u0020\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
# = + - @ and their wide, small and look-alike forms. A TAB, CR or NUL at the very start counts by itself.
_STARTS = r"[=+@\u002d\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
_DANGEROUS = rf"(^|[\n\r\u0085\u2028\u2029]){_SKIPPED}*{_STARTS}|^[\t\r]"
# An integer or decimal of at most 15 digits: a spreadsheet reads it back as the same number.
_NUMBER = r"^-?[0-9]{1,15}$|^-?[0-9]{1,9}[.][0-9]{1,6}$"


def safe(value: Any) -> str:
    """The value as the text of a cell that no spreadsheet runs."""
    if value is None:
        return ""
    text = str(value)
    if text[:1].isalnum() and text.isascii() and text.isprintable():
        return text  # nearly all: one line that begins with a letter or digit
    if re.search(_NUMBER, text) and not text.endswith("\n"):
        return text
    if "\x00" in text or re.search(_DANGEROUS, text):
        return "'" + text
    return text


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A small table as CSV (RFC 4180, every cell quoted and safe)."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe(cell) for cell in header])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()
