"""Which queues, routing and workflows ship? Loaded once from `defaults/`; what people changed since is left alone."""

from __future__ import annotations

import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User

from .models import Queue, RoutingRule, Workflow
from .routing import Route

DEFAULTS = Path(__file__).parent / "defaults"


@transaction.atomic
def ship(*, by: User, now: datetime) -> int:
    """Add the shipped queues, routing and workflows that are not there yet; returns how many. Twice is once."""
    shipped = _read("queues.toml")
    entries = [*_queues(shipped["queues"]), *_workflows(_read("workflows.toml"))]
    if not RoutingRule.objects.exists():
        slugs = {queue.slug: queue for queue in Queue.objects.all()}
        rules = [
            RoutingRule(
                position=position, when=rule["when"], to=slugs[rule["to"]],
                priority_floor=rule.get("priority_floor", 0), must_review=rule.get("must_review", False),
            )
            for position, rule in enumerate(shipped["routing"], start=1)
        ]  # fmt: skip
        RoutingRule.objects.bulk_create(rules)
        first, *others = (rule.audit_name for rule in rules)
        entries.append((Event.QUEUE_PUBLISHED, first, others, {"rules": len(rules)}))
    audit.record_many(entries, by=by, now=now)
    return len(entries)


def routes() -> tuple[Route, ...]:
    """The routing in force, as the pure module reads it."""
    fields = ("position", "when", "to__slug", "priority_floor", "must_review")
    return tuple(Route(*row) for row in RoutingRule.objects.order_by("position").values_list(*fields))


def _queues(shipped: list[dict[str, Any]]) -> list[Any]:
    known = set(Queue.objects.values_list("slug", flat=True))
    fresh = [
        Queue(
            slug=queue["slug"], title=queue["title"], lane=queue["lane"], role=queue["role"], sla_minutes=queue["sla"],
            lease_minutes=queue["lease"], max_hold_minutes=queue["max_hold"], capacity=queue["capacity"],
            exposure=queue["exposure"], position=position,
        )
        for position, queue in enumerate(shipped, start=1)
        if queue["slug"] not in known
    ]  # fmt: skip
    Queue.objects.bulk_create(fresh)
    return [(Event.QUEUE_PUBLISHED, queue, [], {"role": queue.role, "lane": queue.lane}) for queue in fresh]


def _workflows(shipped: dict[str, dict[str, Any]]) -> list[Any]:
    known = set(Workflow.objects.values_list("risk_type", flat=True))
    names = ("outcomes", "approval", "evidence", "ask", "pending", "notice")
    fresh = [
        # a first step is an interim measure with a fixed length
        Workflow(
            risk_type=risk_type,
            interim=told.get("interim", told.get("first_step", "")),
            **{name: told[name] for name in names if name in told},
        )
        for risk_type, told in shipped.items()
        if risk_type not in known
    ]
    Workflow.objects.bulk_create(fresh)
    return [(Event.WORKFLOW_PUBLISHED, flow, [], {"outcomes": list(flow.outcomes)}) for flow in fresh]


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((DEFAULTS / name).read_text(encoding="utf-8"))
