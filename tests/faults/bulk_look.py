"""What is left of a group decision when everything was killed under it? Items against the plan, log and ledger."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .stage import Stage


@dataclass
class Group:
    """The accounts of a round, and what is known of some of them before."""

    accounts: list[Any]
    until: datetime
    out: dict[Any, str] = field(default_factory=dict)  # left out from the start, and why
    gone: set[Any] = field(default_factory=set)
    again: set[Any] = field(default_factory=set)  # decided on again, after
    alone: set[Any] = field(default_factory=set)  # taken back by itself, after
    unknown: int = 3


@dataclass
class Told:
    """What was seen, over all rounds: each line with whether it held in every one, and the figures of the last."""

    holds: dict[str, tuple[bool, str]] = field(default_factory=dict)
    killed: collections.Counter[str] = field(default_factory=collections.Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))

    def hold(self, sentence: str, whether: bool, figures: object = "") -> None:
        before, said = self.holds.get(sentence, (True, ""))
        self.holds[sentence] = (before and bool(whether), said if not before else str(figures))

    @property
    def sound(self) -> bool:
        return all(held for held, _ in self.holds.values())


def look(bulk: Any, made: Group, stage: Stage, told: Told) -> None:
    """Items against the plan, decisions, actions, the log and the ledger."""
    from moderation.decisions.models import Decision

    items = list(bulk.items.select_related("account", "decision", "reversal"))
    states = collections.Counter(item.status for item in items)
    told.hold("each account has one item", len(items) == len(made.accounts), dict(states))
    out = {item.account_id: item.why for item in items if item.status == "left_out"}
    told.hold("who is left out has the reason", out == made.out, f"{len(out)} of {len(made.out)}")
    told.hold("who is unknown is counted", bulk.chosen["unknown"] == made.unknown, bulk.chosen["unknown"])
    mine = Decision.objects.filter(account__in=[row.pk for row in made.accounts], made_by=bulk.made_by)
    per = collections.Counter(mine.filter(reverses=None).values_list("account", flat=True))
    touched = {item.account_id for item in items if item.decision_id}
    twice = sum(count > 1 for count in per.values())
    told.hold(
        "each is decided on at most once", set(per) == touched and not twice, f"{len(per)} decided, {twice} twice"
    )
    kept = {item.account_id: item.why for item in items if item.status == "kept"}
    wanted = dict.fromkeys(made.again, "It was decided again since.")
    wanted |= dict.fromkeys(made.alone, "It was taken back by itself already.")
    wanted |= dict.fromkeys(made.gone, "The account is gone from its platform.")
    told.hold("undo leaves exactly what it lists", kept == wanted, f"{len(kept)} kept of {len(wanted)}")
    stays = {item.account_id for item in items if item.decision_id and item.decision.status == "released"}
    told.hold("what stays in force is on that list", stays == made.again | made.gone, f"{len(stays)} in force")
    undone = {item.account_id for item in items if item.status == "undone"}
    told.hold("all others are undone", undone == touched - set(wanted), f"{len(undone)} undone")
    strikes(made, told, stays=stays, undone=undone)
    events(bulk, items, told)
    ledger(bulk, items, made, stage, told)


def strikes(made: Group, told: Told, *, stays: set[Any], undone: set[Any]) -> None:
    """Of who was undone no strike stands; of who was kept it does."""
    from risk.intake.models import Standing

    standing = set(
        Standing.objects.filter(account__in=stays | undone, outcome="suspend", lifted_at=None)
        .values_list("account", flat=True)
    )  # fmt: skip
    told.hold("strikes went with what was undone", standing == stays, f"{len(standing)} stand")


def events(bulk: Any, items: list[Any], told: Told) -> None:
    """One event per account and step, in the log."""
    from portal.audit.models import AuditEvent

    found = AuditEvent.objects.filter(type__startswith="bulk.item_", subjects__contains=[bulk.audit_name])
    said = collections.Counter(found.values_list("type", flat=True))
    states = collections.Counter(item.status for item in items)
    wanted = {
        "bulk.item_named": bulk.accounts, "bulk.item_left_out": states["left_out"], "bulk.item_kept": states["kept"],
        "bulk.item_decided": sum(item.decision_id is not None for item in items), "bulk.item_undone": states["undone"],
    }  # fmt: skip
    told.hold("one event for each step of each", dict(said) == wanted, f"{sum(said.values())} events")


def ledger(bulk: Any, items: list[Any], made: Group, stage: Stage, told: Told) -> None:
    """The report says how actions stand, actions stand as the ledger says, and the platform as that adds up to."""
    from moderation.bulk import reporting
    from moderation.enforcement.models import Enforcement

    actions = Enforcement.objects.filter(account__in=[row.pk for row in made.accounts])
    by_decision = dict(actions.filter(kind="suspend").values_list("decision", "status"))
    rows = {row.position: row for row in reporting.rows(bulk.items.order_by("position"), bulk)}
    wrong = sum(
        (rows[item.position].account, rows[item.position].state, rows[item.position].measure)
        != (item.account.external_id, item.status, by_decision.get(item.decision_id, ""))
        for item in items
    )
    told.hold("the report says what the database says", not wrong, f"{len(rows)} rows, {wrong} otherwise")
    keys = collections.Counter(row["key"] for row in stage.ledger())
    applied = {str(action.pk) for action in actions if action.status == "applied"}
    unhad, doubled = sum(not keys[key] for key in applied), sum(count > 1 for count in keys.values())
    told.hold("each applied action is on the platform once", not unhad and not doubled,
              f"{len(applied)} applied, {unhad} missing, {doubled} doubled")  # fmt: skip
    names = {row.pk: row.external_id for row in made.accounts}
    there = collections.defaultdict(list)
    for row in stage.ledger():
        if row["kind"] in ("suspend", "unsuspend"):
            there[row["account"]].append(row["kind"])
    again = {item.account_id for item in items if item.status == "kept"} & made.again
    bad = [name for pk, name in names.items() if bool(there[name] and there[name][-1] == "suspend") != (pk in again)]
    told.hold("the platform stands as the report says", not bad, f"{len(names)} accounts, {len(bad)} otherwise")
