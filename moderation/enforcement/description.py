"""What does a backend understand? Reads its description, or refuses it with the line and the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from portal import described
from portal.peer import AUTHS, Peer, value_at, wrong_names

from .filling import wrong
from .kinds import KINDS

IDEMPOTENT = ("key", "natural", "none")
METHODS = ("POST", "PUT", "PATCH", "DELETE")
MEANINGS = ("applied", "later", "gone", "read", "pause")
TOP = {
    "name", "platforms", "base", "secret", "auth", "idempotent", "at_once", "send", "answers", "read", "check", "kinds",
}  # fmt: skip
NOBODY = "reeve-check-nobody"  # the account that `backends check` asks for
REQUEST = ("method", "path", "effect", "headers", "body")
_TOKEN = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True)
class Reading:
    """What shows that an action of a kind is in force: the value at a path `is`, `contains` or `lacks` something."""

    at: str
    how: str
    wanted: Any


@dataclass(frozen=True)
class Case:
    """An answer told apart from others of its status by a value in its body."""

    status: int
    at: str
    wanted: Any
    meaning: str


@dataclass(frozen=True)
class Request:
    """How an action of a kind is sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    effect: str
    reading: Reading | None
    delivered: str = ""  # where an answer says when a notice was delivered


@dataclass(frozen=True)
class Description:
    """One backend: where, with which secret, how each kind of action is said, and what its answers mean."""

    name: str
    platforms: tuple[str, ...]
    peer: Peer
    idempotent: str
    at_once: int
    answers: dict[str, tuple[int | str, ...]]
    cases: tuple[Case, ...]
    read_path: str
    read_seq: str
    read_first: bool
    check_account: str
    check_answers: tuple[int, ...]
    requests: dict[str, Request]
    file: str = ""
    text: str = field(default="", repr=False)

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

    def meaning(self, status: int, told: Any = None) -> str:
        """What an answer means: one of `MEANINGS`, or `never`. What its body tells apart stands above its status."""
        for case in self.cases:
            there = value_at(told, case.at)
            if case.status == status and there == case.wanted and type(there) is type(case.wanted):
                return case.meaning
        return self._meanings.get(status, "never")

    def line(self, where: str) -> int:
        """The line of the file where this dotted path is written."""
        return described.line_of(self.text, where)


def parse(text: str, *, file: str) -> Description:
    """The description in a TOML text. Raises `BadDescription`."""
    return _Check(text, file=file).description()


class _Check(described.Walk):
    """Walks a backend's description."""

    def description(self) -> Description:
        told = self.told
        self.only(told, TOP, "")
        send, read, check = self.table("send"), self.table("read", {}), self.table("check", {})
        self.only(send, set(REQUEST), "send")
        self.only(read, {"path", "seq", "first"}, "read")
        self.only(check, {"account", "answers"}, "check")
        answers, cases = self.answers()
        description = Description(
            name=self.text_at("name", told),
            platforms=self.platforms(),
            peer=self.peer(),
            idempotent=self.one_of("idempotent", told.get("idempotent"), IDEMPOTENT),
            at_once=self.count("at_once"),
            answers=answers,
            cases=cases,
            read_path=self.path("read.path", read.get("path")) if read else "",
            read_seq=self.text_at("read.seq", {"read.seq": read.get("seq", "")}, empty=True),
            read_first=self.yes_or_no("read.first", read.get("first", False)),
            check_account=self.text_at("check.account", {"check.account": check.get("account", NOBODY)}),
            check_answers=self.statuses("check.answers", check.get("answers", [])),
            requests={kind: self.request(kind, own, send) for kind, own in self.table("kinds").items()},
            file=self.file,
            text=self.text,
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
        self.only(own, {*REQUEST, "reads", *(["delivered"] if kind == "notify" else [])}, where)
        merged = send | {key: value for key, value in own.items() if key in REQUEST}
        spot = {key: f"{where if key in own else 'send'}.{key}" for key in REQUEST}
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
            delivered=self.text_at(
                f"{where}.delivered", {f"{where}.delivered": own.get("delivered", "")}, empty="delivered" not in own
            ),
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

    def answers(self) -> tuple[dict[str, tuple[int | str, ...]], tuple[Case, ...]]:
        answers, seen = self.table("answers"), set()
        self.only(answers, set(MEANINGS), "answers")
        found: dict[str, tuple[int | str, ...]] = {}
        cases: list[Case] = []
        for meaning, told in answers.items():
            plain: list[int | str] = []
            for status in told if isinstance(told, list) else [told]:
                if isinstance(status, dict):
                    cases.append(self.case(meaning, status))
                    continue
                if not _is_status(status) and not (isinstance(status, str) and re.fullmatch(r"[1-5]xx", status)):
                    self.refuse(f"answers.{meaning}", f"{status!r} is no status: 100 to 599, or such as 5xx")
                if status in seen:
                    self.refuse(f"answers.{meaning}", f"{status} has a meaning already")
                seen.add(status)
                plain.append(status)
            found[meaning] = tuple(plain)
        if not answers.get("applied"):
            self.refuse("answers", "says of no answer that it means applied")
        return found, tuple(cases)

    def case(self, meaning: str, told: dict[str, Any]) -> Case:
        where = f"answers.{meaning}"
        self.only(told, {"status", "at", "is"}, where)
        if not _is_status(told.get("status")) or not isinstance(told.get("at"), str) or not told["at"]:
            self.refuse(where, "an answer told apart by its body needs `status`, `at` and `is`")
        if not isinstance(told.get("is"), str | int | bool):
            self.refuse(where, "`is` is a text, a whole number, true or false")
        return Case(told["status"], told["at"], told["is"], meaning)

    def platforms(self) -> tuple[str, ...]:
        platforms = self.told.get("platforms")
        if not isinstance(platforms, list) or not platforms or not all(isinstance(p, str) and p for p in platforms):
            self.refuse("platforms", "names the platforms it serves, or `*`")
        return tuple(platforms)

    def peer(self) -> Peer:
        base, secret = str(self.told.get("base", "")), str(self.told.get("secret", ""))
        if complaint := wrong_names(base, secret):
            self.refuse(*complaint)
        return Peer(base, secret, self.one_of("auth", self.told.get("auth"), AUTHS))

    def yes_or_no(self, where: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.refuse(where, f"{where.rpartition('.')[2]} is true or false")
        return bool(value)

    def statuses(self, where: str, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or not all(_is_status(one) for one in value):
            self.refuse(where, "a list of statuses, such as [404]")
        return tuple(value)

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


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599
