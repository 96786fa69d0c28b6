"""What does one do about actions? See them, send one again, give one up, pause and resume a backend."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from moderation.enforcement import actions
from moderation.enforcement.models import Backend, Enforcement
from portal import clock
from portal.answer import answer
from portal.people.models import User
from portal.people.permissions import Permission, requires

from . import outbox


@requires(Permission.ENFORCEMENT_READ)
@require_GET
def outbox_page(request: HttpRequest) -> HttpResponse:
    """Actions by state, backend and age, each with its attempts; the backends beside them."""
    user: User = request.user  # type: ignore[assignment]
    now = clock.now()
    given = {key: str(value) for key, value in request.GET.items()}
    rows, after = outbox.page_of(user, given, now=now)
    context = {
        "rows": rows,
        "next": after,
        "first": "cursor" not in given,
        "backends": outbox.backends(user, now=now),
        "given": given,
        "states": Enforcement.Status.choices,
        "ages": outbox.AGES,
        **_may(user),
    }
    return render(request, "insight/outbox.html", context)


@requires(Permission.ENFORCEMENT_RETRY)
@require_POST
def retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send an action that stands still again."""
    found = _seen(request, pk)
    actions.retry(found, by=request.user, now=clock.now())  # type: ignore[arg-type]
    return _row(request, found, "It is sent again, under the same key.")


@requires(Permission.ENFORCEMENT_RETRY)
@require_POST
def skip(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give an action up, with a reason."""
    found = _seen(request, pk)
    actions.skip(found, by=request.user, now=clock.now(), reason=request.POST.get("reason", "")[:500])  # type: ignore[arg-type]
    return _row(request, found, "It is given up; what follows for this account goes on.")


@requires(Permission.BACKEND_OPERATE)
@require_POST
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """Call a backend no more until it is resumed."""
    backend = get_object_or_404(Backend, pk=name)
    actions.pause(backend, by=request.user, now=clock.now(), why=request.POST.get("why", "")[:200])  # type: ignore[arg-type]
    return answer(
        request,
        "insight/outbox.html#backends",
        to="outbox",
        say=f"{name} is paused; what is ordered keeps.",
        **_backends(request),
    )


@requires(Permission.BACKEND_OPERATE)
@require_POST
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Call a backend again."""
    backend = get_object_or_404(Backend, pk=name)
    actions.resume(backend, by=request.user, now=clock.now())  # type: ignore[arg-type]
    return answer(
        request, "insight/outbox.html#backends", to="outbox", say=f"{name} is called again.", **_backends(request)
    )


def _seen(request: HttpRequest, pk: UUID) -> Enforcement:
    return get_object_or_404(Enforcement.objects.visible_to(request.user), pk=pk)  # type: ignore[arg-type]


def _row(request: HttpRequest, found: Enforcement, say: str) -> HttpResponse:
    """The row as it stands now, for htmx; a plain form goes back where it came from."""
    row = outbox.one(request.user, found.pk, now=clock.now())  # type: ignore[arg-type]
    return answer(request, "insight/outbox.html#row", to="outbox", say=say, row=row, **_may(request.user))  # type: ignore[arg-type]


def _may(user: User) -> dict[str, bool]:
    return {
        "may_retry": user.may(Permission.ENFORCEMENT_RETRY),
        "may_operate": user.may(Permission.BACKEND_OPERATE),
    }


def _backends(request: HttpRequest) -> dict[str, object]:
    user: User = request.user  # type: ignore[assignment]
    return {"backends": outbox.backends(user, now=clock.now()), **_may(user)}
