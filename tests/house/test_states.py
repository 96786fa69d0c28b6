"""Is every status reachable, with a way out or an end, and does each move leave an event?"""

from __future__ import annotations

import ast
from typing import Any

import pytest
from django.apps import apps

from portal import states
from portal.audit.events import Event as E

from .source import called, modules

# Where a life ends. What is not here must have a way out.
FINAL = {
    "Bulk": {"undone", "declined", "withdrawn"},
    "BulkItem": {"left_out", "failed", "dropped", "undone", "kept"},
    "Case": {"withdrawn", "handed_off"},
    "Decision": {"undone", "declined", "reversed"},
    "Enforcement": {"applied", "skipped", "superseded", "cancelled", "moot"},
    "Export": {"done", "failed", "cancelled"},
    "Hold": {"released", "declined"},
    "Version": {"retired"},
}

# What the log says when a row comes to a status, by a move or by being made.
EVENTS: dict[str, dict[str, set[E]]] = {
    "Bulk": {
        "proposed": {E.BULK_PROPOSED},
        "running": {E.BULK_APPROVED, E.BULK_CONTINUED},
        "paused": {E.BULK_PAUSED},
        "stopped": {E.BULK_STOPPED},
        "done": {E.BULK_DONE},
        "undoing": {E.BULK_UNDOING},
        "undone": {E.BULK_UNDONE},
        "declined": {E.BULK_DECLINED},
        "withdrawn": {E.BULK_WITHDRAWN},
    },
    "BulkItem": {
        "waiting": {E.BULK_ITEM_NAMED},
        "left_out": {E.BULK_ITEM_LEFT_OUT},
        "decided": {E.BULK_ITEM_DECIDED},
        "failed": {E.BULK_ITEM_FAILED},
        "dropped": {E.BULK_ITEM_DROPPED},
        "undone": {E.BULK_ITEM_UNDONE},
        "kept": {E.BULK_ITEM_KEPT},
    },
    "Case": {
        "waiting": {E.CASE_OPENED, E.CASE_RELEASED, E.CASE_RETURNED, E.CASE_SKIPPED, E.CASE_ESCALATED, E.CASE_REOPENED},
        "claimed": {E.CASE_CLAIMED, E.CASE_EXTENDED, E.CASE_REASSIGNED, E.CASE_REOPENED},
        "proposed": {E.DECISION_PROPOSED},
        "pending": {E.CASE_PENDING},
        "decided": {E.CASE_DECIDED},
        "withdrawn": {E.CASE_WITHDRAWN},
        "handed_off": {E.CASE_HANDED_OFF},
    },
    "Decision": {
        "proposed": {E.DECISION_PROPOSED},
        "held": {E.DECISION_HELD, E.APPROVAL_GIVEN},
        "released": {E.DECISION_RELEASED},
        "undone": {E.DECISION_UNDONE, E.DECISION_WITHDRAWN},
        "declined": {E.APPROVAL_DECLINED},
        "reversed": {E.DECISION_REVERSED},
    },
    "Enforcement": {
        "queued": {E.ENFORCEMENT_ORDERED, E.ENFORCEMENT_RETRIED},
        "in_flight": {E.ENFORCEMENT_ATTEMPTED},
        "retrying": {E.ENFORCEMENT_RETRYING},
        "applied": {E.ENFORCEMENT_APPLIED},
        "stopped": {E.ENFORCEMENT_STOPPED},
        "unsure": {E.ENFORCEMENT_UNSURE},
        "skipped": {E.ENFORCEMENT_SKIPPED},
        "superseded": {E.ENFORCEMENT_SUPERSEDED},
        "cancelled": {E.ENFORCEMENT_CANCELLED},
        "moot": {E.ENFORCEMENT_MOOT},
    },
    "Export": {
        "queued": {E.EXPORT_REQUESTED},
        "running": {E.EXPORT_STARTED},
        "done": {E.EXPORT_DONE},
        "failed": {E.EXPORT_FAILED},
        "cancelled": {E.EXPORT_CANCELLED},
    },
    "Hold": {
        "asked": {E.HOLD_ASKED},
        "active": {E.HOLD_AGREED, E.HOLD_REVIEWED, E.HOLD_KEPT},
        "ending": {E.HOLD_RELEASE_ASKED},
        "released": {E.HOLD_RELEASED},
        "declined": {E.HOLD_DECLINED},
    },
    "Version": {"draft": set(), "live": {E.STRATEGY_PUBLISHED}, "retired": {E.STRATEGY_PUBLISHED}},
}


def everything() -> list[Any]:
    return states.stateful()


def reached(model: Any) -> set[str]:
    """Every status that a row can come to."""
    seen, ways = set(states.beginnings(model)), list(states.arrows(model))
    while more := {to for start, to in ways if start in seen} - seen:
        seen |= more
    return seen


def test_every_model_with_a_status_has_a_state_table():
    bare = [
        model.__name__
        for model in apps.get_models()
        if model._meta.app_label in ("portal", "risk", "moderation")
        and any(field.name == "status" for field in model._meta.fields)
        and not hasattr(model, "COMES_FROM")
    ]

    assert bare == []


@pytest.mark.parametrize("model", everything(), ids=lambda model: model.__name__)
def test_every_status_is_reachable(model):
    assert {str(status) for status in model.Status} - reached(model) == set()


@pytest.mark.parametrize("model", everything(), ids=lambda model: model.__name__)
def test_every_status_has_a_way_out_or_is_final(model):
    assert set(states.endings(model)) == FINAL[model.__name__]


@pytest.mark.parametrize("model", everything(), ids=lambda model: model.__name__)
def test_the_table_names_only_its_own_statuses(model):
    known = set(model.Status)

    assert set(model.COMES_FROM) <= known
    assert set().union(*model.COMES_FROM.values()) <= known


@pytest.mark.parametrize("model", everything(), ids=lambda model: model.__name__)
def test_every_status_leaves_an_event_that_the_code_writes(model):
    events = EVENTS[model.__name__]
    used = {
        node.attr
        for module in modules()
        if not module.name.startswith("portal.audit.")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }

    assert set(events) == {str(status) for status in model.Status}
    unwritten = {status: sorted({event.name for event in names} - used) for status, names in events.items()}
    assert {status: names for status, names in unwritten.items() if names} == {}


def test_nothing_but_move_writes_a_status():
    """No `.update(status=…)`, no `thing.status = …`: the condition belongs in the UPDATE.

    Who moved a row may note it on the row in hand.
    """
    around = []
    for module in modules():
        moves = {
            inner
            for node in ast.walk(module.tree)
            if isinstance(node, ast.FunctionDef)
            and ((node.name == "move" and module.last == "models") or ".objects.move" in str(called(node)))
            for inner in ast.walk(node)
        }
        for node in ast.walk(module.tree):
            if node in moves:
                continue
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".update"):
                around += [f"{module.name}:{node.lineno}" for word in node.keywords if word.arg == "status"]
            elif isinstance(node, ast.Assign):
                around += [
                    f"{module.name}:{node.lineno}"
                    for goal in node.targets
                    if isinstance(goal, ast.Attribute) and goal.attr == "status" and ast.unparse(goal.value) != "self"
                ]

    assert around == []
