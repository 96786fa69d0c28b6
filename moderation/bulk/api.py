"""What does a machine see of group decisions? Preview, propose, agree, let go on, stop, undo, and each account."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.cases.schema import REFUSED, Problem
from moderation.decisions import request_key
from portal import clock
from portal.cursor import decode, encode
from portal.exact import valid
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.refusal import Refused

from . import actions, choosing, reading, reporting, schema
from .models import Bulk, BulkItem

PAGE = 20
CURSOR = OpenApiParameter("cursor", str, description="The `next` of the page before.")


def who(request: Request) -> User:
    """The person, or service, whose key this is: `@api_requires` lets nobody else in."""
    return cast(User, request.user)


@extend_schema(
    summary="What a decision on these would do", request=schema.WhomIn,
    responses={200: schema.PreviewOut, **REFUSED}, operation_id="bulks_preview", tags=["bulk"],
)  # fmt: skip
@api_view(["POST"])
@api_requires(Permission.DECISION_BULK)
def preview(request: Request) -> Response:
    """How many, who is left out and why, and a sample that nobody chooses. The log tells of it."""
    said = valid(schema.WhomIn(data=request.data))
    chosen = _chosen(said)
    seen = actions.look(chosen.ids, by=who(request), now=clock.now(), risk_type=said["risk_type"], chosen=chosen.how)
    out = dict(seen.reasons)
    if chosen.unknown:
        out[reading.UNKNOWN] = out.get(reading.UNKNOWN, 0) + chosen.unknown
    return Response(
        {
            "accounts": len(seen.accounts), "left_out": out, "below_review": seen.below, "cut": chosen.cut,
            "digest": seen.digest.hex(),
            "sample": [
                {"account": f"{row.platform}:{row.external_id}", "score": row.score}
                for row in reading.sampled(seen.sample, risk_type=said["risk_type"])
            ],
        }
    )  # fmt: skip


@extend_schema(
    methods=["GET"], summary="Group decisions, the newest first", parameters=[CURSOR],
    responses={200: schema.Bulks, **REFUSED}, operation_id="bulks_list", tags=["bulk"],
)  # fmt: skip
@extend_schema(
    methods=["POST"], summary="Propose one decision on many accounts", parameters=[request_key.HEADER],
    request=schema.ProposalIn,
    responses={201: schema.BulkOut, **REFUSED, 422: OpenApiResponse(Problem, "The same key with another body.")},
    operation_id="bulks_propose", tags=["bulk"],
)  # fmt: skip
@api_view(["GET", "POST"])
@api_requires(Permission.DECISION_BULK)
def bulks(request: Request) -> Response:
    """A proposal decides on nobody until another lead agrees."""
    if request.method == "POST":
        return _propose(request)
    found = reading.newest(
        after=decode(mark, datetime, UUID) if (mark := request.query_params.get("cursor", "")) else None
    )
    rows = list(found[: PAGE + 1])
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    following = encode(last.made_at, last.pk) if last else None
    return Response({"results": [_out(bulk) for bulk in rows[:PAGE]], "next": following})


def _propose(request: Request) -> Response:
    key = request_key.read(request, each="proposal")
    said = valid(schema.ProposalIn(data=request.data))
    chosen = _chosen(said)
    words = ("risk_type", "outcome", "reason_code", "note", "policy", "until", "scope", "although", "digest")
    bulk = actions.propose(
        chosen.ids, by=who(request), now=clock.now(), typed=said["count"], chosen=chosen.how, unknown=chosen.unknown,
        request_key=key,
        **{name: said[name] for name in words if name in said},
    )  # fmt: skip
    return Response(_out(bulk), status=201)


@extend_schema(
    summary="One group decision", responses={200: schema.BulkOut, **REFUSED}, operation_id="bulks_read", tags=["bulk"]
)
@api_view(["GET"])
@api_requires(Permission.DECISION_BULK)
def bulk(request: Request, pk: str) -> Response:
    """How it stands, with its accounts and its actions counted by state."""
    return Response(_out(_found(pk)))


@extend_schema(
    summary="Its accounts in order", responses={200: schema.Items, **REFUSED}, operation_id="bulks_items",
    parameters=[CURSOR, OpenApiParameter("state", str, enum=BulkItem.Status.values)], tags=["bulk"],
)  # fmt: skip
@api_view(["GET"])
@api_requires(Permission.DECISION_BULK)
def items(request: Request, pk: str) -> Response:
    """Each with its state, why, its decision, and how its measure stands."""
    state = request.query_params.get("state", "")
    if state and state not in BulkItem.Status.values:
        raise Refused(f"There is no such state; there are {', '.join(BulkItem.Status.values)}.", status=400)
    rows, following = reporting.page(_found(pk), state=state, after=request.query_params.get("cursor", ""), size=200)
    return Response({"results": [row.told for row in rows], "next": following or None})


@extend_schema(
    summary="Agree to it, decline it or take it back", request=schema.AnswerIn,
    responses={200: schema.BulkOut, **REFUSED}, operation_id="bulks_approval", tags=["bulk"],
)  # fmt: skip
@api_view(["POST"])
@api_requires(Permission.DECISION_BULK)
def approval(request: Request, pk: str) -> Response:
    """Another lead's word: it begins, and pauses after the first 50."""
    found, by, now = _found(pk), who(request), clock.now()
    said = valid(schema.AnswerIn(data=request.data))
    if said["verdict"] == "approve":
        return Response(_out(actions.approve(found, by=by, now=now)))
    return Response(_out(actions.decline(found, by=by, now=now, reason=said.get("reason", ""))))


