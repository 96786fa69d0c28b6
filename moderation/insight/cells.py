"""May a spreadsheet open this cell? A text that it would run as a formula gets a leading quote. Pure.

The same rule stands here twice, as Python for small tables and as SQL for the stream of an export; a test holds both to
the same corpus (security.md, "Exports").
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
    if re.search(_NUMBER, text) and not text.endswith("\n"):
        return text
    if "\x00" in text or re.search(_DANGEROUS, text):
        return "'" + text
    return text


def safe_sql(expression: str) -> str:
    """The same rule as an SQL expression over a text expression of ours; a null is an empty cell."""
    return (
        f"CASE WHEN {expression} !~ '{_DANGEROUS}' OR {expression} ~ '{_NUMBER}' THEN {expression}"
        f" WHEN {expression} IS NOT NULL THEN '''' || {expression} END"
    )


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A small table as CSV (RFC 4180, every cell quoted and safe)."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe(cell) for cell in header])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()
