"""What does a backend understand? Reads its description, or refuses it with the line and the reason."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from .filling import wrong
from .kinds import KINDS

AUTHS = ("hmac", "bearer", "basic")
IDEMPOTENT = ("key", "natural", "none")
METHODS = ("POST", "PUT", "PATCH", "DELETE")
MEANINGS = ("applied", "later", "gone", "read", "pause")
_TOP = {"name", "platforms", "base", "secret", "auth", "idempotent", "at_once", "send", "answers", "read", "kinds"}
_REQUEST = ("method", "path", "effect", "headers", "body")
_SETTING = re.compile(r"[A-Z][A-Z0-9_]*")
_TOKEN = re.compile(r"[A-Za-z0-9-]+")


class BadDescription(Exception):
    """The description does not check out: where, and why."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}, line {line}: {reason}")
        self.file, self.line, self.reason = file, line, reason


@dataclass(frozen=True)
class Reading:
    """What shows that an action of a kind is in force: the value at a path `is`, `contains` or `lacks` something."""

    at: str
    how: str
    wanted: Any


@dataclass(frozen=True)
class Request:
    """How an action of a kind is sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    effect: str
    reading: Reading | None


@dataclass(frozen=True)
class Description:
    """One backend: where, with which secret, how each kind of action is said, and what its answers mean."""

    name: str
    platforms: tuple[str, ...]
    base: str
    secret: str
    auth: str
    idempotent: str
    at_once: int
    answers: dict[str, tuple[int | str, ...]]
    read_path: str
    read_seq: str
    requests: dict[str, Request]

    @cached_property
    def _meanings(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for exact in (False, True):  # an exact status stands above its class
            for meaning, statuses in self.answers.items():
                for status in statuses:
                    if isinstance(status, int) and exact:
                        found[status] = meaning
                    elif isinstance(status, str) and not exact:
                        found.update(dict.fromkeys(range(int(status[0]) * 100, int(status[0]) * 100 + 100), meaning))
        return found

    def meaning(self, status: int) -> str:
        """What an answer's status means: one of `MEANINGS`, or `never`."""
        return self._meanings.get(status, "never")


