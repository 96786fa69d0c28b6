"""What does a lead do with group decisions? List them, make one with its preview, and see one through."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from moderation.bulk import actions, reading, reporting
from moderation.bulk.models import Bulk
from portal import clock
from portal.answer import answer
from portal.cursor import decode, encode
from portal.people.permissions import Permission, SignedIn, requires
from portal.refusal import Refused

from . import bulk_page
from .cells import csv_text

PAGE = 30


@requires(Permission.DECISION_BULK)
@require_GET
def bulks(request: SignedIn) -> HttpResponse:
    """All of them, the newest first; what waits for a second lead stands above."""
    mark = request.GET.get("cursor", "")
    found = list(reading.newest(after=decode(mark, datetime, UUID) if mark else None)[: PAGE + 1])
    following = encode(found[PAGE - 1].made_at, found[PAGE - 1].pk) if len(found) > PAGE else ""
    context = {
        "waiting": [] if mark else [bulk_page.line(bulk) for bulk in reading.whole().filter(status="proposed")[:20]],
        "rows": [bulk_page.line(bulk) for bulk in found[:PAGE]],
        "next": following,
        "first": not mark,
    }
    return render(request, "bulk/bulks.html", context)


@requires(Permission.DECISION_BULK)
@require_http_methods(["GET", "POST"])
def bulk_new(request: SignedIn) -> HttpResponse:
    """Whom and what; a POST looks at what it would do, or proposes it. What was filled in stays, whatever is said."""
    now, refused, seen = clock.now(), None, None
    sent = request.POST if request.method == "POST" else request.GET
    filled = bulk_page.read(sent, request.FILES.get("file"), now=now)
    try:
        if request.method == "POST" and request.POST.get("act") == "propose":
            return redirect("bulk", pk=_proposed(request, filled, now=now).pk)
        if request.method == "POST":
            seen = _looked(request, filled, now=now)
    except Refused as said:
        refused = said
        if filled.chosen is not None and request.POST.get("act") == "propose":
            seen = _again(request, filled, now=now)
    context = {**bulk_page.form(filled), "seen": seen, "refused": refused.sentence if refused else ""}
    return render(request, "bulk/new.html", context, status=refused.status if refused else 200)


def _looked(request: SignedIn, filled: bulk_page.Filled, *, now: datetime) -> dict[str, Any]:
    chosen, risk_type = bulk_page.choose(filled), filled.fields["risk_type"]
    seen = actions.look(chosen.ids, by=request.user, now=now, risk_type=risk_type, chosen=chosen.how)
    return bulk_page.seen(seen, chosen, risk_type=risk_type)


def _again(request: SignedIn, filled: bulk_page.Filled, *, now: datetime) -> dict[str, Any] | None:
    """What it would do, below a proposal that was refused; nothing where that is what was refused."""
    try:
        return _looked(request, filled, now=now)
    except Refused:
        return None


def _proposed(request: SignedIn, filled: bulk_page.Filled, *, now: datetime) -> Bulk:
    digest, typed = request.POST.get("digest", ""), request.POST.get("count", "").strip().replace(",", "")
    chosen = bulk_page.choose(filled)
    if not digest:
        raise Refused("Look at what it would do first.", status=400)
    return actions.propose(
        chosen.ids, by=request.user, now=now, typed=int(typed) if typed.isdecimal() and len(typed) < 6 else 0,
        request_key=filled.fields["request_key"], chosen=chosen.how, unknown=chosen.unknown, digest=digest[:64],
        **bulk_page.word_in(filled, now=now),
    )  # fmt: skip


@requires(Permission.DECISION_BULK)
@require_GET
def bulk(request: SignedIn, pk: UUID) -> HttpResponse:
    """How it stands, with each account; asked again every few seconds while it moves."""
    found = _found(pk)
    if getattr(request, "htmx", False):
        return render(request, "bulk/bulk.html#stands", bulk_page.one(found, by=request.user, now=clock.now()))
    state = request.GET.get("state", "")
    if state not in bulk_page.STATES:
        state = ""
    mark = request.GET.get("cursor", "")
    rows, following = reporting.page(found, state=state, after=mark)
    context = {
        **bulk_page.one(found, by=request.user, now=clock.now()),
        "sample": reading.sampled(found.sample, risk_type=found.risk_type),
        "rows": [(row, bulk_page.STATES[row.state]) for row in rows],
        "next": following,
        "first": not mark,
        "state": state,
    }
    return render(request, "bulk/bulk.html", context)


@requires(Permission.DECISION_BULK)
@require_POST
def bulk_approve(request: SignedIn, pk: UUID) -> HttpResponse:
    """The second lead agrees."""
    return _stands(
        request, actions.approve(_found(pk), by=request.user, now=clock.now()),
        "Approved: it begins, and pauses after the first 50.",
    )  # fmt: skip


@requires(Permission.DECISION_BULK)
@require_POST
def bulk_decline(request: SignedIn, pk: UUID) -> HttpResponse:
    """The second lead says no, or who proposed it takes it back."""
    reason = request.POST.get("reason", "")[:2000]
    found = actions.decline(_found(pk), by=request.user, now=clock.now(), reason=reason)
    return _stands(request, found, "Taken back." if found.status == Bulk.Status.WITHDRAWN else "Declined.")


@requires(Permission.DECISION_BULK)
@require_POST
def bulk_go_on(request: SignedIn, pk: UUID) -> HttpResponse:
    """After the first 50, or after a stop."""
    return _stands(request, actions.go_on(_found(pk), by=request.user, now=clock.now()), "It goes on.")


@requires(Permission.DECISION_BULK)
@require_POST
def bulk_stop(request: SignedIn, pk: UUID) -> HttpResponse:
    """No further account is decided on."""
    found = actions.stop(_found(pk), by=request.user, now=clock.now())
    return _stands(request, found, "Stopped: no further account is decided on.")


@requires(Permission.DECISION_BULK)
@require_POST
def bulk_undo(request: SignedIn, pk: UUID) -> HttpResponse:
    """Take the whole back."""
    code = request.POST.get("reason_code", "")
    found = actions.undo(_found(pk), by=request.user, now=clock.now(), reason_code=code)
    return _stands(request, found, "It is being undone, account by account.")


@requires(Permission.DECISION_BULK)
@require_GET
def bulk_report(request: SignedIn, pk: UUID) -> HttpResponse:
    """Each account as a line of CSV; the log tells who took it."""
    rows = actions.take_report(_found(pk), by=request.user, now=clock.now())
    return HttpResponse(
        csv_text(reporting.COLUMNS, [row.cells for row in rows]),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="reeve-group-{pk}.csv"'},
    )


def _found(pk: UUID) -> Bulk:
    return get_object_or_404(reading.whole(), pk=pk)


def _stands(request: SignedIn, found: Bulk, say: str) -> HttpResponse:
    context = bulk_page.one(_found(found.pk), by=request.user, now=clock.now())
    return answer(request, "bulk/bulk.html#stands", to=f"/bulk/{found.pk}/", say=say, **context)
