"""What does a machine see of decisions? Make one, take it back, agree to it, reverse it; the policies they rest on."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.cases import reading
from moderation.cases.models import Workflow
from moderation.cases.schema import REFUSED, Problem
from portal import clock
from portal.exact import valid
from portal.people.models import User
from portal.people.permissions import Permission, api_requires

from . import actions, request_key, schema
from .models import Decision, Policy, ReasonCode


def who(request: Request) -> User:
    """The person, or service, whose key this is: `@api_requires` lets nobody else in."""
    return cast(User, request.user)


@extend_schema(summary="Policies in force", responses=schema.Policies, operation_id="policies_list", tags=["decisions"])
@api_view(["GET"])
@api_requires(Permission.CASE_READ, Permission.SETTINGS_READ)
def policies(request: Request) -> Response:
    """With the reason codes and workflows they are used with; those of lanes this key does not have are left out."""
    flows = [
        flow
        for flow in Workflow.objects.order_by("risk_type")
        if flow.risk_type != "underage" or "minors" in who(request).lanes
    ]
    types = {"any", *(flow.risk_type for flow in flows)}
    codes = [code for code in ReasonCode.objects.all() if code.workflow in types]
    implied: dict[str, list[str]] = {}
    for code in codes:
        implied.setdefault(code.policy, []).append(code.code)
    names = ("code", "version", "title", "text", "public", "strikes")
    rows = [
        {name: getattr(policy, name) for name in names} | {"reason_codes": implied.get(policy.code, [])}
        for policy in Policy.objects.filter(in_force=True)
    ]
    of_code = ("code", "workflow", "key", "text", "policy", "label", "note")
    of_flow = ("risk_type", "outcomes", "approval", "ask")
    return Response(
        {
            "results": rows,
            "reason_codes": [{name: getattr(code, name) for name in of_code} for code in codes],
            "workflows": [{name: getattr(flow, name) for name in of_flow} for flow in flows],
            "next": None,
        }
    )


@extend_schema(
    summary="Decide a case",
    request=schema.DecisionIn,
    parameters=[request_key.HEADER],
    responses={201: schema.DecisionOut, **REFUSED, 422: OpenApiResponse(Problem, "The same key with another body.")},
    tags=["decisions"],
)
@api_view(["POST"])
@api_requires(Permission.DECISION_MAKE)
def decide(request: Request, pk: int) -> Response:
    """Needs one's own claim. Proposed where somebody must agree, else held for the undo window, then released."""
    case = reading.seen(who(request), pk)
    key = request_key.read(request, each="decision")
    said = valid(schema.DecisionIn(data=request.data))
    word: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    decision = actions.decide(
        case,
        by=who(request),
        now=clock.now(),
        request_key=key,
        limits=settings.API_LIMITS,
        **word,
    )
    return Response(_out(decision), status=201)


@extend_schema(
    summary="Take a decision back", request=None, responses={200: schema.DecisionOut, **REFUSED}, tags=["decisions"]
)
@api_view(["POST"])
@api_requires(Permission.DECISION_MAKE)
def undo(request: Request, pk: str) -> Response:
    """Within its window: the case returns to its claimer."""
    return Response(_out(actions.undo(_seen(request, pk), by=who(request), now=clock.now())))


@extend_schema(
    summary="Agree to a proposal, or decline it",
    request=schema.ApprovalIn,
    responses={200: schema.DecisionOut, **REFUSED},
    tags=["decisions"],
)
@api_view(["POST"])
@api_requires(Permission.DECISION_APPROVE, Permission.DECISION_MAKE)
def approval(request: Request, pk: str) -> Response:
    """Never by its author."""
    decision = _seen(request, pk)
    # Its author hears "not your own" (409); whoever else may not approve hears which permission is missing (403).
    if decision.made_by_id != who(request).pk and not who(request).may(Permission.DECISION_APPROVE):
        raise PermissionDenied(
            f"This needs the permission {Permission.DECISION_APPROVE}, which this key does not have."
        )
    said = valid(schema.ApprovalIn(data=request.data))
    verb = actions.approve if said["verdict"] == "approve" else actions.decline
    return Response(_out(verb(decision, by=who(request), now=clock.now(), reason=said.get("reason") or "")))


@extend_schema(
    summary="Reverse a decision in force",
    request=schema.ReversalIn,
    responses={201: schema.DecisionOut, **REFUSED},
    tags=["decisions"],
)
@api_view(["POST"])
@api_requires(Permission.DECISION_REVERSE)
def reversal(request: Request, pk: str) -> Response:
    """Undoes what it did; a decision of its own, linked to the first."""
    decision, said = _seen(request, pk), valid(schema.ReversalIn(data=request.data))
    word = {"reason_code": said["reason_code"], "note": said.get("note") or ""}
    made = actions.reverse(decision, by=who(request), now=clock.now(), **word)
    return Response(_out(made), status=201)


def _seen(request: Request, pk: str) -> Decision:
    """The decision, if this key may know of its case, or made it."""
    parts = Decision.objects.select_related(
        "case__queue", "account", "policy", "reason_code", "queue", "made_by", "reverses"
    )
    seen = Decision.objects.visible_to(who(request)).values("pk")
    own = Decision.objects.filter(made_by=who(request), case__lane__in=who(request).lanes).values("pk")
    return get_object_or_404(parts.filter(pk__in=seen.union(own)), pk=pk)


def _out(decision: Decision) -> dict[str, Any]:
    ordered = actions.ordered_by(decision) if decision.released_at else []
    return {
        "id": str(decision.pk),
        "state": decision.status,
        "case": str(decision.case_id),
        "outcome": decision.outcome,
        "case_state": decision.case.status,
        "case_version": decision.case.version,
        "release_at": decision.release_at,
        "approval_why": decision.approval_why,
        "reverses": str(decision.reverses_id) if decision.reverses_id else None,
        "enforcements": [{"id": str(action.pk), "kind": action.kind, "state": action.status} for action in ordered],
    }
