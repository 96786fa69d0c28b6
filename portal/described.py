"""Where in a description is what is wrong with it? Descriptions are TOML files; every complaint names file and line."""

from __future__ import annotations

import re
import tomllib
from typing import Any


class BadDescription(Exception):
    """The description does not check out: where, and why."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}, line {line}: {reason}")
        self.file, self.line, self.reason = file, line, reason


def read(text: str, *, file: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises `BadDescription`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        found = re.search(r"at line (\d+)", str(broken))
        raise BadDescription(file, int(found[1]) if found else text.count("\n") + 1, str(broken)) from None


def line_of(text: str, where: str) -> int:
    """The line of a dotted path in a TOML text, or of the nearest table above it that is written there."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.match(r"\s*\[+\s*([\w.\"' -]+?)\s*\]+", line):
            table = found[1].replace('"', "").replace("'", "").strip()
            lines.setdefault(table, number)
        elif found := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            lines.setdefault(f"{table}.{found[1]}".replace('"', "").replace("'", "").lstrip("."), number)
    while where and where not in lines:
        where = where.rpartition(".")[0]
    return lines.get(where, 1)
