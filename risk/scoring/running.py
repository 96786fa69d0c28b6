"""What do the rules in force say about these accounts? Features in, one evaluation for the whole batch, results out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import polars as pl

from risk.strategy import reading
from risk.strategy.features import TYPES
from risk.strategy.language import frame_of, to_polars
from risk.strategy.models import NamedList
from risk.strategy.reading import LiveRule, LiveVersion

from . import explain
from .score import Contribution, Hit, Plan, Points, Result, score

Held = Mapping[str, datetime]  # rule → when it last held, from the newest score of that type


@dataclass(frozen=True)
class Engine:
    """The live versions, compiled: one Polars expression per rule."""

    versions: tuple[LiveVersion, ...]
    features: tuple[str, ...]
    expressions: Mapping[str, pl.Expr]
    plans: Mapping[int, Plan]
    points: Mapping[str, Points]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One account and risk type: the result, its sentences, the features behind it, what could not be looked at."""

    account: UUID
    version: LiveVersion
    result: Result
    titles: Mapping[str, str]
    values: Mapping[str, Any]
    missing: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the snapshot."""
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).digest()

    def detail(self, row: Contribution) -> dict[str, Any]:
        """What stands behind one row: values against the rule, when it last held, what a floor added, what a cap took."""
        rule = next(rule for rule in self.version.rules if rule.key == row.rule)
        cap = self.version.caps.get(row.group, 40 if row.group == "trust" else 30)
        return {
            "features": {name: self.values.get(name) for name in rule.condition.columns},
            "at": row.at.isoformat(),
            "holds": row.holds,
            "floor": row.lifted > 0,
            "lifted": row.lifted,
            "cap": explain.cap_sentence(row, cap),
            "when": rule.condition.text,
        }


def engine() -> Engine:
    """The engine for what is in force now; compiled once for each set of versions and lists."""
    versions = tuple(reading.live())
    names = {name for version in versions for rule in version.rules for name in rule.condition.lists}
    in_force = tuple(sorted(NamedList.objects.filter(name__in=names, in_force=True).values_list("pk", flat=True)))
    return _compiled(tuple(version.pk for version in versions), in_force, _Carried(versions))


def run(
    machine: Engine, account_ids: Collection[UUID], held: Mapping[tuple[UUID, str], Held], *, now: datetime
) -> list[Outcome]:
    """Score a batch of accounts under every live version.

    `held` says, by account and risk type, which rules had fired before and when they last held: they fade by their half-life.
    An account has no outcome for a type of which nothing was told and nothing stood before.
    """
    rows = reading.compute(account_ids, as_of=now, names=machine.features)
    ids = list(rows)
    batch = [rows[pk] for pk in ids]
    fired = frame_of(batch, {name: TYPES[name] for name in machine.features}).select(**machine.expressions)
    answers = {key: fired[key].to_list() for key in machine.expressions}
    outcomes = []
    for version in machine.versions:
        lines = [(rule, answers[rule.key]) for rule in version.rules]
        for at, pk in enumerate(ids):
            before = held.get((pk, version.risk_type))
            verdicts = [(rule, line[at]) for rule, line in lines]
            if before is None and not any(_looked_at(rule, answer, batch[at]) for rule, answer in verdicts):
                continue
            outcomes.append(_outcome(machine, version, pk, verdicts, before or {}, batch[at], now))
    return outcomes


def _outcome(
    machine: Engine,
    version: LiveVersion,
    account: UUID,
    verdicts: Sequence[tuple[LiveRule, bool | None]],
    before: Held,
    values: Mapping[str, Any],
    now: datetime,
) -> Outcome:
    hits = [Hit(machine.points[rule.key], now) for rule, answer in verdicts if answer]
    hits += [
        Hit(machine.points[rule.key], before[rule.key], holds=False)
        for rule, said in verdicts
        if not said and rule.key in before
    ]
    result = score(machine.plans[version.pk], hits, now=now)
    says = {rule.key: rule.says for rule, _ in verdicts}
    missing = {
        rule.key: [name for name in rule.condition.columns if values[name] is None]
        for rule, answer in verdicts
        if answer is None
    }
    snapshot = {name: values[name] for name in version.features if values[name] is not None}
    titles = {row.rule: explain.title(says[row.rule], values) for row in result.rows}
    return Outcome(account, version, result, titles, snapshot, missing)


def _looked_at(rule: LiveRule, answer: bool | None, values: Mapping[str, Any]) -> bool:
    """Whether a rule says something of an account: it holds, or it could add points, all it asks was told, and it does not hold."""
    if answer is None or not rule.tells:
        return False
    return answer or (rule.points > 0 and all(values[name] is not None for name in rule.condition.columns))


@dataclass(frozen=True)
class _Carried:
    """Carries the versions past the cache's key, which is their ids: a version never changes."""

    versions: tuple[LiveVersion, ...]

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Carried)


@lru_cache(maxsize=4)
def _compiled(pks: tuple[int, ...], lists: tuple[int, ...], carried: _Carried) -> Engine:
    entries = {
        name: pl.Series(values, dtype=pl.String)
        for name, values in NamedList.objects.filter(pk__in=lists).values_list("name", "entries")
    }
    versions = carried.versions
    return Engine(
        versions=versions,
        features=tuple(sorted({name for version in versions for name in version.features})),
        expressions={rule.key: to_polars(rule.condition, entries) for version in versions for rule in version.rules},
        plans={version.pk: Plan(version.severity, version.review, version.caps, version.trust) for version in versions},
        points={
            rule.key: Points(rule.key, rule.group, rule.points, rule.half_days, rule.floor)
            for version in versions
            for rule in version.rules
        },
    )
