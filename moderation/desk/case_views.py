"""What does a reviewer see and do at one case? Its page, and one view per verb: fetch, act, answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET, require_POST

from moderation.cases import actions as cases
from moderation.cases import refusals as case_refusals
from moderation.cases.models import Case, Queue
from moderation.decisions import actions as decisions
from moderation.decisions.effects import OUTCOMES
from moderation.decisions.models import Decision
from portal import clock
from portal.answer import answer
from portal.people.models import User
from portal.people.permissions import Permission, SignedIn, requires
from portal.refusal import Refused
from portal.wording import due, number, plain

from . import actions, dossier, exhibits, forms, limits, overview, personal
from .counts import forget
from .panel import panel
from .reading import proposals, words_of
from .views import addressed, to_next, who


def case_of(request: SignedIn, pk: int) -> Case:
    """The case, if this person may know of it."""
    cases_ = Case.objects.visible_to(request.user).select_related(
        "account", "queue", "score__version", "claimed_by", "escalated_from"
    )
    return get_object_or_404(cases_, pk=pk)


@requires(Permission.CASE_READ)
@require_GET
def case(request: SignedIn, pk: int) -> HttpResponse:
    """One screen for one case: who, why, what, before, with whom, and the decision beside it."""
    now, me = clock.now(), request.user
    found = case_of(request, pk)
    sealed = found.status == Case.Status.HANDED_OFF
    actions.view_case(found, by=me, now=now)
    mine = found.status == Case.Status.CLAIMED and found.claimed_by_id == me.pk
    lanes = [lane for lane in me.lanes if lane in ("general", found.lane)]
    bundles, told = ([], 0) if sealed else exhibits.exhibits_of(found.account, lanes=lanes, now=now)
    context: dict[str, Any] = {
        **who(found.account, lanes=me.lanes, now=now),
        "personal": None if sealed else personal.panel(found.account, by=me, case=found),
        "case": found,
        "number": number(found.pk),
        "due": due(found.due_at, now),
        "late": found.due_at < now and found.status in Case.OPEN,
        "mine": mine,
        "sealed": sealed,
        "score": dossier.score_card(found.score),
        "bundles": bundles,
        "told": told,
        "covered": found.queue.exposure == "distressing",
        "decided": words_of(found, by=me, now=now),
        "effects": dossier.effects(found.account, now=now, case=found),
        "notes": [] if sealed else dossier.notes_of(found),
        "why_not_claim": case_refusals.claim(found, by=me, now=now),
        "undoable": overview.undoable(me, now=now),
        "why_next": _why_next(found),
        "panel": panel(found, by=me, now=now, workflow=request.GET.get("workflow", "")) if mine else None,
        **_claim_context(found, now=now),
    }
    return addressed(request, render(request, "cases/case.html", context))


def _why_next(found: Case) -> str:
    """Why this one stands where it does in its queue, in few words."""
    if found.score and found.score.version:
        return f"{found.score.version.severity.normalize():f} × {found.shown}"
    return f"opened by {plain(found.opened_by).lower()}" if found.opened_by else ""


def _claim_context(found: Case, *, now: datetime) -> dict[str, Any]:
    left = int((found.claimed_until - now).total_seconds()) if found.claimed_until else 0
    hold_until = found.claimed_at + timedelta(minutes=found.queue.max_hold_minutes) if found.claimed_at else None
    left = max(0, left)
    words = f"{left // 60}:{left % 60:02d}"
    return {
        "left": left,
        "left_words": words,
        "lease": found.queue.lease_minutes * 60,
        "hold_until": hold_until,
        "now": now,
    }


# --- The claim --------------------------------------------------------------------------------------------------------


@requires(Permission.CASE_CLAIM)
@require_POST
def case_claim(request: SignedIn, pk: int) -> HttpResponse:
    """Take this case."""
    found = case_of(request, pk)
    cases.claim(found, by=request.user, now=clock.now())
    forget(request.user)
    return redirect("case", pk=pk)


@requires(Permission.CASE_CLAIM)
@require_POST
def case_extend(request: SignedIn, pk: int) -> HttpResponse:
    """Hold the case for another lease; the page does this by itself while somebody works."""
    found, now = case_of(request, pk), clock.now()
    cases.extend(found, by=request.user, now=now)
    found.refresh_from_db(fields=["claimed_until"])
    return answer(
        request, "cases/case.html#claim-bar", to=_page(pk), case=found, mine=True, **_claim_context(found, now=now)
    )


@requires(Permission.CASE_CLAIM)
@require_POST
def case_draft(request: SignedIn, pk: int) -> HttpResponse:
    """Keep what is filled in and not yet sent."""
    cases.save_draft(
        case_of(request, pk),
        by=request.user,
        now=clock.now(),
        body=forms.draft_in(request.POST),
        note=request.POST.get("note", "")[: forms.LONGEST],
    )
    if request.POST.get("leave"):
        messages.success(request, "Your draft is kept for 24 hours.")
        return redirect("case", pk=pk)
    return HttpResponse(status=204)


def _page(pk: int) -> str:
    return f"/cases/{pk}/"


# --- The ways out beside a decision ---------------------------------------------------------------------------------


def _leave(
    request: SignedIn, pk: int, act: Callable[[Case, datetime], Any], say: str, *, onwards: bool = True
) -> HttpResponse:
    """Do one thing that ends my claim, then open the next case; where none can be had, say so on the desk."""
    found = case_of(request, pk)
    act(found, clock.now())
    return _onwards(request, f"Case {number(pk)} {say}.", onwards=onwards)


def _onwards(request: SignedIn, say: str = "", *, onwards: bool = True) -> HttpResponse:
    """Open the next case, of the queue somebody chose or of all of theirs; where none can be had, the desk says why."""
    forget(request.user)
    if say:
        messages.success(request, say)
    if not onwards:
        return redirect("desk")
    slug = request.session.get("queue", "")
    queue = Queue.objects.worked_by(request.user).filter(slug=slug).first() if slug else None
    try:
        return to_next(request, queue=queue)
    except Refused as refused:
        messages.warning(request, refused.sentence)
        return redirect("desk")


@requires(Permission.CASE_CLAIM)
@require_POST
def case_release(request: SignedIn, pk: int) -> HttpResponse:
    """Give the case back to its queue; a draft stays."""
    return _leave(
        request,
        pk,
        lambda found, now: cases.release(found, by=request.user, now=now),
        "is back in its queue",
        onwards=False,
    )


@requires(Permission.CASE_CLAIM)
@require_POST
def case_skip(request: SignedIn, pk: int) -> HttpResponse:
    """Pass the case on, with a reason; it does not come back to me today."""
    reason = request.POST.get("reason", "")
    return _leave(
        request, pk, lambda found, now: cases.skip(found, by=request.user, now=now, reason=reason), "is passed on"
    )


@requires(Permission.CASE_CLAIM)
@require_POST
def case_escalate(request: SignedIn, pk: int) -> HttpResponse:
    """Move the case to the escalations."""
    reason = request.POST.get("reason", "")
    return _leave(
        request, pk, lambda found, now: cases.escalate(found, by=request.user, now=now, reason=reason), "is escalated"
    )


@requires(Permission.CASE_CLAIM)
@require_POST
def case_wait(request: SignedIn, pk: int) -> HttpResponse:
    """Let the case wait for somebody outside until a day."""
    day = parse_date(request.POST.get("until", "") or "-")
    if day is None:
        raise Refused("Say until which day this case waits; nothing was changed.", status=400)
    waiting_for = request.POST.get("waiting_for", "")
    return _leave(
        request,
        pk,
        lambda found, now: cases.wait(
            found, by=request.user, now=now, waiting_for=waiting_for, until=forms.end_of(day)
        ),
        "waits",
    )


@requires(Permission.CASE_CLAIM)
@require_POST
def case_hand_off(request: SignedIn, pk: int) -> HttpResponse:
    """Hand off to child safety: the evidence is sealed, the screen cleared."""
    return _leave(
        request,
        pk,
        lambda found, now: cases.hand_off(found, by=request.user, now=now),
        "is handed off and sealed. Take a break if you want one; breaks are in no number",
        onwards=False,
    )


@requires(Permission.CASE_CLAIM)
@require_POST
def case_danger(request: SignedIn, pk: int) -> HttpResponse:
    """Danger to life: to the queue that is looked at within 15 minutes."""
    return _leave(
        request,
        pk,
        lambda found, now: cases.danger(found, by=request.user, now=now),
        "is with those who act on danger to life",
    )


@requires(Permission.CASE_REASSIGN)
@require_POST
def case_reassign(request: SignedIn, pk: int) -> HttpResponse:
    """Give the case to somebody, or back to its queue."""
    name = request.POST.get("to", "")
    to = get_object_or_404(User, username=name, is_active=True) if name else None
    cases.reassign(case_of(request, pk), to=to, by=request.user, now=clock.now())
    messages.success(request, f"The case is with {to or 'its queue'} now.")
    return redirect("case", pk=pk)


@requires(Permission.CASE_CLAIM)
@require_POST
def case_annotate(request: SignedIn, pk: int) -> HttpResponse:
    """Leave a remark for colleagues."""
    found = case_of(request, pk)
    cases.annotate(found, by=request.user, now=clock.now(), text=request.POST.get("text", "")[:4000])
    return answer(
        request,
        "cases/case.html#notes",
        to=_page(pk),
        say="Your remark is kept.",
        case=found,
        notes=dossier.notes_of(found),
    )


# --- Decisions ------------------------------------------------------------------------------------------------------


@requires(Permission.DECISION_MAKE)
@require_POST
def case_decide(request: SignedIn, pk: int) -> HttpResponse:
    """Decide, and open the next case."""
    now = clock.now()
    effect = OUTCOMES.get(request.POST.get("outcome", ""))
    said = forms.read(
        request.POST.dict(),
        now=now,
        evidence=request.POST.getlist("evidence"),
        takes_until=bool(effect and effect.until != "no"),
        takes_scope=bool(effect and effect.scope),
    )
    decision = decisions.decide(
        case_of(request, pk),
        by=request.user,
        now=now,
        outcome=said.outcome,
        reason_code=said.reason_code,
        version=said.version,
        request_key=said.request_key,
        policy=said.policy,
        note=said.note,
        answers=said.answers,
        evidence=said.evidence,
        until=said.until,
        scope=said.scope,
        notify=said.notify,
    )
    if decision.status == Decision.Status.PROPOSED:
        return _onwards(request, f"Case {number(pk)} is proposed. {decision.approval_why}")
    # In the undo window the notice with its button says what was decided.
    return _onwards(request, "" if decision.status == Decision.Status.HELD else f"Case {number(pk)} is decided.")


def _decision(request: SignedIn, pk: UUID) -> Decision:
    found = Decision.objects.visible_to(request.user).select_related(
        "case__queue", "case__account", "account", "policy", "reason_code", "made_by"
    )
    return get_object_or_404(found, pk=pk)


@requires(Permission.DECISION_MAKE)
@require_POST
def decision_undo(request: SignedIn, pk: UUID) -> HttpResponse:
    """Take my decision back within its window: the case is mine again."""
    decision = _decision(request, pk)
    decisions.undo(decision, by=request.user, now=clock.now())
    messages.success(request, f"Undone. Case {number(decision.case_id)} is yours again, as you left it.")
    return redirect("case", pk=decision.case_id)


@requires(Permission.DECISION_APPROVE)
@require_POST
def decision_approve(request: SignedIn, pk: UUID) -> HttpResponse:
    """Agree to what another proposed."""
    decision = _decision(request, pk)
    decisions.approve(decision, by=request.user, now=clock.now(), reason=request.POST.get("reason", ""))
    return _after_word(request, f"Agreed. Case {number(decision.case_id)} takes effect now.")


@requires(Permission.DECISION_APPROVE)
@require_POST
def decision_decline(request: SignedIn, pk: UUID) -> HttpResponse:
    """Say no to what another proposed, with a reason."""
    decision = _decision(request, pk)
    decisions.decline(decision, by=request.user, now=clock.now(), reason=request.POST.get("reason", ""))
    return _after_word(
        request, f"Declined. Case {number(decision.case_id)} waits again; its author finds the proposal as a draft."
    )


def _after_word(request: SignedIn, say: str) -> HttpResponse:
    forget(request.user)
    messages.success(request, say)
    return redirect("approvals")


@requires(Permission.DECISION_REVERSE)
@require_POST
def decision_reverse(request: SignedIn, pk: UUID) -> HttpResponse:
    """Take a decision in force back: what undoes it is ordered."""
    decision = _decision(request, pk)
    reversal = decisions.reverse(
        decision,
        by=request.user,
        now=clock.now(),
        reason_code=request.POST.get("reason_code", ""),
        note=request.POST.get("note", "")[: forms.LONGEST],
    )
    messages.success(
        request,
        "Reversed: what undoes it is on its way."
        if reversal.status == Decision.Status.RELEASED
        else "Proposed: a second person must agree.",
    )
    return redirect("case", pk=decision.case_id)


@requires(Permission.DECISION_APPROVE)
@require_GET
def approvals(request: SignedIn) -> HttpResponse:
    """What waits for my word, oldest first, and who is at their limit of an hour."""
    me, now = request.user, clock.now()
    return render(request, "desk/approvals.html", {"proposals": proposals(me, now=now), **limits.page(me, now=now)})
