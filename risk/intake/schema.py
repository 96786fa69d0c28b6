"""Is this a signal? The shape of the contract: a clean signal, or the JSON path and the reason why not. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

MAX_BYTES = 64 * 1024
MAX_INT = 2**53 - 1
MAX_DEPTH = 16
MAX_CODE = 128
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)
TOP = frozenset({"source", "external_id", "kind", "occurred_at", "account", "data", "links", "scores"})
LINKS = ("device", "phone", "email", "payment", "payout", "ip")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_UNSENDABLE = re.compile("[\ud800-\udfff]")
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BadSignal(ValueError):
    """A signal that is not accepted: the JSON path of what is wrong, and a reason fit for a person."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class KnownKind(Protocol):
    """What validation asks of a kind."""

    @property
    def fields(self) -> Mapping[str, str]: ...
    @property
    def opens(self) -> bool: ...
    def lane_of(self, data: Mapping[str, Any]) -> str: ...


@dataclass(slots=True)
class CleanSignal:
    """A signal in the right shape, as told: personal values are still in it."""

    source: str
    external_id: str
    kind: str
    lane: str
    opens: bool
    occurred_at: datetime
    platform: str
    account: str
    attributes: dict[str, Any]
    data: dict[str, Any]
    links: list[tuple[str, str]]
    scores: list[dict[str, Any]]


def validate_signal(
    raw: Any, *, now: datetime, kinds: Mapping[str, KnownKind], attributes: Mapping[str, str], size: int | None = None
) -> CleanSignal:
    """The clean signal in `raw`. Raises `BadSignal` with path and reason for what the contract refuses.

    `kinds` and `attributes` (name → type) are what is known; attributes and data fields that are not known are kept.
    `size` is the length in bytes as it arrived, where the door knows it.
    """
    if not isinstance(raw, dict):
        raise BadSignal("$", f"a signal is an object, not {_a(raw)}")
    _sound(raw, size)
    for key in raw:
        if key not in TOP:
            raise BadSignal(_join("$", key), "this key is not part of a signal")
    kind = kinds.get(_text(raw, "kind", 64))
    if kind is None:
        raise BadSignal("$.kind", f"“{raw['kind']}” is not a known kind of signal")
    account = _object(raw, "account", required=True)
    for key in account:
        if key not in ("platform", "id", "attributes"):
            raise BadSignal(_join("$.account", key), "this key is not part of an account")
    data = _object(raw, "data")
    _typed(data, "$.data", kind.fields)
    told = _object(account, "attributes", at="$.account")
    _typed(told, "$.account.attributes", attributes)
    return CleanSignal(
        source=_text(raw, "source", 64),
        external_id=_text(raw, "external_id", 128),
        kind=raw["kind"],
        lane=kind.lane_of(data),
        opens=kind.opens,
        occurred_at=_occurred(raw, now),
        platform=_text(account, "platform", 64, at="$.account"),
        account=_text(account, "id", 128, at="$.account"),
        attributes={key: value for key, value in told.items() if value is not None},
        data={key: value for key, value in data.items() if value is not None},
        links=_links(raw.get("links")),
        scores=_scores(raw.get("scores")),
    )


def _sound(raw: dict[str, Any], size: int | None) -> None:
    if size is not None and size > MAX_BYTES:
        raise BadSignal("$", f"the signal has {size:,} bytes; at most {MAX_BYTES:,} are taken")
    try:
        length = _walk(raw, 1)
    except BadSignal as bad:
        raise BadSignal("$" + bad.path, bad.reason) from None
    if length > MAX_BYTES:
        raise BadSignal("$", f"the signal is larger than {MAX_BYTES:,} bytes")


# --- Parts -------------------------------------------------------------------------------------------------------


def _text(raw: Mapping[str, Any], key: str, length: int, at: str = "$") -> str:
    path = _join(at, key)
    if key not in raw:
        raise BadSignal(path, "this is missing")
    value = raw[key]
    if not isinstance(value, str):
        raise BadSignal(path, f"this must be text, not {_a(value)}")
    if not value.strip():
        raise BadSignal(path, "this is empty")
    if len(value) > length:
        raise BadSignal(path, f"this has {len(value):,} characters; at most {length} are taken")
    if "\x00" in value:
        raise BadSignal(path, "a NUL character cannot stand here")
    return value


def _object(raw: Mapping[str, Any], key: str, *, required: bool = False, at: str = "$") -> dict[str, Any]:
    value = raw.get(key)
    if value is None and not required:
        return {}
    if key not in raw:
        raise BadSignal(_join(at, key), "this is missing")
    if not isinstance(value, dict):
        raise BadSignal(_join(at, key), f"this must be an object, not {_a(value)}")
    return value


def _occurred(raw: Mapping[str, Any], now: datetime) -> datetime:
    _text(raw, "occurred_at", 64)
    at = _time(raw["occurred_at"], "$.occurred_at")
    if at > now + AHEAD:
        raise BadSignal("$.occurred_at", "this is more than 5 minutes in the future")
    return at


