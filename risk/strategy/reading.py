"""What are the features of these accounts, and which rules are in force? A few queries for a batch, however large."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection

from . import asof, shipped
from .features import ALWAYS_KNOWN, FEATURES, TYPES, fits
from .grammar import Condition, checked
from .models import NamedList, Version

NAMES = tuple(sorted(TYPES.items()))


@dataclass(frozen=True)
class LiveRule:
    """A rule in force, with its condition checked."""

    key: str
    group: str
    points: int
    half_days: float | None
    floor: int | None
    says: str
    position: int
    condition: Condition

    @cached_property
    def tells(self) -> bool:
        """Whether it looks at anything somebody told us, beyond what is known of every account."""
        return not ALWAYS_KNOWN.issuperset(self.condition.columns)


@dataclass(frozen=True)
class LiveVersion:
    """A version in force: what scoring runs."""

    pk: int
    risk_type: str
    title: str
    lane: str
    number: int
    severity: int  # in hundredths
    review: int
    caps: Mapping[str, int]
    trust: bool
    rules: tuple[LiveRule, ...]

    @cached_property
    def by_key(self) -> dict[str, LiveRule]:
        """Its rules by their key."""
        return {rule.key: rule for rule in self.rules}

    @cached_property
    def says(self) -> dict[str, str]:
        """The sentence of each rule."""
        return {rule.key: rule.says for rule in self.rules}

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The features its rules name."""
        return tuple(sorted({name for rule in self.rules for name in rule.condition.columns}))


def live(pks: Collection[int] | None = None) -> list[LiveVersion]:
    """The versions in force (or those of these ids), one per risk type, with their rules: two queries."""
    versions = Version.objects.select_related("strategy").prefetch_related("rules")
    versions = versions.filter(status=Version.Status.LIVE) if pks is None else versions.filter(pk__in=pks)
    return [_live(version) for version in versions.order_by("strategy__risk_type")]


def catalogue() -> list[dict[str, Any]]:
    """The strategies as people read them: the live version of each with its rules, as rows of ready values."""
    return [
        {
            "risk_type": version.risk_type,
            "title": version.title,
            "lane": version.lane,
            "version": version.number,
            "severity": f"{version.severity / 100:.2f}",
            "review": version.review,
            "caps": dict(version.caps),
            "trust": version.trust,
            "rules": [
                {
                    "key": rule.key,
                    "group": rule.group,
                    "points": rule.points,
                    "half_days": rule.half_days,
                    "floor": rule.floor,
                    "when": rule.condition.text,
                    "says": rule.says,
                    "features": list(rule.condition.columns),
                }
                for rule in version.rules
            ],
        }
        for version in live()
    ]


def lists(names: Iterable[str]) -> dict[str, list[str]]:
    """The entries of these named lists, as in force."""
    return {row.name: row.entries for row in NamedList.objects.filter(name__in=list(names), in_force=True)}


def compute(
    account_ids: Collection[UUID], *, as_of: datetime, names: Collection[str] | None = None
) -> dict[UUID, dict[str, Any]]:
    """The features of a batch of accounts at a time; what nobody told is None. Five queries, whatever the number.

    A feature pushed by an upstream (an attribute of its name) is used where the computed one is None and the push is
    not older than the feature's window.
    """
    wanted = frozenset(FEATURES if names is None else [name for name in names if name in FEATURES])
    told = _attributes(account_ids)
    rows: dict[UUID, dict[str, Any]] = {pk: dict.fromkeys(wanted) for pk in told}
    values: dict[str, Any] = {"accounts": array_of(told), "as_of": as_of}
    if sql := asof.signals_sql(wanted):
        _fill_objects(list(rows.values()), sql, values)
    for group, sql in ((asof.LINKED, asof.LINKS), (asof.REFERRED, asof.REFERRALS), (asof.DECIDED, asof.STANDINGS)):
        if asof.needs(wanted, group):
            _fill(rows, sql, values)
    for pk, row in rows.items():
        _of_account(row, *told[pk], as_of=as_of)
    return rows


