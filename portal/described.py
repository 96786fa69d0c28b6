"""Where in a description is what is wrong with it? Descriptions are TOML files; every complaint names file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from django.core.exceptions import ImproperlyConfigured


class BadDescription(Exception):
    """The description does not check out: where, and why."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}, line {line}: {reason}")
        self.file, self.line, self.reason = file, line, reason


class Described(Protocol):
    """What every description has."""

    @property
    def name(self) -> str: ...


D = TypeVar("D", bound=Described)


def load(shipped: Path, own: str, *, setting: str, parse: Callable[..., D]) -> dict[str, D]:
    """The descriptions of two folders by name: the shipped ones, and those in the folder a setting names, if any.

    Raises `ImproperlyConfigured` with the file, line and reason of a bad one.
    """
    if own and not Path(own).is_dir():
        raise ImproperlyConfigured(f"{setting}: {own} is no folder")
    found: dict[str, D] = {}
    for path in [*sorted(shipped.glob("*.toml")), *(sorted(Path(own).glob("*.toml")) if own else [])]:
        try:
            text = path.read_text(encoding="utf-8")
            one = parse(text, file=path.name)
            if one.name != path.stem:
                reason = f"a description is named as its file, not {one.name}"
                raise BadDescription(path.name, line_of(text, "name"), reason)
            if one.name in found:
                raise BadDescription(path.name, line_of(text, "name"), "there are two of this name")
        except BadDescription as bad:
            raise ImproperlyConfigured(str(bad)) from None
        except (OSError, UnicodeDecodeError) as unread:
            raise ImproperlyConfigured(f"{path.name} cannot be read: {unread}") from None
        found[one.name] = one
    return found


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


class Walk:
    """A walk through one description; every complaint knows its line. Raises `BadDescription` where it is no TOML."""

    def __init__(self, text: str, *, file: str) -> None:
        self.text, self.file, self.told = text, file, read(text, file=file)

    def table(self, key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """The table of this name, or the default. Raises `BadDescription` where neither is there."""
        table = self.told.get(key, default)
        if not isinstance(table, dict):
            self.refuse(key, f"[{key}] is missing")
        return table

    def only(self, table: Any, known: set[str], where: str) -> None:
        """Raise `BadDescription` for what is no table, or holds a key that is not known; `where` is its dotted path."""
        if not isinstance(table, dict):
            self.refuse(where, f"{where} is a table")
        for key in table:
            if key not in known:
                self.refuse(f"{where}.{key}".lstrip("."), f"knows no {key} here; there are {', '.join(sorted(known))}")

    def refuse(self, where: str, reason: str) -> NoReturn:
        """Raise `BadDescription` with the line of a dotted path."""
        raise BadDescription(self.file, line_of(self.text, where), reason)
