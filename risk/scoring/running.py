"""What do the rules in force say about these accounts? Features in, one evaluation for the whole batch, results out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

import polars as pl

from risk.strategy import reading
from risk.strategy.features import FEATURES, TYPES
from risk.strategy.language import frame_of, to_polars
from risk.strategy.models import NamedList, Version
from risk.strategy.reading import LiveRule, LiveVersion

from . import explain
from .score import Contribution, Hit, Plan, Points, Result, score, summed

Held = Mapping[str, datetime]  # rule → when it last held, from the newest score of that type


@dataclass(frozen=True)
class Compiled:
    """A live version, compiled: its plan, what each rule is worth, the columns its answers stand in."""

    version: LiveVersion
    plan: Plan
    points: Mapping[str, Points]
    columns: Mapping[str, str]  # rule → column
    looked: str  # the column that says whether anything was told that these rules ask about
    fires: str  # the column that says whether any of its rules holds


@dataclass(frozen=True)
class Engine:
    """The live versions, compiled: one Polars expression per rule, one pass for all of them."""

    versions: tuple[Compiled, ...]
    features: tuple[str, ...]
    expressions: Mapping[str, pl.Expr]

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """The plan of each risk type."""
        return {one.version.risk_type: one.plan for one in self.versions}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One account and risk type: the result, its sentences, the features behind it, what could not be looked at."""

    account: UUID
    version: LiveVersion
    result: Result
    titles: Mapping[str, str]
    values: Mapping[str, Any]
    missing: Mapping[str, list[str]] = field(default_factory=dict)

    def snapshot(self) -> tuple[str, bytes]:
        """The features as JSON, their names in order, and the SHA-256 of that."""
        text = json.dumps(self.values)
        return text, hashlib.sha256(text.encode()).digest()

    def detail(self, row: Contribution) -> dict[str, Any]:
        """What stands behind one row.

        Values against the rule, when it last held, what a floor added, what a cap took.
        """
        rule = self.version.by_key[row.rule]
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
    versions = Version.objects.filter(status=Version.Status.LIVE).order_by("pk").values_list("pk", flat=True)
    in_force = NamedList.objects.filter(in_force=True).order_by("pk").values_list("pk", flat=True)
    return _compiled(tuple(versions), tuple(in_force))


def run(
    machine: Engine, account_ids: Collection[UUID], held: Mapping[tuple[UUID, str], Held], *, now: datetime
) -> list[Outcome]:
    """Score a batch of accounts under every live version.

    `held` says, by account and risk type, which rules had fired before and when they last held: they fade by their
    half-life. An account has no outcome for a type of which nothing was told and nothing stood before.
    """
    rows = reading.compute(account_ids, as_of=now, names=machine.features)
    ids, batch = list(rows), list(rows.values())
    fired = frame_of(batch, {name: TYPES[name] for name in machine.features}).select(**machine.expressions)
    answers = {name: column.to_list() for name, column in zip(fired.columns, fired, strict=True)}
    outcomes = []
    for one in machine.versions:
        looked, fires = answers[one.looked], answers[one.fires]
        lines = [(rule, answers[one.columns[rule.key]]) for rule in one.version.rules]
        for at, pk in enumerate(ids):
            before = held.get((pk, one.version.risk_type))
            if fires[at] or before:
                said = [(rule, line[at]) for rule, line in lines]
                outcomes.append(_outcome(one, pk, said, before or {}, batch[at], now))
            elif looked[at] or before is not None:
                outcomes.append(Outcome(pk, one.version, summed(one.plan, 0), {}, _snapshot(one, batch[at])))
    return outcomes


def _outcome(
    one: Compiled,
    account: UUID,
    verdicts: Sequence[tuple[LiveRule, bool | None]],
    before: Held,
    values: Mapping[str, Any],
    now: datetime,
) -> Outcome:
    hits, missing = [], {}
    for rule, answer in verdicts:
        if answer:
            hits.append(Hit(one.points[rule.key], now))
            continue
        if rule.key in before:
            hits.append(Hit(one.points[rule.key], before[rule.key], holds=False))
    result = score(one.plan, hits, now=now)
    for rule, answer in verdicts:
        if answer is None:
            missing[rule.key] = [name for name in rule.condition.columns if values[name] is None]
    titles = {row.rule: explain.title(one.version.says[row.rule], values) for row in result.rows}
    return Outcome(account, one.version, result, titles, _snapshot(one, values), missing)


def _snapshot(one: Compiled, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in one.version.features if values[name] is not None}


@lru_cache(maxsize=4)
def _compiled(pks: tuple[int, ...], lists: tuple[int, ...]) -> Engine:
    """Versions and lists never change once they are there, so their ids are enough of a key."""
    entries = {
        name: pl.Series(values, dtype=pl.String)
        for name, values in NamedList.objects.filter(pk__in=lists).values_list("name", "entries")
    }
    compiled: list[Compiled] = []
    expressions: dict[str, pl.Expr] = {}
    for version in reading.live(pks):
        columns = {rule.key: f"{version.pk}:{rule.key}" for rule in version.rules}
        answers = {rule.key: to_polars(rule.condition, entries) for rule in version.rules}
        points = {
            rule.key: Points(rule.key, rule.group, rule.points, rule.half_days, rule.floor) for rule in version.rules
        }
        plan = Plan(version.severity, version.review, version.caps, version.trust)
        expressions |= {columns[key]: answer for key, answer in answers.items()}
        expressions[f"{version.pk}:looked"] = _looked(version.rules)
        told = [answers[rule.key].fill_null(value=False) for rule in version.rules if rule.tells]
        expressions[f"{version.pk}:fires"] = pl.any_horizontal(told) if told else pl.lit(value=False)
        compiled.append(Compiled(version, plan, points, columns, f"{version.pk}:looked", f"{version.pk}:fires"))
    features = sorted({name for one in compiled for name in one.version.features})
    return Engine(tuple(compiled), tuple(features), expressions)


def _looked(rules: Sequence[LiveRule]) -> pl.Expr:
    """Whether a score of nothing is worth writing down.

    It is where a rule that could add points asks only for what an account says of itself, and all that was told. That
    nothing was found in passing behaviour is not: it says nothing tomorrow.
    """
    said = [
        pl.all_horizontal([pl.col(name).is_not_null() for name in rule.condition.columns])
        for rule in rules
        if rule.points > 0 and all(FEATURES[name].of_account for name in rule.condition.columns)
    ]
    return pl.any_horizontal(said) if said else pl.lit(value=False)
