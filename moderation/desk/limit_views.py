"""How does a lead let somebody go beyond the limit of an hour? One form on the approvals page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from moderation.decisions import actions
from portal import clock
from portal.people.models import User
from portal.people.permissions import Permission, SignedIn, requires

from . import limits
from .counts import forget


@requires(Permission.CAP_OPEN)
@require_POST
def cap_open(request: SignedIn, pk: int, outcome: str) -> HttpResponse:
    """Some more decisions of a kind, for some hours, with a reason."""
    person = get_object_or_404(User, pk=pk, kind=User.Kind.PERSON)
    opening = actions.open_cap(
        person,
        by=request.user,
        now=clock.now(),
        outcome=outcome,
        number=limits.number_of(request.POST.get("number", "")),
        hours=limits.number_of(request.POST.get("hours", "")),
        reason=request.POST.get("reason", ""),
    )
    forget(request.user)
    until = timezone.localtime(opening.until)
    messages.success(
        request,
        f"Opened: {opening.number} more {limits.counted(opening.number, outcome)} for {person} until {until:%H:%M}.",
    )
    return redirect("approvals")
