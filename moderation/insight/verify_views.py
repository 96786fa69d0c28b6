"""What does somebody see who doubts the log? How far it is sealed, what the last check found, a check of a bundle."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from portal import clock
from portal.answer import answer
from portal.audit import proving
from portal.people.models import User
from portal.people.permissions import Permission, requires
from portal.refusal import Refused

from . import actions, dropped, verifying
from .models import LogCheck

KEPT_IN_SIGHT = 10


@requires(Permission.AUDIT_READ)
@require_GET
def log_verify(request: HttpRequest) -> HttpResponse:
    """The verdict of the last check, what stands now, and the checks before."""
    template = "insight/verify.html#verdict" if getattr(request, "htmx", False) else "insight/verify.html"
    return render(request, template, _page())


@requires(Permission.AUDIT_READ)
@require_POST
def log_check(request: HttpRequest) -> HttpResponse:
    """Check it now."""
    user: User = request.user  # type: ignore[assignment]
    actions.ask_check(by=user, now=clock.now())
    say = "The log is being checked, from its first event."
    return answer(request, "insight/verify.html#verdict", to="log-verify", say=say, **_page())


@requires(Permission.AUDIT_READ)
@require_POST
def bundle_check(request: HttpRequest) -> HttpResponse:
    """Check a bundle that somebody dropped here; nothing of it is kept."""
    bundle = request.FILES.get("bundle")
    if bundle is None:
        raise Refused("bundle: choose the zip of an export.", status=400)
    return render(request, "insight/verify.html", {**_page(), "answer": dropped.check(bundle)})


@requires(Permission.AUDIT_READ)
@require_GET
def log_key(request: HttpRequest) -> HttpResponse:
    """The public key of the log, one line."""
    key = proving.public_key()
    if key is None:
        raise Refused("There is no public key here yet: the signer writes it down when it begins.", status=404)
    return _taken(HttpResponse(f"{key.vkey}\n", content_type="text/plain; charset=utf-8"), "log.vkey")


@requires(Permission.AUDIT_READ)
@require_GET
def log_verifier(request: HttpRequest) -> FileResponse:
    """The program that checks a bundle: one file, standard library only."""
    return FileResponse(
        dropped.VERIFIER.open("rb"), as_attachment=True, filename="verify.py", content_type="text/x-python"
    )


def _taken(response: HttpResponse, name: str) -> HttpResponse:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _page() -> dict[str, Any]:
    checks = list(LogCheck.objects.select_related("asked_by").order_by("-asked_at")[: KEPT_IN_SIGHT + 1])
    running = next((check for check in checks if check.ended_at is None), None)
    ended = [check for check in checks if check.ended_at is not None]
    return {
        "seal": verifying.seal(now=clock.now()),
        "running": running,
        "last": ended[0] if ended else None,
        "checks": ended[:KEPT_IN_SIGHT],
        "proven": verifying.proven(ended[0]) if ended else None,
        "percent": 100 * running.done // running.total if running and running.total else 0,
        "day": f"{actions.CHECK_EVERY.days * 24} hours",
        "limit": settings.UPLOAD_BYTES >> 20,
    }
