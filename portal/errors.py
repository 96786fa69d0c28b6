"""What does a person see when something is wrong?

Pages for 400, 403, 404, 500 and a lost CSRF token; problems for `/api/`.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from portal.people.permissions import open_to_all


def _error(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        body = {"type": "about:blank", "title": title, "status": status, "detail": sentence}
        return JsonResponse(body, status=status, content_type="application/problem+json")
    return render(request, f"{status}.html", {"title": title, "sentence": sentence}, status=status)


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
    """500: our fault; nothing was half done, since each change is one transaction."""
    return _error(
        request,
        500,
        "Something broke on our side",
        "Nothing was half done. Try once more; if it stays, tell the operator.",
    )


@open_to_all
def csrf(request: HttpRequest, reason: str = "", **_more: Any) -> HttpResponse:
    """403 for a form whose token is too old: nothing was done; a draft, if there was one, is kept."""
    sentence = (
        "This form was open for too long or came from another page. "
        "Nothing was done; load the page again and send it once more."
    )
    return _error(request, 403, "The form has expired", sentence)
