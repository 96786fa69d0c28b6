"""What is set? Queues, routing and workflows, policies with their versions, strategies with their rules; read only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from moderation.cases.models import Queue, RoutingRule, Workflow
from moderation.decisions.approval import ALWAYS
from moderation.decisions.models import Policy, ReasonCode
from portal.people.models import User
from portal.people.permissions import Permission, requires
from portal.people.roles import ROLES
from portal.wording import span
from risk.strategy.models import NamedList, Version


@requires(Permission.SETTINGS_READ)
@require_GET
def queues(request: HttpRequest) -> HttpResponse:
    """Queues with their promise and lease, the routing in its order, workflows with who must agree, and the roles."""
    user: User = request.user  # type: ignore[assignment]
    found = Queue.objects.filter(lane__in=user.lanes)
    context = {
        "queues": [_queue(queue) for queue in found],
        "routing": RoutingRule.objects.filter(to__in=found).select_related("to"),
        "workflows": [_workflow(workflow) for workflow in Workflow.objects.order_by("risk_type")],
        "roles": [{"role": role, "permissions": sorted(role.permissions)} for role in ROLES.values()],
    }
    return render(request, "insight/queues.html", context)


@requires(Permission.SETTINGS_READ)
@require_GET
def policies(request: HttpRequest) -> HttpResponse:
    """The policies in force with their text, earlier versions, and the reason codes that imply them."""
    found = list(Policy.objects.order_by("code", "-version"))
    reasons: dict[str, list[ReasonCode]] = {}
    for reason in ReasonCode.objects.order_by("position"):
        reasons.setdefault(reason.policy, []).append(reason)
    rows = [
        {
            "policy": policy,
            "reasons": reasons.get(policy.code, []),
            "earlier": [one for one in found if one.code == policy.code and one.version < policy.version],
        }
        for policy in found
        if policy.in_force
    ]
    return render(request, "insight/policies.html", {"rows": rows, "free": reasons.get("", [])})


@requires(Permission.STRATEGY_READ)
@require_GET
def strategies(request: HttpRequest) -> HttpResponse:
    """The live version of each strategy: its rules with their condition, points, group and decay; the named lists."""
    versions = (
        Version.objects.filter(status=Version.Status.LIVE)
        .select_related("strategy")
        .prefetch_related("rules")
        .annotate(n=Count("rules", filter=~Q(rules__key="")))
        .order_by("strategy__risk_type")
    )
    lists = NamedList.objects.filter(in_force=True).order_by("name")
    shown = [{"name": one.name, "version": one.version, "n": len(one.entries)} for one in lists]
    return render(request, "insight/strategies.html", {"versions": versions, "lists": shown})


def _queue(queue: Queue) -> dict[str, Any]:
    return {
        "queue": queue,
        "sla": span(timedelta(minutes=queue.sla_minutes)),
        "lease": span(timedelta(minutes=queue.lease_minutes)),
        "hold": span(timedelta(minutes=queue.max_hold_minutes)),
    }


def _workflow(workflow: Workflow) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "outcomes": [
            {"name": outcome, "approval": "always" if outcome in ALWAYS else workflow.approval.get(outcome, "never")}
            for outcome in workflow.outcomes
        ],
        "bulk": workflow.approval.get("bulk", ""),
    }
