"""What do programs tell us? `POST /api/v1/signals`: one, an array or lines; each is taken or refused by itself."""

from __future__ import annotations

import json
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import api_view, parser_classes
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from portal import clock
from portal.people.models import User
from portal.people.permissions import Permission, api_requires
from portal.problem import problem

from . import actions
from .bulk import parse
from .schema import MAX_BYTES

MOST, LARGEST = 10_000, 16 * 1024 * 1024
LINES = "application/x-ndjson"


class Unparsed(BaseParser):
    """Leaves the body alone: it is read line by line or element by element, so that one bad signal costs no other."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:  # pragma: no cover
        return None


class RejectedSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="the place in the delivery, from 0")
    path = serializers.CharField(help_text="the JSON path of what is wrong")
    reason = serializers.CharField()


class ReceiptSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedSerializer(many=True)


class LinkSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["device", "phone", "email", "payment", "payout", "ip"])
    value = serializers.CharField(max_length=512)


class VerdictSerializer(serializers.Serializer[Any]):
    risk_type = serializers.CharField(max_length=32)
    score = serializers.FloatField(min_value=0, max_value=100)
    model = serializers.CharField(max_length=64)


class AccountPartSerializer(serializers.Serializer[Any]):
    platform = serializers.CharField(max_length=64)
    id = serializers.CharField(max_length=128)
    attributes = serializers.DictField(required=False)


SignalSerializer = inline_serializer(
    "Signal",
    {
        "source": serializers.CharField(max_length=64),
        "external_id": serializers.CharField(max_length=128),
        "kind": serializers.CharField(max_length=64),
        "occurred_at": serializers.DateTimeField(),
        "account": AccountPartSerializer(),
        "data": serializers.DictField(required=False),
        "links": LinkSerializer(many=True, required=False),
        "scores": VerdictSerializer(many=True, required=False),
    },
    many=True,
)


@extend_schema(
    summary="Tell us signals",
    description=(
        "One signal, an array, or one per line as `application/x-ndjson`; up to 10,000 signals or 16 MiB. "
        "Each is taken or refused by itself. The same (source, external_id) again is a duplicate, not an error."
    ),
    request={"application/json": SignalSerializer, LINES: OpenApiTypes.STR},
    responses={
        200: ReceiptSerializer,
        400: OpenApiResponse(description="The body itself cannot be read."),
        413: OpenApiResponse(description="More than 10,000 signals or 16 MiB."),
    },
    examples=[
        OpenApiExample(
            "A report",
            request_only=True,
            value={
                "source": "app-reports",
                "external_id": "r-829113",
                "kind": "user_report",
                "occurred_at": "2026-11-20T09:14:03Z",
                "account": {"platform": "main", "id": "48211"},
                "data": {"reason": "spam", "reporter": "9920"},
            },
        )
    ],
)
@api_view(["POST"])
@parser_classes([Unparsed])
@api_requires(Permission.SIGNAL_WRITE)
def signals(request: Request) -> Response:
    """Take a delivery."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        body = request._request.body if length <= LARGEST else b""
    except RequestDataTooBig:
        length = LARGEST + 1
    if length > LARGEST or len(body) > LARGEST:
        return problem(413, "A delivery has at most 16 MiB; send it in parts.")
    media = (request.content_type or "").partition(";")[0].strip().lower()
    try:
        raw, sizes = _of_lines(body) if media == LINES else _of_json(body)
    except ValueError as error:
        return problem(400, str(error))
    if len(raw) > MOST:
        return problem(413, f"A delivery has at most {MOST:,} signals; this one has {len(raw):,}. Send it in parts.")
    receipt = actions.ingest(raw, by=cast(User, request.user), now=clock.now(), door="api", sizes=sizes)
    return Response(
        {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "rejected": [{"index": bad.index, "path": bad.path, "reason": bad.reason} for bad in receipt.rejected],
        }
    )


def _of_lines(body: bytes) -> tuple[list[Any], list[int]]:
    lines = [line for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    return [parse(line) if len(line) <= MAX_BYTES else {} for line in lines[: MOST + 1]], [
        len(line) for line in lines[: MOST + 1]
    ]


def _of_json(body: bytes) -> tuple[list[Any], list[int] | None]:
    """The elements of an array, or the one object. Raises `ValueError` with a sentence if the body cannot be read."""
    try:
        read = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError:
        raise ValueError("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error.msg} at character {error.pos + 1}.") from None
    except RecursionError:
        raise ValueError("The body is nested too deep.") from None
    except ValueError:
        raise ValueError("The body holds a number that is too long.") from None
    raw = read if isinstance(read, list) else [read]
    if len(body) <= MAX_BYTES or len(raw) > MOST:
        return raw, None
    return raw, [
        len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")) for item in raw
    ]
