"""What does a machine see of exports? Ask, look, cancel, fetch: the same as on the page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from portal import clock
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.refusal import Refused

from . import actions, custody, exports
from .models import Export

_STATE = serializers.ChoiceField(choices=Export.Status.choices)
ASKED = inline_serializer("ExportAsked", {"id": serializers.UUIDField(), "state": _STATE})
SHOWN = inline_serializer(
    "Export",
    {
        "id": serializers.UUIDField(),
        "state": serializers.ChoiceField(choices=Export.Status.choices),
        "done": serializers.IntegerField(),
        "total": serializers.IntegerField(allow_null=True),
        "sha256": serializers.CharField(allow_null=True),
        "detail": serializers.CharField(),
    },
)
REQUEST = inline_serializer(
    "ExportRequest",
    {
        "format": serializers.ListField(
            child=serializers.ChoiceField(choices=list(exports.FORMATS)),
            required=False,
            help_text="copies beside the events, which are always in as jsonl",
        ),
        "purpose": serializers.CharField(max_length=500),
        "from": serializers.CharField(required=False, help_text="a day or a moment; times are not proven"),
        "to": serializers.CharField(required=False),
        "account": serializers.CharField(required=False, help_text="platform:id"),
        "case": serializers.CharField(required=False),
        "actor": serializers.CharField(required=False, help_text="a user name: a reviewer, a lead, a service"),
        "policy": serializers.CharField(required=False),
        "type": serializers.CharField(required=False, help_text="an event such as case.claimed, or its first word"),
    },
)
PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="A problem document (RFC 9457).")


@extend_schema(
    summary="Ask for an export",
    tags=["exports"],
    request=REQUEST,
    responses={202: ASKED, (400, "application/problem+json"): PROBLEM, (409, "application/problem+json"): PROBLEM},
)
@api_view(["POST"])
@api_requires(Permission.EXPORT_MAKE)
def ask(request: Request) -> Response:
    """Ask for the history of actions; a worker makes it, as one bundle that proves itself."""
    if not isinstance(request.data, dict):
        raise Refused("The body is one JSON object.", status=400)
    user: User = request.user  # type: ignore[assignment]
    asked = exports.asked(request.data, wanted_by=user)
    export = actions.request_export(
        asked.chosen, formats=asked.formats, purpose=asked.purpose, by=user, now=clock.now()
    )
    return Response({"id": str(export.pk), "state": export.status}, status=202)


@extend_schema(
    summary="How far an export is", tags=["exports"], responses={200: SHOWN, (404, "application/problem+json"): PROBLEM}
)
@api_view(["GET"])
@api_requires(Permission.EXPORT_MAKE)
def look(request: Request, pk: UUID) -> Response:
    """How far an export is."""
    return Response(_said(_own(request, pk)))


@extend_schema(
    summary="Stop an export",
    tags=["exports"],
    request=None,
    responses={200: SHOWN, (404, "application/problem+json"): PROBLEM, (409, "application/problem+json"): PROBLEM},
)
@api_view(["POST"])
@api_requires(Permission.EXPORT_MAKE)
def cancel(request: Request, pk: UUID) -> Response:
    """Stop an export that is not done."""
    export = _own(request, pk)
    actions.cancel_export(export, by=export.asked_by, now=clock.now())
    export.refresh_from_db()
    return Response(_said(export))


@extend_schema(
    summary="The file of an export",
    tags=["exports"],
    responses={
        (200, "application/zip"): OpenApiTypes.BINARY,
        (404, "application/problem+json"): PROBLEM,
        (409, "application/problem+json"): PROBLEM,
    },
)
@api_view(["GET"])
@api_requires(Permission.EXPORT_MAKE)
def fetch(request: Request, pk: UUID) -> FileResponse:
    """The bundle: one zip with the events, the proof that none was changed or left out, and `verify.py`."""
    return custody.file_of(_own(request, pk), now=clock.now(), road="call")


def _own(request: Request, pk: UUID) -> Export:
    return get_object_or_404(Export.objects.select_related("asked_by").filter(asked_by=request.user.pk), pk=pk)


def _said(export: Export) -> dict[str, Any]:
    return {
        "id": str(export.pk),
        "state": export.status,
        "done": export.done,
        "total": export.total,
        "sha256": export.sha256 or None,
        "detail": export.detail,
    }
