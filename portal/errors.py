"""What does a person see when something is wrong?

Pages for 400, 403, 404, 500, 503 and a lost CSRF token; problems for `/api/`.
"""

from __future__ import annotations

import sys
from typing import Any

import psycopg2
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from portal.people.permissions import open_to_all

AGAIN = 5  # seconds after which somebody may ask again


def _error(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return _problem(status, title, sentence)
    return render(request, f"{status}.html", {"title": title, "sentence": sentence}, status=status)


def _problem(status: int, title: str, sentence: str) -> JsonResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": sentence}
    return JsonResponse(body, status=status, content_type="application/problem+json")


@open_to_all
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but not for this."""
    return _error(request, 403, "Not for your roles", str(exception or "") or "Your roles do not open this page.")


@open_to_all
def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: not there, or not for these eyes; the two are not told apart."""
    return _error(
        request, 404, "Not found", "There is nothing here that you may see. It may have moved, or never been."
    )


@open_to_all
def broken(request: HttpRequest) -> HttpResponse:
    """500: our fault; nothing was half done, since each change is one transaction. 503 when the database is away."""
    if _is_away(sys.exc_info()[1]):
        return _away(request)
    return _error(
        request,
        500,
        "Something broke on our side",
        "Nothing was half done. Try once more; if it stays, tell the operator.",
    )


def _is_away(error: BaseException | None) -> bool:
    """Whether a lost or unanswered database is behind an error, also where what was to be undone after it failed too.

    The driver says of a connection that broke in the middle of an answer no more than `DatabaseError`, by that very
    class.
    """
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError | psycopg2.OperationalError | psycopg2.InterfaceError):
            return True
        if type(error) in (DatabaseError, psycopg2.DatabaseError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _away(request: HttpRequest) -> HttpResponse:
    """No database, or none that answers in time. Whether a change was kept nobody can say: its key asks again."""
    title, sentence = (
        "Not available just now",
        "The database does not answer. Nothing was half done. Try again in a moment",
    )
    answer: HttpResponse
    if request.path.startswith("/api/"):
        sentence += ", with the same Idempotency-Key: what was kept is not done twice."
        answer = _problem(503, title, sentence)
    else:  # without the request, in whose name the page would ask the database who reads it
        told = {"title": title, "sentence": f"{sentence}, and look first whether it was done."}
        answer = HttpResponse(render_to_string("500.html", told), status=503)
    answer["Retry-After"] = str(AGAIN)
    return answer


@open_to_all
def csrf(request: HttpRequest, reason: str = "", **_more: Any) -> HttpResponse:
    """403 for a form whose token is too old: nothing was done; a draft, if there was one, is kept."""
    sentence = (
        "This form was open for too long or came from another page. "
        "Nothing was done; load the page again and send it once more."
    )
    return _error(request, 403, "The form has expired", sentence)
