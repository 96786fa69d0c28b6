"""What does a machine see of cases? Lists, one case, and the verbs of the page: claim, release, skip, escalate."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from portal import clock
from portal.exact import valid
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.refusal import Refused

from . import actions, reading, schema
from .models import Case, Queue


def who(request: Request) -> User:
    """The person, or service, whose key this is: `@api_requires` lets nobody else in."""
    return cast(User, request.user)


def reason_in(request: Request) -> str:
    """The reason in a body of `{"reason"}`."""
    return str(valid(schema.ReasonIn(data=request.data))["reason"])


@extend_schema(summary="Queues this key may see", responses=schema.Queues, operation_id="queues_list", tags=["cases"])
@api_view(["GET"])
@api_requires(Permission.CASE_READ)
def queues(request: Request) -> Response:
    """Each queue with how many wait in it, counted up to 1,001."""
    seen = list(Queue.objects.visible_to(who(request)))
    waiting = reading.depths(seen)
    names = ("slug", "title", "lane", "role", "sla_minutes", "lease_minutes", "max_hold_minutes", "exposure")
    rows = [
        {name: getattr(queue, name) for name in names}
        | {"waiting": waiting[queue.pk], "claimable": queue.is_worked_by(who(request))}
        for queue in seen
    ]
    return Response({"results": rows, "next": None})


@extend_schema(
    summary="A page of cases",
    parameters=[
        OpenApiParameter("queue", str, description="Slug of a queue."),
        OpenApiParameter("state", str, enum=Case.Status.values, description="Without it: all open cases."),
        OpenApiParameter("account", str, description="`PLATFORM:ID`; then in every state unless one is named."),
        OpenApiParameter("order", str, enum=list(reading.KEYSETS)),
        OpenApiParameter("cursor", str, description="The `next` of the page before."),
    ],
    responses={200: schema.Cases, **{status: schema.REFUSED[status] for status in (400, 404)}},
    operation_id="cases_list",
    tags=["cases"],
)
@api_view(["GET"])
@api_requires(Permission.CASE_READ)
def cases(request: Request) -> Response:
    """Most urgent first unless asked otherwise; pages by an opaque cursor."""
    told = {name: request.query_params.get(name, "") for name in ("queue", "state", "order", "cursor")}
    if any("\x00" in value for value in told.values()):
        raise Refused("There is a character in this address that no name has.", status=400)
    return Response(reading.page(who(request), account=_account(request), **told))


@extend_schema(
    summary="One case",
    responses={200: schema.Detail, 404: schema.REFUSED[404]},
    operation_id="cases_retrieve",
    tags=["cases"],
)
@api_view(["GET"])
@api_requires(Permission.CASE_READ)
def case(request: Request, pk: int) -> Response:
    """With its reasons, evidence and history; personal values masked."""
    return Response(reading.detail(reading.seen(who(request), pk)))


@extend_schema(
    summary="Claim the next case of a queue",
    request=None,
    responses={
        200: schema.Row,
        204: OpenApiResponse(description="None waits."),
        404: schema.REFUSED[404],
        409: schema.REFUSED[409],
    },
    tags=["cases"],
)
@api_view(["POST"])
@api_requires(Permission.CASE_CLAIM)
def claim_next(request: Request, slug: str) -> Response:
    """The next-best case, claimed for this key's person."""
    queue = get_object_or_404(Queue.objects.visible_to(who(request)), slug=slug)
    found = actions.claim_next(by=who(request), now=clock.now(), queue=queue, limits=settings.API_LIMITS)
    return Response(reading.row(found)) if found else Response(status=204)


@extend_schema(summary="Claim a case", request=None, responses={200: schema.Row, **schema.REFUSED}, tags=["cases"])
@api_view(["POST"])
@api_requires(Permission.CASE_CLAIM)
def claim(request: Request, pk: int) -> Response:
    """Take this case, if nobody holds it."""
    return Response(
        reading.row(
            actions.claim(reading.seen(who(request), pk), by=who(request), now=clock.now(), limits=settings.API_LIMITS)
        )
    )


@extend_schema(summary="Give a case back", request=None, responses={200: schema.Row, **schema.REFUSED}, tags=["cases"])
@api_view(["POST"])
@api_requires(Permission.CASE_CLAIM)
def release(request: Request, pk: int) -> Response:
    """Back to its queue; a draft stays."""
    found = reading.seen(who(request), pk)
    actions.release(found, by=who(request), now=clock.now())
    return Response(reading.row(found))


@extend_schema(
    summary="Pass a case on", request=schema.ReasonIn, responses={200: schema.Row, **schema.REFUSED}, tags=["cases"]
)
@api_view(["POST"])
@api_requires(Permission.CASE_CLAIM)
def skip(request: Request, pk: int) -> Response:
    """It does not come back to this person today."""
    found = reading.seen(who(request), pk)
    actions.skip(found, by=who(request), now=clock.now(), reason=reason_in(request))
    return Response(reading.row(found))


@extend_schema(
    summary="Escalate a case", request=schema.ReasonIn, responses={200: schema.Row, **schema.REFUSED}, tags=["cases"]
)
@api_view(["POST"])
@api_requires(Permission.CASE_CLAIM)
def escalate(request: Request, pk: int) -> Response:
    """To people who know more."""
    found = reading.seen(who(request), pk)
    actions.escalate(found, by=who(request), now=clock.now(), reason=reason_in(request))
    return Response(reading.row(found))


def _account(request: Request) -> tuple[str, str] | None:
    told = request.query_params.get("account", "")
    if not told:
        return None
    platform, colon, identity = told.partition(":")
    if not colon or "\x00" in told:
        raise Refused("Name the account as PLATFORM:ID.", status=400)
    return platform, identity
