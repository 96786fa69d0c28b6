"""Does every act leave a trace?

Each public function of each actions module records, or is exempt for a stated reason.
"""

from __future__ import annotations

import ast

import pytest

from portal.audit.events import Event
from portal.audit.sentences import SENTENCES

from .source import Module, called, modules, named, public_functions

# Public functions in actions modules that write no event, each with its reason.
EXEMPT = {
    "moderation.decisions.actions.ordered_by": "reads",
    "moderation.insight.actions.ask_check": "the walk it asks for is told at its end, with what came out",
    "moderation.insight.actions.start_check": "as ask_check()",
    "portal.audit.actions.name_of": "names a thing; changes nothing",
    "portal.audit.actions.record": "is the writer",
    "portal.audit.actions.record_many": "is the writer",
    "portal.audit.actions.together": "gathers what is recorded inside; changes nothing of its own",
    "portal.people.actions.end_sessions": "part of disable(), which records how many were ended",
    "portal.privacy.actions.keep": "a part of the act that keeps the value; that act's event carries the commitment",
    "portal.privacy.actions.keep_many": "as keep()",
    "portal.privacy.actions.open_value": "reads for rules, lists and masks; a person's look is case.viewed",
    "portal.privacy.actions.open_values": "as open_value()",
    "portal.privacy.actions.subject_of_user": "names a thing; changes nothing",
    "risk.intake.actions.take_signals": "hands signals out within the act that opens or joins a case, which records",
    "risk.scoring.actions.take": "hands each score out once, within the act that opens or joins a case, which records",
    "risk.strategy.actions.digest_of": "names what is in a version; changes nothing",
}
WRITES = {"record", "record_many", "audit.record", "audit.record_many"}


def traced(module: Module) -> set[str]:
    """The functions of a module that record: by themselves, through one another, or through another room's action."""
    bodies = {node.name: called(node) for node in module.tree.body if isinstance(node, ast.FunctionDef)}
    records = {name for name, calls in bodies.items() if calls & WRITES or _calls_another_action(module, calls)}
    while more := {name for name, calls in bodies.items() if calls & records} - records:
        records |= more
    return records


def _calls_another_action(module: Module, calls: set[str]) -> bool:
    """Whether one of the called names is a recording function of another module of ours, under its imported name."""
    homes = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                homes[alias.asname or alias.name] = (node.module or "", alias.name, node.level)
    others = {f"{other.name.rpartition('.')[0]}|{other.last}": other for other in modules()}
    room = module.name.rpartition(".")[0]
    for call in calls:
        first, _, rest = call.partition(".")
        if first not in homes:
            continue
        source, original, level = homes[first]
        base = room if level else ""
        path = ".".join(part for part in (base, source) if part)
        if rest:  # from portal.audit import actions as audit → audit.record
            other = others.get(f"{path}|{original}")
            if other and other.name != module.name and _records_directly(other, rest):
                return True
        else:  # from .order import order
            other = others.get(f"{path.rpartition('.')[0]}|{path.rpartition('.')[2]}")
            if other and other.name != module.name and _records_directly(other, original):
                return True
    return False


def _records_directly(module: Module, function: str) -> bool:
    bodies = {node.name: called(node) for node in module.tree.body if isinstance(node, ast.FunctionDef)}
    seen: set[str] = set()
    ahead = {function} & set(bodies)
    while ahead:
        name = ahead.pop()
        if bodies[name] & WRITES or f"{module.name}.{name}" == "portal.audit.actions.record":
            return True
        seen.add(name)
        ahead |= (bodies[name] & set(bodies)) - seen
        if module.last == "actions" and _calls_another_action_shallow(module, bodies[name]):
            return True
    return False


def _calls_another_action_shallow(module: Module, calls: set[str]) -> bool:
    return any(call.startswith("audit.") for call in calls)


@pytest.mark.parametrize("module", named("actions"), ids=str)
def test_every_action_records_or_is_exempt(module):
    silent = {f"{module.name}.{node.name}" for node in public_functions(module)} - {
        f"{module.name}.{name}" for name in traced(module)
    }

    assert silent - set(EXEMPT) == set()


def test_nothing_is_exempt_that_records_or_is_gone():
    offered = {f"{module.name}.{node.name}" for module in named("actions") for node in public_functions(module)}
    traces = {f"{module.name}.{name}" for module in named("actions") for name in traced(module)}

    assert set(EXEMPT) - offered == set()
    assert set(EXEMPT) & traces == set()


def test_actions_name_the_actor_and_are_told_the_time():
    """`verb(thing, *, by, now)`: who did it is never mistaken for the thing, and only the door asks the clock."""
    asking = [
        f"{module.name}:{node.lineno}"
        for module in named("actions")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"timezone.now", "datetime.now"}
    ]
    positional = [
        f"{module.name}.{node.name}"
        for module in named("actions")
        for node in public_functions(module)
        if (taken := [argument.arg for argument in node.args.args]) and taken[0] not in {"by", "now"}
        if {"by", "now"} & set(taken)
    ]

    assert asking == []
    assert positional == []


def test_every_event_has_a_sentence_and_no_sentence_is_left_over():
    assert set(SENTENCES) == set(Event)


def test_events_are_alphabetical_and_named_after_what_they_say():
    assert [event.name for event in Event] == sorted(event.name for event in Event)
    assert [event for event in Event if event.name != event.value.replace(".", "_").upper()] == []


def test_every_event_is_written_by_somebody():
    used = {
        node.attr
        for module in modules()
        if module.name not in {"portal.audit.events", "portal.audit.sentences"}
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("Event")
    }

    assert {event.name for event in Event} - used == set()