@extend_schema(
    summary="Let it go on", request=None, responses={200: schema.BulkOut, **REFUSED}, operation_id="bulks_go_on",
    tags=["bulk"],
)  # fmt: skip
@api_view(["POST"])
@api_requires(Permission.DECISION_BULK)
def go_on(request: Request, pk: str) -> Response:
    """After the first 50, or after it was stopped."""
    return Response(_out(actions.go_on(_found(pk), by=who(request), now=clock.now())))


@extend_schema(
    summary="Stop it",
    request=None,
    responses={200: schema.BulkOut, **REFUSED},
    operation_id="bulks_stop",
    tags=["bulk"],
)
@api_view(["POST"])
@api_requires(Permission.DECISION_BULK)
def stop(request: Request, pk: str) -> Response:
    """No further account is decided on once this has answered."""
    return Response(_out(actions.stop(_found(pk), by=who(request), now=clock.now())))


@extend_schema(
    summary="Undo it as one", request=schema.UndoIn, responses={200: schema.BulkOut, **REFUSED},
    operation_id="bulks_undo", tags=["bulk"],
)  # fmt: skip
@api_view(["POST"])
@api_requires(Permission.DECISION_BULK)
def undo(request: Request, pk: str) -> Response:
    """Account by account; whoever was decided on again since is kept and named."""
    found, code = _found(pk), valid(schema.UndoIn(data=request.data))["reason_code"]
    return Response(_out(actions.undo(found, by=who(request), now=clock.now(), reason_code=code)))


def _found(pk: str) -> Bulk:
    return get_object_or_404(reading.whole(), pk=pk)


def _chosen(said: dict[str, Any]) -> choosing.Chosen:
    if ("filter" in said) == ("accounts" in said):
        raise Refused("Say whom: either a filter or accounts.", status=400)
    if "filter" in said:
        return choosing.by_filter(choosing.filter_in(said["filter"]), risk_type=said["risk_type"])
    return choosing.by_names([(name.partition(":")[0], name.partition(":")[2]) for name in said["accounts"]])


def _out(bulk: Bulk) -> dict[str, Any]:
    return {
        "id": str(bulk.pk), "state": bulk.status, "why": bulk.why, "risk_type": bulk.risk_type,
        "outcome": bulk.outcome, "reason_code": bulk.reason_code.code,
        "policy": bulk.policy.code if bulk.policy else None, "until": bulk.until, "scope": bulk.scope,
        "accounts": bulk.accounts, "digest": bytes(bulk.digest).hex(), "chosen": bulk.chosen,
        "made_by": bulk.made_by.username, "made_at": bulk.made_at,
        "approved_by": bulk.approved_by.username if bulk.approved_by else None,
        "undone_by": bulk.undone_by.username if bulk.undone_by else None,
        "counts": reporting.counts(bulk), "measures": reporting.measures(bulk),
    }  # fmt: skip
