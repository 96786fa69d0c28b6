"""What may programs know of accounts? `GET /api/v1/accounts` by score, and the card of one."""

from __future__ import annotations

from typing import Any, cast

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from portal import clock, cursor
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.problem import problem
from risk.intake.models import Account

from . import actions, reading


def who(request: Request) -> User:
    """The person, or service, whose key this is: `@api_requires` lets nobody else in."""
    return cast(User, request.user)


class ReasonSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    title = serializers.CharField()
    group = serializers.CharField()
    points = serializers.IntegerField(help_text="after decay and cap; the rows of a score add up to its raw")
    before_cap = serializers.IntegerField()
    detail = serializers.DictField()


class ScoreSerializer(serializers.Serializer[Any]):
    risk_type = serializers.CharField()
    raw = serializers.IntegerField(help_text="the signed sum of the reasons")
    score = serializers.IntegerField(help_text="raw cut to 0–100")
    band = serializers.CharField()
    calibrated = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField()
    strategy = serializers.CharField(allow_null=True)
    model = serializers.CharField(required=False, help_text="whose verdict it is, where it was made elsewhere")
    reasons = ReasonSerializer(many=True)
    not_evaluated = serializers.DictField(
        child=serializers.CharField(), help_text="rules that missed a feature, and which"
    )


class LinkedSerializer(serializers.Serializer[Any]):
    platform = serializers.CharField()
    id = serializers.CharField()
    handle = serializers.CharField(allow_blank=True)
    kinds = serializers.ListField(child=serializers.CharField())
    last_at = serializers.DateTimeField()
    standing = serializers.CharField(allow_null=True)


class CaseOfCardSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    lane = serializers.CharField()
    state = serializers.CharField()
    queue = serializers.CharField()
    version = serializers.IntegerField()


class CardSerializer(serializers.Serializer[Any]):
    platform = serializers.CharField()
    id = serializers.CharField()
    handle = serializers.CharField(allow_blank=True, help_text="masked")
    country = serializers.CharField(allow_blank=True)
    lang = serializers.CharField(allow_blank=True)
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    scores = ScoreSerializer(many=True)
    headline = serializers.FloatField(help_text="severity × score of the worst type")
    headline_type = serializers.CharField(allow_blank=True)
    strikes = serializers.IntegerField()
    labels = serializers.ListField(child=serializers.DictField())
    links = LinkedSerializer(many=True)
    cases = CaseOfCardSerializer(many=True)
    decisions = serializers.ListField(child=serializers.DictField())
    enforcements = serializers.ListField(child=serializers.DictField())


class AccountRowSerializer(serializers.Serializer[Any]):
    platform = serializers.CharField()
    id = serializers.CharField()
    risk_type = serializers.CharField()
    raw = serializers.IntegerField()
    score = serializers.IntegerField()


class AccountsSerializer(serializers.Serializer[Any]):
    results = AccountRowSerializer(many=True)
    next = serializers.CharField(allow_null=True)


@extend_schema(
    summary="Accounts by score",
    operation_id="accounts_list",
    description=(
        "Highest points first. Without `risk_type` every type this key may know of; "
        "an account may then stand in several rows."
    ),
    parameters=[
        OpenApiParameter("platform", OpenApiTypes.STR),
        OpenApiParameter("risk_type", OpenApiTypes.STR),
        OpenApiParameter(
            "min_score", OpenApiTypes.INT, description="0 to 100; without it also those whose points are below zero"
        ),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="`next` of the page before"),
    ],
    responses={200: AccountsSerializer, 400: OpenApiResponse(description="A parameter is not what it should be.")},
)
@api_view(["GET"])
@api_requires(Permission.ACCOUNT_READ)
def accounts(request: Request) -> Response:
    """A page of accounts by score."""
    told = request.query_params
    if any("\x00" in str(value) for value in told.values()):
        return problem(400, "A NUL character cannot stand in a parameter.")
    least = told.get("min_score", "").strip()
    if least and not (least.isascii() and least.isdigit() and int(least[:9]) <= 100):
        return problem(400, "min_score is a whole number from 0 to 100.")
    after = cursor.decode(told["cursor"], int, int) if told.get("cursor") else None
    if after is not None and max(abs(part) for part in after) >= 2**31:
        return problem(400, "This page mark is not one of ours; start again from the first page.")
    types = reading.types_of(who(request).lanes)
    if wanted := told.get("risk_type"):
        types = [name for name in types if name == wanted]
    rows = reading.by_score(
        risk_types=types,
        platform=told.get("platform", ""),
        min_score=int(least or 0),
        after=after,
        size=reading.PAGE + 1,
    )
    shown, more = rows[: reading.PAGE], len(rows) > reading.PAGE
    results = [
        {
            "platform": row["platform"],
            "id": row["external_id"],
            "risk_type": row["risk_type"],
            "raw": row["raw"],
            "score": row["shown"],
        }
        for row in shown
    ]
    return Response({"results": results, "next": cursor.encode(shown[-1]["raw"], shown[-1]["pk"]) if more else None})


@extend_schema(
    summary="The card of one account",
    description="What we think of an account and why, masked. Lanes that this key may not know of do not exist in it.",
    responses={200: CardSerializer, 404: OpenApiResponse(description="No such account.")},
)
@api_view(["GET"])
@api_requires(Permission.ACCOUNT_READ)
def account(request: Request, platform: str, external_id: str) -> Response:
    """The card of one account."""
    if "\x00" in platform + external_id:
        raise Http404
    found = Account.objects.filter(platform=platform, external_id=external_id).first()
    if found is None:
        raise Http404
    now = clock.now()
    actions.look(found, by=who(request), now=now)
    empty: dict[str, Any] = {"cases": [], "decisions": [], "enforcements": []}
    return Response(empty | reading.card(found, lanes=who(request).lanes, now=now))
