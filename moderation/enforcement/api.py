"""What does a machine see of actions? Each with its attempts; and a lead's second try."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from portal import clock
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.refusal import Refused

from . import actions, reading, schema
from .models import Enforcement

MALFORMED = OpenApiResponse(schema.ActionProblem, "Malformed.")
UNSEEN = OpenApiResponse(schema.ActionProblem, "Nothing this key may see.")
STANDS = OpenApiResponse(
    schema.ActionProblem, "Only a stopped or unsure action is sent again; `state` is the current one."
)


@extend_schema(
    summary="A page of actions",
    parameters=[
        OpenApiParameter("state", str, enum=Enforcement.Status.values),
        OpenApiParameter("account", str, description="`PLATFORM:ID`."),
        OpenApiParameter("decision", UUID),
        OpenApiParameter("cursor", str, description="The `next` of the page before."),
    ],
    responses={200: schema.Actions, 400: MALFORMED},
    operation_id="enforcements_list",
    tags=["enforcements"],
)
@api_view(["GET"])
@api_requires(Permission.ENFORCEMENT_READ, Permission.CASE_READ)
def enforcements(request: Request) -> Response:
    """Newest first."""
    asked = request.query_params
    if any("\x00" in value for value in asked.values()):
        raise Refused("There is a character in this address that no name has.", status=400)
    state = asked.get("state", "")
    if state and state not in Enforcement.Status.values:
        raise Refused(f"There is no state {state}; there are {', '.join(Enforcement.Status.values)}.", status=400)
    found = reading.chosen(_who(request), state=state, account=_account(request), decision=_decision(request))
    return Response(reading.page(found, after=asked.get("cursor", "")))


@extend_schema(
    summary="Send a stopped action again",
    request=None,
    responses={200: schema.Action, 404: UNSEEN, 409: STANDS},
    operation_id="enforcements_retry",
    tags=["enforcements"],
)
@api_view(["POST"])
@api_requires(Permission.ENFORCEMENT_RETRY)
def retry(request: Request, pk: UUID) -> Response:
    """Under the same key, so that what happened already does not happen twice."""
    found = get_object_or_404(Enforcement.objects.visible_to(_who(request)), pk=pk)
    actions.retry(found, by=_who(request), now=clock.now())
    return Response(reading.one(found))


def _who(request: Request) -> User:
    return cast(User, request.user)


def _account(request: Request) -> tuple[str, str] | None:
    told = request.query_params.get("account", "")
    platform, colon, identity = told.partition(":")
    if told and not (platform and colon and identity):
        raise Refused("Name the account as PLATFORM:ID.", status=400)
    return (platform, identity) if told else None


def _decision(request: Request) -> UUID | None:
    told = request.query_params.get("decision", "")
    try:
        return UUID(told) if told else None
    except ValueError:
        raise Refused("Name the decision by its id.", status=400) from None
