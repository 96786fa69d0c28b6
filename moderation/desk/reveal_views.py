"""How does somebody see one personal value? They say what for; it is written down; they see it once, for a minute."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from moderation.cases.models import Case
from portal import clock
from portal.people.permissions import Permission, SignedIn, requires
from portal.privacy import revealing
from portal.privacy.masking import DOTS
from portal.privacy.models import Reveal, VaultValue
from portal.privacy.purposes import REASONS
from portal.refusal import Refused
from portal.wording import number
from risk.intake.models import Account

from . import actions
from .personal import MINORS_ONLY, word_of

LONGEST = 2000


@requires(Permission.PERSONAL_OWN, Permission.PERSONAL_REVEAL)
@require_POST
def reveal_ask(request: SignedIn) -> HttpResponse:
    """Ask to be shown one value. htmx gets it at once; a plain form is sent to the page that shows it once."""
    value = _value(request)
    account = get_object_or_404(Account, pk=value.subject_id)
    asked = actions.reveal(
        value,
        account=account,
        case=_case(request),
        by=request.user,
        now=clock.now(),
        purpose=request.POST.get("purpose", ""),
        note=request.POST.get("note", "")[:LONGEST],
    )
    if not request.htmx:
        return redirect("reveal", pk=asked.pk)
    return _shown(request, asked, "privacy/reveal.html#revealed")


@requires(Permission.PERSONAL_OWN, Permission.PERSONAL_REVEAL)
@require_GET
def reveal(request: SignedIn, pk: UUID) -> HttpResponse:
    """The page that shows a value once to who asked for it, and leaves by itself."""
    asked = get_object_or_404(Reveal.objects.filter(by=request.user), pk=pk)
    response = _shown(request, asked, "privacy/reveal.html")
    response["Refresh"] = f"{settings.REVEAL_SECONDS}; url={_back(asked)}"
    return response


def _shown(request: SignedIn, asked: Reveal, template: str) -> HttpResponse:
    """The value in its page, which nobody keeps. What is read here was written down and committed before."""
    text = revealing.hand_over(asked, by=request.user, now=clock.now())
    context: dict[str, Any] = {
        "asked": asked,
        "word": word_of(asked.name),
        "text": text,
        "masked": DOTS,
        "purpose": REASONS[asked.purpose].words,
        "number": number(asked.case) if asked.case else "",
        "back": _back(asked),
        "seconds": settings.REVEAL_SECONDS,
    }
    response = render(request, template, context)
    response["Cache-Control"] = "no-store, private"
    return response


def _back(asked: Reveal) -> str:
    if asked.case:
        return reverse("case", args=[asked.case])
    account = Account.objects.get(pk=asked.subject)
    return reverse("account", args=[account.platform, account.external_id])


def _value(request: SignedIn) -> VaultValue:
    """The value asked for; one that stays with another lane does not exist."""
    try:
        identity = UUID(request.POST.get("value", ""))
    except ValueError:
        raise Refused("Choose which value you need; nothing was shown.", status=400) from None
    value = get_object_or_404(VaultValue.objects.select_related("subject"), pk=identity)
    if value.data_class not in ("identity", "content") or not value.name.startswith(("account.", "attribute.")):
        raise Http404
    if value.name in MINORS_ONLY and "minors" not in request.user.lanes:
        raise Http404
    return value


def _case(request: SignedIn) -> Case | None:
    """The case it is for, where this person may know of it."""
    given = request.POST.get("case", "")
    if not given:
        return None
    if not given.isdecimal() or len(given) > 18:
        raise Refused("Choose the case it is for; nothing was shown.", status=400)
    if request.user.may(Permission.CASE_READ):
        return get_object_or_404(Case.objects.visible_to(request.user), pk=int(given))
    return get_object_or_404(Case.objects.filter(lane__in=request.user.lanes), pk=int(given))
