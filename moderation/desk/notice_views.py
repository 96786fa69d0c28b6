"""What will the account holder read? Asked while somebody fills in the decide panel."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from moderation.cases import actions as cases
from portal import clock
from portal.people.permissions import Permission, SignedIn, requires

from . import forms, notice
from .case_views import case_of


@requires(Permission.DECISION_MAKE)
@require_POST
def case_notice(request: SignedIn, pk: int) -> HttpResponse:
    """The words that follow from what is filled in; a plain form keeps it as the draft, whose page shows them."""
    found, now = case_of(request, pk), clock.now()
    if not getattr(request, "htmx", False):
        note = request.POST.get("note", "")[: forms.LONGEST]
        cases.save_draft(found, by=request.user, now=now, body=forms.draft_in(request.POST), note=note)
        return redirect("case", pk=pk)
    context = {"case": found, "holder": notice.preview(found, request.POST.dict(), now=now)}
    return render(request, "cases/holder.html#holder-notice", context)
