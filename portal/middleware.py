"""What happens to every request? A request id, an end to old sessions, pages nobody caches, and `Refused` as a 409."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

from portal import clock
from portal.answer import refuse
from portal.refusal import Refused

GetResponse = Callable[[HttpRequest], HttpResponse]
_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class RequestIdFilter(logging.Filter):
    """Puts the id of the current request into each log line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _request_id.get()
        return True


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request an id (the proxy's, where it is well formed) and answer it in `X-Request-ID`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        identity = given if _GIVEN_ID.fullmatch(given) else uuid4().hex
        token = _request_id.set(identity)
        try:
            response = get_response(request)
        finally:
            _request_id.reset(token)
        response["X-Request-ID"] = identity
        return response

    return middleware


def session_age(get_response: GetResponse) -> GetResponse:
    """End a session after its absolute age.

    Push the idle end forward at most once a minute, to spare a write per request.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if "session" in request.__dict__ and request.session.get("_auth_user_id"):
            now = clock.now().timestamp()
            began = request.session.setdefault("began", now)
            if now - began > settings.SESSION_ABSOLUTE_AGE:
                logout(request)
            elif now - request.session.get("seen", 0) > 60:
                request.session["seen"] = now
        return get_response(request)

    return middleware


def private_pages(get_response: GetResponse) -> GetResponse:
    """No shared or disk cache keeps a page or an answer that somebody signed in for (ASVS 14.3.2)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    return middleware


def refusals(get_response: GetResponse) -> Any:
    """Turn `Refused` into the 409 (or 422) that says why: a notice for htmx, a page for a plain form."""

    class Middleware:
        def __init__(self, inner: GetResponse) -> None:
            self.inner = inner

        def __call__(self, request: HttpRequest) -> HttpResponse:
            return self.inner(request)

        def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
            return refuse(request, exception) if isinstance(exception, Refused) else None

    return Middleware(get_response)
