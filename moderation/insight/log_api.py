"""What does a machine see of the sealed log? The newest checkpoint, events in their order, the proof of one of them."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from portal.audit import sealing, tree, witnessing
from portal.audit.models import AuditEvent, Checkpoint, Cosignature
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.refusal import Refused

from . import history

PAGE = 200
PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="A problem document (RFC 9457).")
_FIELDS: dict[str, Any] = {
    "index": serializers.IntegerField(help_text="the place in the tree, from 0"),
    "event": serializers.UUIDField(),
    "leaf": serializers.CharField(help_text="base64 of the bytes that were hashed"),
    "payload": serializers.CharField(help_text="base64 of the canonical bytes of the event"),
    "type": serializers.CharField(),
    "at": serializers.DateTimeField(help_text="when it was written, by the database's clock"),
    "by": serializers.CharField(),
    "of": serializers.ListField(child=serializers.CharField()),
    "facts": serializers.DictField(),
}
EVENTS = inline_serializer(
    "SealedEvents",
    {
        "results": inline_serializer("SealedEvent", _FIELDS, many=True),
        "next": serializers.IntegerField(allow_null=True, help_text="give it as `after`; null: that is all for now"),
    },
)
PROOF = inline_serializer(
    "InclusionProof",
    {
        "index": serializers.IntegerField(),
        "size": serializers.IntegerField(help_text="leaves in the checkpoint"),
        "leaf": serializers.CharField(help_text="base64 of the bytes that were hashed"),
        "proof": serializers.ListField(child=serializers.CharField(), help_text="base64 hashes, leaf to root"),
        "checkpoint": serializers.CharField(),
    },
)


@extend_schema(
    summary="The newest signed checkpoint",
    tags=["audit"],
    parameters=[OpenApiParameter("witnesses", int, description="the newest that so many witnesses signed")],
    responses={
        (200, "text/plain"): OpenApiTypes.STR,
        (400, "application/problem+json"): PROBLEM,
        (404, "application/problem+json"): PROBLEM,
    },
)
@api_view(["GET"])
@api_requires(Permission.AUDIT_READ)
def checkpoint(request: Request) -> HttpResponse:
    """Size and root of the log, signed (C2SP tlog-checkpoint), with the lines of its witnesses under it."""
    need = request.query_params.get("witnesses", "0")
    if not re.fullmatch(r"[0-9]{1,2}", need):
        raise Refused("witnesses: give a number.", status=400)
    return HttpResponse(witnessing.published(_newest(int(need))), content_type="text/plain; charset=utf-8")


@extend_schema(
    summary="Sealed events in order",
    tags=["audit"],
    parameters=[
        OpenApiParameter("after", int, description="the index of the last one seen"),
        OpenApiParameter("of", str, description="case:ID or account:PLATFORM:ID"),
        OpenApiParameter("by", str, description="a user name"),
        OpenApiParameter("type", str, description="an event such as case.claimed, or its first word"),
    ],
    responses={200: EVENTS, (400, "application/problem+json"): PROBLEM},
)
@api_view(["GET"])
@api_requires(Permission.AUDIT_READ)
def events(request: Request) -> Response:
    """Events that have their place in the tree, by index, as far as this key may know of them."""
    user: User = request.user  # type: ignore[assignment]
    given = request.query_params
    if not re.fullmatch(r"-?[0-9]{1,18}", after := given.get("after", "-1")):
        raise Refused("after: give the index of a leaf, a number from 0.", status=400)
    asked = {"actor": given.get("by"), "type": given.get("type"), **_about(given.get("of", ""))}
    found = history.read(asked, wanted_by=user).events(user).filter(leaf__index__gt=int(after))
    fields = ("leaf__index", "leaf__leaf", "id", "type", "occurred_at", "by", "subjects", "payload")
    rows = list(found.order_by("leaf__index").values_list(*fields)[: PAGE + 1])
    results = [
        {
            "index": index,
            "event": str(pk),
            "leaf": _base64(leaf),
            "payload": _base64(payload),
            "type": kind,
            "at": at,
            "by": by,
            "of": of,
            "facts": json.loads(bytes(payload))["facts"],
        }
        for index, leaf, pk, kind, at, by, of, payload in rows[:PAGE]
    ]
    return Response({"results": results, "next": results[-1]["index"] if len(rows) > PAGE else None})


@extend_schema(
    summary="The inclusion proof of an event",
    tags=["audit"],
    parameters=[OpenApiParameter("event", UUID, required=True)],
    responses={200: PROOF, (404, "application/problem+json"): PROBLEM, (409, "application/problem+json"): PROBLEM},
)
@api_view(["GET"])
@api_requires(Permission.AUDIT_READ)
def proof(request: Request) -> Response:
    """That an event stands in the newest checkpoint (RFC 9162, 2.1.3)."""
    user: User = request.user  # type: ignore[assignment]
    try:
        wanted = UUID(request.query_params.get("event", ""))
    except ValueError:
        raise Refused("event: give the id of an event.", status=400) from None
    visible = history.LogFilter({}).events(user)
    event: AuditEvent = get_object_or_404(visible.select_related("leaf"), pk=wanted)
    newest = _newest()
    leaf = getattr(event, "leaf", None)
    if leaf is None or leaf.index >= newest.size:
        raise Refused("This event is not in a signed checkpoint yet; ask again in a second.", state="waiting")
    hashes = tree.inclusion(leaf.index, newest.size, sealing.reader())
    return Response(
        {
            "index": leaf.index,
            "size": newest.size,
            "leaf": _base64(leaf.leaf),
            "proof": [_base64(one) for one in hashes],
            "checkpoint": witnessing.published(newest),
        }
    )


def _newest(witnesses: int = 0) -> Checkpoint:
    found = Checkpoint.objects.order_by("-size")
    if witnesses:
        enough = Cosignature.objects.values("size").annotate(n=Count("witness")).filter(n__gte=witnesses)
        found = found.filter(size__in=enough.order_by("-size").values("size")[:1])
    return get_object_or_404(found[:1])


def _about(of: str) -> dict[str, str]:
    """`case:ID` or `account:PLATFORM:ID` as the filter of the log knows them."""
    if not of:
        return {}
    kind, _, rest = of.partition(":")
    if kind not in ("case", "account") or not rest:
        raise Refused("of: give case:ID or account:PLATFORM:ID.", status=400)
    return {kind: rest}


def _base64(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode()
