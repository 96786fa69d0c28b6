"""Did it hold? I1 to I8 over the actions, the platform's ledger, the log and the history, read after a round.

I1 every acknowledged action ends in a terminal state · I2 at most one effect per action, and none without one ·
I3 effects in the account's order · I4 the platform stands as the last applied action left it · I5 each transition is
legal and has its one event, and the log verifies · I6 never more calls at once than the backend allows ·
I7 measures end on time, never early · I8 nobody approved what they asked for.
"""

from __future__ import annotations

import collections
import hashlib
import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from tests.faults.stage import Stage, until

from .scene import Run

ENDS = frozenset({"applied", "superseded"})
LATE = 5.0  # seconds a measure may outlive its time
STATES = {
    "ordered": "queued", "attempted": "in_flight", "retrying": "retrying", "applied": "applied", "moot": "moot",
    "stopped": "stopped", "unsure": "unsure", "superseded": "superseded", "cancelled": "cancelled",
    "skipped": "skipped", "retried": "queued",
}  # fmt: skip


def check(
    run: Run, stage: Stage, *, ends: Collection[str] = ENDS, late: float = LATE, but: Collection[str] = ()
) -> None:
    """Put I1 to I8 into the round's table.

    `ends`: the states an action may end in; `late`: the most seconds for I7; `but`: what cannot hold in this round
    (`"I4"` where another hand changes the platform).
    """
    from moderation.enforcement.models import Enforcement

    actions = list(Enforcement.objects.select_related("account").order_by("account", "seq"))
    rows = stage.ledger()
    looks: dict[str, Callable[[], None]] = {
        "I1": lambda: _acknowledged(run, actions, ends),
        "I2": lambda: _once(run, actions, rows),
        "I3": lambda: _in_order(run, actions, rows),
        "I4": lambda: _as_left(run, stage, actions, rows),
        "I5": lambda: _logged(run, stage, actions),
        "I6": lambda: _at_once(run),
        "I7": lambda: _on_time(run, actions, rows, late),
        "I8": lambda: _by_another(run),
    }
    for name, look in looks.items():
        if name not in but:
            look()


def _acknowledged(run: Run, actions: list[Any], ends: Collection[str]) -> None:
    there = {str(action.pk) for action in actions}
    told = {line["action"] for line in run.history.read("ordered")}
    states = collections.Counter(action.status for action in actions)
    figures = f"{len(told)} acknowledged, {len(told - there)} lost; " + ", ".join(
        f"{n} {name}" for name, n in sorted(states.items())
    )
    run.hold(
        "I1 every acknowledged action has ended", bool(actions) and told <= there and set(states) <= set(ends), figures
    )


def _once(run: Run, actions: list[Any], rows: list[dict[str, Any]]) -> None:
    applied = {str(action.pk) for action in actions if action.status == "applied"}
    keys = collections.Counter(row["key"] for row in rows)
    doubled = sum(count > 1 for count in keys.values())
    lost, foreign = applied - set(keys), set(keys) - applied
    figures = (
        f"{len(rows)} effects of {len(applied)} applied, {doubled} doubled, {len(lost)} lost, {len(foreign)} foreign"
    )
    run.hold("I2 each effect exactly once", not doubled and not lost and not foreign, figures)


def _in_order(run: Run, actions: list[Any], rows: list[dict[str, Any]]) -> None:
    last: dict[str, int] = collections.defaultdict(int)
    wrong = 0
    for row in rows:
        wrong += row["seq"] <= last[row["account"]]
        last[row["account"]] = row["seq"]
    run.hold("I3 in each account's order", not wrong, f"{len(last)} accounts, {wrong} out of order")
    gaps = gapped(actions)
    run.hold("I3 numbers without a gap", not gaps, f"{gaps} accounts with a gap")


def gapped(actions: list[Any]) -> int:
    """How many accounts have other numbers than 1, 2, 3 …; `actions` by account and number."""
    of: dict[Any, list[int]] = collections.defaultdict(list)
    for action in actions:
        of[action.account_id].append(action.seq)
    return sum(numbers != list(range(1, len(numbers) + 1)) for numbers in of.values())


def _as_left(run: Run, stage: Stage, actions: list[Any], rows: list[dict[str, Any]]) -> None:
    """The platform's state is what its own rules make of our applied actions alone, in order."""
    from portal.local.ledger import SETS

    wanted: dict[str, dict[str, bool]] = collections.defaultdict(dict)
    newest: dict[str, int] = {}
    platforms: dict[str, str] = {}
    for action in actions:
        if action.status == "applied":
            name = action.account.external_id
            newest[name], platforms[name] = action.seq, action.account.platform
            if action.kind in SETS:
                key, value = SETS[action.kind]
                wanted[name][key] = value
    wrong = 0
    for name, seq in newest.items():
        there = stage.state(name, platforms[name])
        wrong += there["last_seq"] != seq or any(there["state"][key] != value for key, value in wanted[name].items())
    run.hold("I4 the platform stands as last ordered", not wrong, f"{len(newest)} accounts, {wrong} otherwise")