def _links(value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadSignal("$.links", f"this must be a list, not {_a(value)}")
    links = []
    for at, link in enumerate(value):
        path = f"$.links[{at}]"
        if not isinstance(link, dict):
            raise BadSignal(path, f"a link is an object, not {_a(link)}")
        for key in link:
            if key not in ("kind", "value"):
                raise BadSignal(_join(path, key), "this key is not part of a link")
        if _text(link, "kind", 16, at=path) not in LINKS:
            raise BadSignal(f"{path}.kind", f"a link is one of {', '.join(LINKS)}")
        links.append((link["kind"], _text(link, "value", 512, at=path)))
    return links


def _scores(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadSignal("$.scores", f"this must be a list, not {_a(value)}")
    for at, verdict in enumerate(value):
        path = f"$.scores[{at}]"
        if not isinstance(verdict, dict):
            raise BadSignal(path, f"a verdict is an object, not {_a(verdict)}")
        for key in verdict:
            if key not in ("risk_type", "score", "model"):
                raise BadSignal(_join(path, key), "this key is not part of a verdict")
        if not _NAME.fullmatch(_text(verdict, "risk_type", 32, at=path)):
            raise BadSignal(f"{path}.risk_type", "a risk type is written in lower case, such as fake_account")
        _text(verdict, "model", 64, at=path)
        score = verdict.get("score")
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise BadSignal(f"{path}.score", f"this must be a number, not {_a(score)}")
        if not 0 <= score <= 100:
            raise BadSignal(f"{path}.score", "a verdict is between 0 and 100")
    return value


def _typed(values: Mapping[str, Any], at: str, types: Mapping[str, str]) -> None:
    for key, value in values.items():
        kind = types.get(key)
        if kind is None or value is None:
            continue
        check = _CHECKS.get(kind)
        if check is not None:
            check(value, at, key)
        elif value not in kind.split("|"):
            raise BadSignal(_join(at, key), f"this must be one of {', '.join(kind.split('|'))}")


# --- Types -------------------------------------------------------------------------------------------------------


def _int(value: Any, at: str, key: str) -> None:
    if type(value) is not int:
        raise BadSignal(_join(at, key), f"this must be a whole number, not {_a(value)}")


def _decimal(value: Any, at: str, key: str) -> None:
    if type(value) not in (int, float):
        raise BadSignal(_join(at, key), f"this must be a number, not {_a(value)}")


def _bool(value: Any, at: str, key: str) -> None:
    if not isinstance(value, bool):
        raise BadSignal(_join(at, key), f"this must be true or false, not {_a(value)}")


def _string(value: Any, at: str, key: str) -> None:
    if not isinstance(value, str):
        raise BadSignal(_join(at, key), f"this must be text, not {_a(value)}")


def _strings(value: Any, at: str, key: str) -> None:
    if not isinstance(value, list):
        raise BadSignal(_join(at, key), f"this must be a list of texts, not {_a(value)}")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise BadSignal(f"{_join(at, key)}[{index}]", f"this must be text, not {_a(item)}")


def _day(value: Any, at: str, key: str) -> None:
    _string(value, at, key)
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        raise BadSignal(_join(at, key), "this must be a day such as 2026-11-20") from None


def _time(value: str, path: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise BadSignal(path, "this must be a time such as 2026-11-20T09:14:03Z") from None
    if at.tzinfo is None or at.utcoffset() is None:
        raise BadSignal(path, "this time has no zone; end it with Z or an offset")
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        raise BadSignal(path, "this time is out of range") from None
    if at < EARLIEST:
        raise BadSignal(path, "this time is before 1970")
    return at


def _moment(value: Any, at: str, key: str) -> None:
    _string(value, at, key)
    _time(value, _join(at, key))


_CHECKS: dict[str, Callable[[Any, str, str], None]] = {
    "int": _int,
    "decimal": _decimal,
    "bool": _bool,
    "text": _string,
    "code": _string,
    "codes": _strings,
    "person": _string,
    "account": _string,
    "agent": _string,
    "date": _day,
    "time": _moment,
}


def _walk(value: Any, depth: int) -> int:
    """The length in characters; refuses what JSON's neighbours let through.

    That is NaN, huge integers, broken text, deep nests. The path is put together on the way out, so that a sound
    signal pays nothing for it.
    """
    kind = type(value)
    if kind is str:
        if not value.isascii() and (found := _UNSENDABLE.search(value)):
            raise BadSignal("", f"character {found.start() + 1} is half of a surrogate pair, which is no text")
        return len(value) + 3
    if kind is bool or value is None:
        return 5
    if kind is int:
        if not -MAX_INT <= value <= MAX_INT:
            raise BadSignal("", "an integer beyond ±(2^53−1); send it as text")
        return 4
    if kind is float:
        if not math.isfinite(value):
            raise BadSignal("", "NaN and infinity are not numbers here")
        return 8
    if kind is not dict and kind is not list:
        raise BadSignal("", f"{kind.__name__} is not JSON")
    if depth > MAX_DEPTH:
        raise BadSignal("", f"nested more than {MAX_DEPTH} deep")
    return _walk_object(value, depth) if kind is dict else _walk_list(value, depth)


def _walk_object(value: dict[str, Any], depth: int) -> int:
    size = 2
    for key, item in value.items():
        if not isinstance(key, str) or "\x00" in key or (not key.isascii() and _UNSENDABLE.search(key)):
            raise BadSignal("", "a key that is no text")
        try:
            size += len(key) + 3 + _walk(item, depth + 1)
        except BadSignal as bad:
            raise BadSignal(_join("", key) + bad.path, bad.reason) from None
    return size


def _walk_list(value: list[Any], depth: int) -> int:
    size = 2
    for at, item in enumerate(value):
        try:
            size += _walk(item, depth + 1)
        except BadSignal as bad:
            raise BadSignal(f"[{at}]{bad.path}", bad.reason) from None
    return size


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if _SIMPLE_KEY.fullmatch(key) else f"{path}[{key[:64]!r}]"


def _a(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