def _attributes(account_ids: Collection[UUID]) -> dict[UUID, tuple[dict[str, Any], str, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, attributes, country, last_seen_at FROM risk_account WHERE id = ANY (%s::uuid[])",
            [array_of(account_ids)],
        )
        return {
            pk: (shipped.read_json(attributes), country, seen) for pk, attributes, country, seen in cursor.fetchall()
        }


def _fill_objects(rows: Sequence[dict[str, Any]], sql: str, values: dict[str, Any]) -> None:
    """Take over (place in the batch, list of objects) rows: what is null stands in none of them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for at, found in cursor.fetchall():
            row = rows[at]
            for part in json.loads(found):
                for name, value in part.items():
                    row[name] = _CASTS[TYPES[name]](value)


def _fill(rows: Mapping[UUID, dict[str, Any]], sql: str, values: dict[str, Any]) -> None:
    """Take over rows of an account and its features, one column each."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        names = [column.name for column in cursor.description[1:]]
        casts = [_CASTS[TYPES[name]] for name in names]
        for pk, *found in cursor.fetchall():
            row = rows[pk]
            for name, cast, value in zip(names, casts, found, strict=True):
                if value is not None and name in row:
                    row[name] = cast(value)


def array_of(ids: Iterable[UUID]) -> str:
    """Ids as the text of one array: as a list each of them would be quoted by itself."""
    return "{" + ",".join(map(str, ids)) + "}"


def _of_account(row: dict[str, Any], told: Mapping[str, Any], country: str, seen: datetime, *, as_of: datetime) -> None:
    """What an account's attributes say, then what was pushed."""
    at = min(seen, as_of)
    for name, maker in _MAKERS.items():
        if name in row:
            row[name] = maker(told, at)
    if "min_age" in row:
        row["min_age"] = shipped.min_age(country)
    if row.get("engagement_per_follower_7d") is not None:
        followers = told.get("followers_count")
        row["engagement_per_follower_7d"] = row["engagement_per_follower_7d"] / followers if followers else None
    for name in told.keys() & row.keys():
        if row[name] is None:
            row[name] = _pushed(told, name, as_of)
    for name in asof.DECIDED & row.keys():
        row[name] = row[name] or 0


def _pushed(told: Mapping[str, Any], name: str, as_of: datetime) -> Any:
    """A value an upstream computed for us: of the right type, and not older than the feature's window."""
    push = told.get(name)
    if isinstance(push, dict):
        seconds = FEATURES[name].seconds
        try:
            old = seconds is not None and as_of - datetime.fromisoformat(push["at"]) > timedelta(seconds=seconds)
        except (KeyError, TypeError, ValueError):
            return None
        push = None if old else push.get("value")
    return push if fits(name, push) else None


def _age_days(told: Mapping[str, Any], at: datetime) -> int | None:
    created = told.get("created_on")
    try:
        return max(0, (at.date() - date.fromisoformat(str(created)[:10])).days) if created else None
    except ValueError:
        return None


def _picture(told: Mapping[str, Any], at: datetime) -> bool | None:
    default = told.get("default_profile_image")
    if isinstance(default, bool):
        return not default
    has = told.get("has_picture")
    return has if isinstance(has, bool) else None


def _declared_age(told: Mapping[str, Any], at: datetime) -> int | None:
    """The age told, and the whole years since it was told."""
    push = told.get("declared_age")
    if not isinstance(push, dict) or not fits("declared_age", push.get("value")):
        return None
    return int(push["value"]) + max(0, int((at - datetime.fromisoformat(push["at"])).days / 365.25))


def _live(version: Version) -> LiveVersion:
    rules = tuple(
        LiveRule(
            rule.key,
            rule.group,
            rule.points,
            float(rule.half_days) if rule.half_days is not None else None,
            rule.floor,
            rule.says,
            rule.position,
            checked(rule.when, NAMES),
        )
        for rule in version.rules.all()
    )
    strategy = version.strategy
    return LiveVersion(
        version.pk,
        strategy.risk_type,
        strategy.title,
        strategy.lane,
        version.number,
        round(version.severity * 100),
        version.review,
        version.caps,
        version.trust,
        rules,
    )


_CASTS: dict[str, Any] = {"int": int, "decimal": float, "bool": bool, "text": str}
_MAKERS: dict[str, Any] = {"account_age_days": _age_days, "has_picture": _picture, "declared_age": _declared_age}
