"""What does the privacy officer look at every week? Who was shown personal data; each is said to be in order or not."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from portal import clock
from portal.answer import answer
from portal.people.permissions import Permission, SignedIn, requires
from portal.privacy import revealing

from . import actions, history, reveals

LONGEST = 2000


@requires(Permission.REVEAL_REVIEW)
@require_GET
def reveals_page(request: SignedIn) -> HttpResponse:
    """The reveals of a week; reading them is reading the log, and told as that."""
    user, now = request.user, clock.now()
    week = reveals.week_of(request.GET.get("week", ""), now=now)
    mark, only_open = request.GET.get("cursor", ""), request.GET.get("only") == "open"
    days = {"from": week.monday.isoformat(), "to": (week.monday + timedelta(days=6)).isoformat()}
    actions.view_log(history.read({"type": "pii", **days}, wanted_by=user), by=user, now=now)
    rows, after = reveals.page_of(user, week, only_open=only_open, mark=mark)
    this_week = reveals.week_of("", now=now)
    context = {
        "rows": rows,
        "next": after,
        "first": not mark,
        "week": week,
        "last_day": week.monday + timedelta(days=6),
        "only_open": only_open,
        "weeks": [
            (word, (this_week.monday - timedelta(weeks=back)).isoformat())
            for back, word in enumerate(("This week", "Last week", "Two weeks ago"))
        ],
        "this": week.monday.isoformat(),
        "sums": reveals.summary(user, week),
        "refused": f"{reverse('log')}?{urlencode({'type': 'pii.reveal_refused', **days})}",
    }
    return render(request, "privacy/reveals.html", context)


@requires(Permission.REVEAL_REVIEW)
@require_POST
def reveal_review(request: SignedIn, pk: UUID) -> HttpResponse:
    """In order, or not."""
    user = request.user
    found = get_object_or_404(reveals.visible(user).select_related("by", "reviewed_by"), pk=pk)
    revealing.review(
        found,
        by=user,
        now=clock.now(),
        verdict=request.POST.get("verdict", ""),
        note=request.POST.get("note", "")[:LONGEST],
    )
    found = reveals.visible(user).select_related("by", "reviewed_by").get(pk=pk)
    return answer(
        request,
        "privacy/reveals.html#row",
        to=f"{reverse('reveals')}?{urlencode({'week': timezone.localtime(found.at).date().isoformat()})}",
        say="Your review is kept.",
        row=reveals.row_of(found, by=user),
    )