def parse(text: str, *, file: str) -> Description:
    """The description in a TOML text. Raises `BadDescription`."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        found = re.search(r"at line (\d+)", str(broken))
        raise BadDescription(file, int(found[1]) if found else text.count("\n") + 1, str(broken)) from None
    return _Check(text, file, told).description()


class _Check:
    """Walks one description; every complaint knows its line."""

    def __init__(self, text: str, file: str, told: dict[str, Any]) -> None:
        self.text, self.file, self.told = text, file, told

    def description(self) -> Description:
        told = self.told
        self.only(told, _TOP, "")
        send, read = self.table("send"), self.table("read", {})
        self.only(send, set(_REQUEST), "send")
        self.only(read, {"path", "seq"}, "read")
        description = Description(
            name=self.text_at("name", told),
            platforms=self.platforms(),
            base=self.setting("base"),
            secret=self.setting("secret"),
            auth=self.one_of("auth", told.get("auth"), AUTHS),
            idempotent=self.one_of("idempotent", told.get("idempotent"), IDEMPOTENT),
            at_once=self.count("at_once"),
            answers=self.answers(),
            read_path=self.path("read.path", read["path"]) if read else "",
            read_seq=self.text_at("read.seq", {"read.seq": read.get("seq", "")}, empty=True),
            requests={kind: self.request(kind, own, send) for kind, own in self.table("kinds").items()},
        )
        if not description.requests:
            self.refuse("kinds", "names no kind of action")
        if description.idempotent == "none" and not description.read_path:
            self.refuse("idempotent", "none needs a [read]: a repeat must look first")
        return description

    def request(self, kind: str, own: Any, send: dict[str, Any]) -> Request:
        where = f"kinds.{kind}"
        if kind not in KINDS:
            self.refuse(where, f"knows no kind {kind}; there are {', '.join(KINDS)}")
        self.only(own, {*_REQUEST, "reads"}, where)
        merged = send | {key: value for key, value in own.items() if key != "reads"}
        spot = {key: f"{where if key in own else 'send'}.{key}" for key in _REQUEST}
        headers = merged.get("headers", {})
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not isinstance(value, str) or not re.fullmatch(r"[ -~]*", value):
                self.refuse(f"{spot['headers']}.{name}", "a header is a name and printable ASCII text")
            self.template(f"{spot['headers']}.{name}", value)
        self.leaves(spot["body"], merged.get("body", {}))
        return Request(
            method=self.one_of(spot["method"], merged.get("method"), METHODS),
            path=self.path(spot["path"], merged.get("path")),
            headers=headers,
            body=merged.get("body", {}),
            effect=self.text_at(spot["effect"], {spot["effect"]: merged.get("effect", "")}, empty=True),
            reading=self.reading(where, own["reads"]) if "reads" in own else None,
        )

    def reading(self, where: str, reads: Any) -> Reading:
        self.only(reads, {"at", "is", "contains", "lacks"}, f"{where}.reads")
        hows = [how for how in ("is", "contains", "lacks") if how in reads]
        if "at" not in reads or len(hows) != 1:
            self.refuse(f"{where}.reads", "needs `at` and one of `is`, `contains`, `lacks`")
        if not self.told.get("read"):
            self.refuse(f"{where}.reads", "needs a [read] to look at")
        if isinstance(reads[hows[0]], str):
            self.template(f"{where}.reads", reads[hows[0]])
        return Reading(at=self.text_at("at", reads), how=hows[0], wanted=reads[hows[0]])

    def answers(self) -> dict[str, tuple[int | str, ...]]:
        answers, seen = self.table("answers"), set()
        self.only(answers, set(MEANINGS), "answers")
        for meaning, statuses in answers.items():
            for status in statuses if isinstance(statuses, list) else [statuses]:
                fits = isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599
                if not fits and not (isinstance(status, str) and re.fullmatch(r"[1-5]xx", status)):
                    self.refuse(f"answers.{meaning}", f"{status!r} is no status: 100 to 599, or such as 5xx")
                if status in seen:
                    self.refuse(f"answers.{meaning}", f"{status} has a meaning already")
                seen.add(status)
        if not answers.get("applied"):
            self.refuse("answers", "says of no answer that it means applied")
        return {meaning: tuple(statuses) for meaning, statuses in answers.items()}

    def platforms(self) -> tuple[str, ...]:
        platforms = self.told.get("platforms")
        if not isinstance(platforms, list) or not platforms or not all(isinstance(p, str) and p for p in platforms):
            self.refuse("platforms", "names the platforms it serves, or `*`")
        return tuple(platforms)

    def setting(self, key: str) -> str:
        if not _SETTING.fullmatch(str(self.told.get(key, ""))):
            self.refuse(key, f"{key} is the name of a setting, in capitals")
        return str(self.told[key])

    def count(self, key: str) -> int:
        number = self.told.get(key, 32)
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 10_000:
            self.refuse(key, f"{key} is a number from 1 to 10000")
        return number

    def path(self, where: str, path: Any) -> str:
        if not isinstance(path, str) or not re.fullmatch(r"(?!.*(//|\.\.))/[!-~]*", path):
            self.refuse(where, "a path starts with one slash and climbs nowhere")
        self.template(where, path)
        return str(path)

    def leaves(self, where: str, leaf: Any) -> None:
        if isinstance(leaf, dict):
            for key, value in leaf.items():
                self.leaves(f"{where}.{key}", value)
        elif isinstance(leaf, list):
            for value in leaf:
                self.leaves(where, value)
        elif isinstance(leaf, str):
            self.template(where, leaf)
        elif not isinstance(leaf, bool | int | float):
            self.refuse(where, "a body holds text, numbers, true and false")

    def template(self, where: str, template: str) -> None:
        if complaint := wrong(template):
            self.refuse(where, complaint)

    def one_of(self, where: str, value: Any, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            self.refuse(where, f"{where.rpartition('.')[2]} is one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    def text_at(self, where: str, table: dict[str, Any], *, empty: bool = False) -> str:
        value = table.get(where)
        if not isinstance(value, str) or not (value or empty):
            self.refuse(where, f"{where.rpartition('.')[2]} is a text")
        return str(value)

    def table(self, key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        table = self.told.get(key, default)
        if not isinstance(table, dict):
            self.refuse(key, f"[{key}] is missing")
        return table

    def only(self, table: Any, known: set[str], where: str) -> None:
        if not isinstance(table, dict):
            self.refuse(where, f"{where} is a table")
        for key in table:
            if key not in known:
                self.refuse(f"{where}.{key}".lstrip("."), f"knows no {key} here; there are {', '.join(sorted(known))}")

    def refuse(self, where: str, reason: str) -> NoReturn:
        raise BadDescription(self.file, line_of(self.text, where), reason)


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