def _logged(run: Run, stage: Stage, actions: list[Any]) -> None:
    """Each action's events, in the order of their leaves, are a legal walk from ordered to the state it is in."""
    from portal.audit.models import AuditEvent, Leaf, Pending

    verdict = prove(stage)
    types = dict(AuditEvent.objects.filter(type__startswith="enforcement.").values_list("pk", "type"))
    subjects = dict(AuditEvent.objects.filter(type__startswith="enforcement.").values_list("pk", "subjects"))
    walks: dict[str, list[str]] = collections.defaultdict(list)
    for event in Leaf.objects.order_by("index").values_list("event_id", flat=True).iterator(chunk_size=5000):
        if event in types and subjects[event][0].startswith("enforcement:"):
            walks[subjects[event][0]].append(types[event].removeprefix("enforcement."))
    wrong = [action for action in actions if not legal(walks[action.audit_name], action)]
    told = f"{sum(map(len, walks.values()))} events of {len(actions)} actions, {len(wrong)} otherwise"
    if wrong:
        told += f" (first: {wrong[0].status}, {wrong[0].attempts} tries: {' '.join(walks[wrong[0].audit_name])})"
    run.hold("I5 every transition legal, one event each", not wrong, told)
    unsealed = Pending.objects.count()
    run.hold("I5 the log verifies", verdict.sound and not unsealed, verdict.why or f"{verdict.size} leaves")


def legal(walk: list[str], action: Any) -> bool:
    """Whether events tell a legal way to the state of an action, with as many tries as it counts."""
    state = ""
    for event in walk:
        if event not in STATES:  # says something, changes no state
            continue
        to = STATES[event]
        if state and state not in action.COMES_FROM[to]:
            return False
        if not state and event != "ordered":
            return False
        state = to
    return state == action.status and walk.count("ordered") == 1 and walk.count("attempted") == action.attempts


def prove(stage: Stage) -> Any:
    """Have what is left sealed and signed, by the round's own sequencer and signer if it has them; verify the log."""
    from django.conf import settings

    from portal.audit import proving
    from portal.audit.models import Checkpoint, Pending, Tree
    from tests.provers import Provers

    def signed() -> bool:
        newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
        return not Pending.objects.exists() and newest == Tree.objects.get().size

    if "signer" in stage.children:
        until(signed, within=120, every=0.2)
    else:
        provers = Provers(settings.SIGNER_DIR)
        provers.prove()
        provers.close()
    return proving.verify(proving.public_key())


def _at_once(run: Run) -> None:
    """Calls that were under way together, by backend: from an attempt's event to the action's next, whatever it was.

    Both are stamped by the database as they are written: between counting and sending, and before the place is free.
    """
    from moderation.enforcement import connector
    from moderation.enforcement.models import Enforcement
    from portal.audit.models import AuditEvent

    backends = {f"enforcement:{pk}": name for pk, name in Enforcement.objects.values_list("pk", "backend_id")}
    moments: dict[str, list[tuple[datetime, int]]] = collections.defaultdict(list)
    under_way_since: set[str] = set()
    told = AuditEvent.objects.filter(type__startswith="enforcement.").order_by("occurred_at", "id")
    for event, (action, *_), at in told.values_list("type", "subjects", "occurred_at").iterator(chunk_size=5000):
        if action in under_way_since and event.removeprefix("enforcement.") in STATES:
            under_way_since.discard(action)
            moments[backends[action]].append((at, -1))
        if event == "enforcement.attempted":
            under_way_since.add(action)
            moments[backends[action]].append((at, 1))
    most, allowed = {}, {}
    for backend, changes in moments.items():
        under_way = peak = 0
        for _, change in sorted(changes):
            under_way += change
            peak = max(peak, under_way)
        most[backend], allowed[backend] = peak, connector.descriptions()[backend].at_once
    figures = ", ".join(f"{name}: {most[name]} of {allowed[name]}" for name in sorted(most))
    run.hold("I6 never more calls at once than allowed", all(most[name] <= allowed[name] for name in most), figures)


def _on_time(run: Run, actions: list[Any], rows: list[dict[str, Any]], late: float) -> None:
    there = {row["key"]: datetime.fromisoformat(row["at"]) for row in rows}
    ended = {action.parent_id: action for action in actions if action.parent_id}
    delays, early = [], 0
    for action in actions:
        lift = ended.get(action.pk)
        if lift is None or not action.until or lift.kind == action.kind:
            continue
        since = max(action.until, action.settled_at)  # one that came into force after its time ends then
        delays.append((lift.ordered_at - since).total_seconds())
        early += lift.ordered_at < action.until or (str(lift.pk) in there and there[str(lift.pk)] < action.until)
    latest = max(delays, default=0.0)
    figures = f"{len(delays)} ended, latest {latest:.1f} s after its time, {early} early"
    run.hold("I7 measures end on time", latest <= late and not early, figures)


def _by_another(run: Run) -> None:
    from django.db.models import F

    from moderation.decisions.models import Decision

    approved = Decision.objects.filter(approved_by__isnull=False)
    wrong = approved.filter(approved_by=F("made_by")).count()
    run.hold("I8 nobody approved their own", not wrong, f"{approved.count()} approved, {wrong} by who asked")


def digest(run: Run) -> str:
    """Of what was broken, in order: equal for equal seeds."""
    broken = [{k: v for k, v in line.items() if k != "at"} for line in run.history.read("killed", "broken")]
    return hashlib.sha256(json.dumps(broken).encode()).hexdigest()[:12]
