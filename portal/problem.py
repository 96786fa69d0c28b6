"""What does a machine hear when something is wrong? A problem document (RFC 9457) with a sentence fit for a person."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle

from portal.refusal import Refused


class KeyThrottle(UserRateThrottle):
    """One rate per person or service, whichever of their keys they show. A demo sets it far above what a test sends."""


def problem(status: int, detail: str, **more: Any) -> Response:
    """A problem document: `{"type", "title", "status", "detail", …}` as `application/problem+json`."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Response(body, status=status, content_type="application/problem+json")


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error that has an answer gets it as a problem document; others stay errors."""
    if isinstance(error, Refused):
        more = {"state": error.state} if error.state else {}
        return problem(error.status, error.sentence, **more)
    if isinstance(error, Http404):
        return problem(404, "There is nothing here that this key may see.")
    if isinstance(error, PermissionDenied):
        return problem(403, str(error) or "This key may not do that.")
    if not isinstance(error, exceptions.APIException):
        return None
    response = problem(error.status_code, _sentence(error.detail))
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        response = problem(401, _sentence(error.detail))
        response["WWW-Authenticate"] = 'Bearer realm="reeve"'
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled) and wait is not None:
        response["Retry-After"] = str(max(1, int(wait + 0.999)))
    return response


def _sentence(detail: Any, path: str = "") -> str:
    if isinstance(detail, dict):
        return " ".join(_sentence(value, f"{path}.{key}" if path else str(key)) for key, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_sentence(value, path) for value in detail)
    return f"{path}: {detail}" if path else str(detail)
