"""What does a person see of exports? Mine and the form for the next, one with its progress and copies, and its file."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import clock
from portal.answer import answer
from portal.people.models import User
from portal.people.permissions import Permission, requires
from portal.privacy import actions as privacy
from portal.refusal import Refused

from . import actions, custody, exports, history, naming
from .models import Export


@requires(Permission.EXPORT_MAKE)
@require_http_methods(["GET", "POST"])
def exports_page(request: HttpRequest) -> HttpResponse:
    """My exports and the form for the next; a POST asks for one."""
    user: User = request.user  # type: ignore[assignment]
    if request.method == "POST":
        asked = exports.asked(request.POST.dict() | {"format": request.POST.getlist("format")}, wanted_by=user)
        actions.request_export(asked.chosen, formats=asked.formats, purpose=asked.purpose, by=user, now=clock.now())
        return answer(
            request,
            "insight/exports.html#mine",
            to="exports",
            say="The export is being made.",
            **_mine(user),
        )
    given = {key: value for key, value in request.GET.items() if key in history.FIELDS}
    context = {
        **_mine(user),
        "given": given,
        "kinds": naming.EVENTS_BY_KIND,
    }
    return render(request, "insight/exports.html", context)


@requires(Permission.EXPORT_MAKE)
@require_GET
def export(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One export with its progress; asked again every second while it is being made."""
    found = _own(request, pk)
    template = "insight/export.html#progress" if getattr(request, "htmx", False) else "insight/export.html"
    return render(request, template, _page(found))


@requires(Permission.EXPORT_MAKE)
@require_POST
def export_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop it."""
    found = _own(request, pk)
    actions.cancel_export(found, by=found.asked_by, now=clock.now())
    found.refresh_from_db()
    return answer(
        request,
        "insight/export.html#progress",
        to="exports",
        say="The export is cancelled.",
        **_page(found),
    )


@requires(Permission.EXPORT_MAKE)
@require_GET
def export_file(request: HttpRequest, pk: UUID) -> FileResponse:
    """The file itself; taking it is told first."""
    return custody.file_of(_own(request, pk), now=clock.now(), road="page")


@requires(Permission.EXPORT_MAKE)
@require_POST
def export_link(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make a link and show it this once: the answer is the page itself, since the link is stored nowhere."""
    found = _own(request, pk)
    token = actions.make_link(found, by=found.asked_by, now=clock.now())
    link = f"{settings.BASE_URL}{reverse('export-taking')}?{urlencode({'t': token})}"
    response = render(request, "insight/export.html", {**_page(found), "link": link})
    response["Referrer-Policy"] = "no-referrer"
    return response


@requires(Permission.EXPORT_MAKE)
@require_GET
def export_taking(request: HttpRequest) -> FileResponse | HttpResponse:
    """The file by a link that works once, for who made it. The token stands in the query, which nothing here logs."""
    user: User = request.user  # type: ignore[assignment]
    try:
        found = actions.take_link(request.GET.get("t", ""), by=user, now=clock.now())
    except Refused as refused:
        response = render(request, "insight/link.html", {"sentence": refused.sentence}, status=refused.status)
        response["Referrer-Policy"] = "no-referrer"
        return response
    return custody.handed(found)


def _own(request: HttpRequest, pk: UUID) -> Export:
    return get_object_or_404(Export.objects.select_related("asked_by").filter(asked_by=request.user.pk), pk=pk)


def _page(found: Export) -> dict[str, Any]:
    return {
        "export": custody.shown(found),
        "proof": custody.proof(found),
        "copies": custody.of(found, viewer=found.asked_by, now=clock.now()),
        "purpose": privacy.open_value(found.purpose),
    }


def _mine(user: User) -> dict[str, Any]:
    found = Export.objects.filter(asked_by=user).order_by("-asked_at")[:50]
    shown = [custody.shown(export) for export in found]
    return {"mine": shown, "running": any(export["running"] for export in shown)}
