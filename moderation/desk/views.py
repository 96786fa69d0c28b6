"""What does a reviewer see? The desk, a queue, a search, an account, their own profile, and policies to read."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from moderation.cases import actions as cases
from moderation.cases.models import Case, Queue
from moderation.decisions import actions as decisions
from moderation.decisions.models import Policy
from portal import clock
from portal.answer import answer
from portal.people import actions as people
from portal.people.forms import ProfileForm
from portal.people.models import User
from portal.people.permissions import Permission, SignedIn, requires
from portal.wording import capped, due, number
from risk.intake.models import Account

from . import actions, dossier, exhibits, lists, overview, personal
from . import search as finding
from .counts import forget
from .reading import unread_policies


@requires(Permission.CASE_CLAIM)
@require_GET
def desk(request: SignedIn) -> HttpResponse:
    """The desk: what is next, my queues, the most urgent cases, my day."""
    now, me = clock.now(), request.user
    queues = list(Queue.objects.worked_by(me))
    rows = overview.queue_rows(queues, now=now)
    late = request.GET.get("view") == "late"
    urgent = overview.urgent(queues, now=now, late=late) if queues else []
    suited = (row for row in urgent if not row["language"] or not me.languages or row["language"] in me.languages)
    following = None if late else next(suited, None)
    context = {
        "queues": [row for row in rows if row["count"]] or rows,
        "quiet": [row for row in rows if not row["count"]] if any(row["count"] for row in rows) else [],
        "waiting": capped(sum(row["count"] for row in rows)),
        "hours": number(sum(row["hours"] for row in rows), places=1),
        "late_count": sum(row["late"] for row in rows),
        "urgent": urgent,
        "late": late,
        "next": following,
        "next_due": due(following["due_at"], now) if following else "",
        "held": overview.held_by(me),
        "day": overview.day_of(me, now=now),
        "policies": unread_policies(me),
        "returned": overview.given_back(me, now=now),
        "undoable": overview.undoable(me, now=now),
        "now": now,
    }
    return addressed(request, render(request, "desk/desk.html", context))


@requires(Permission.CASE_CLAIM)
@require_POST
def start(request: SignedIn) -> HttpResponse:
    """Claim the next-best case over all my queues and open it."""
    request.session.pop("queue", None)
    return to_next(request)


@requires(Permission.CASE_CLAIM)
@require_POST
def queue_claim(request: SignedIn, slug: str) -> HttpResponse:
    """Claim the next case of one queue; the following ones come from it too."""
    queue = get_object_or_404(Queue.objects.worked_by(request.user), slug=slug)
    request.session["queue"] = queue.slug
    return to_next(request, queue=queue)


def to_next(request: SignedIn, *, queue: Queue | None = None) -> HttpResponse:
    """Claim the next case and go there; to the desk where nothing waits."""
    case = cases.claim_next(by=request.user, now=clock.now(), queue=queue)
    forget(request.user)
    if case is None:
        messages.info(request, f"Nothing waits in {queue.title}." if queue else "Nothing waits in your queues.")
        return redirect("desk")
    return redirect("case", pk=case.pk)


def addressed(request: SignedIn, response: HttpResponse) -> HttpResponse:
    """A page that htmx reached over a redirect says where it is, so that address bar and reload agree."""
    if request.htmx:
        response["HX-Push-Url"] = request.get_full_path()
    return response


@requires(Permission.CASE_READ)
@require_GET
def queue(request: SignedIn, slug: str) -> HttpResponse:
    """One queue: a page of its cases in the order and state asked for."""
    now = clock.now()
    found = get_object_or_404(Queue.objects.visible_to(request.user), slug=slug)
    state = request.GET.get("state", "")
    state = state if state in lists.STATES else "waiting"
    order = request.GET.get("order", "")
    order = order if order in lists.ORDERS else "urgency"
    cursor = request.GET.get("cursor", "")
    rows, following = lists.page(found, state=state, order=order, cursor=cursor, now=now)
    context = {
        "queue": found,
        "rows": rows,
        "next": following,
        "first": not cursor,
        "state": state,
        "order": order,
        "states": lists.STATES,
        "orders": lists.ORDERS,
        "summary": overview.queue_rows([found], now=now)[0],
        "mine": found.is_worked_by(request.user),
    }
    return render(request, "desk/queue.html", context)


@requires(Permission.ACCOUNT_READ, Permission.CASE_READ)
@require_http_methods(["GET", "POST"])
def search(request: SignedIn) -> HttpResponse:
    """Find an account by exact id or handle, or a case by number. By POST: a handle has no place in an address."""
    text = request.POST.get("q", "")[: finding.LONGEST] if request.method == "POST" else ""
    found = finding.find(text, by=request.user)
    if found.case is not None and not found.accounts:
        return redirect("case", pk=found.case)
    if found.case is None and len(found.accounts) == 1 and request.user.may(Permission.ACCOUNT_READ):
        only = found.accounts[0]
        return redirect("account", platform=only.platform, external_id=only.external_id)
    return render(request, "desk/search.html", {"text": text, "found": found, "asked": request.method == "POST"})


@requires(Permission.ACCOUNT_READ)
@require_GET
def account(request: SignedIn, platform: str, external_id: str) -> HttpResponse:
    """Everything known about one account that this person may see."""
    now, me = clock.now(), request.user
    found = get_object_or_404(Account, platform=platform, external_id=external_id)
    actions.view_account(found, by=me, now=now)
    sees_evidence = me.may(Permission.CASE_READ)
    bundles, told = exhibits.exhibits_of(found, lanes=me.lanes, now=now) if sees_evidence else ([], 0)
    about = Case.objects.visible_to(me).filter(account=found).order_by("-opened_at").select_related("queue")[:20]
    context: dict[str, Any] = {
        **who(found, lanes=me.lanes, now=now),
        "personal": personal.panel(found, by=me),
        "cases": list(about),
        "bundles": bundles,
        "told": told,
        "sees_evidence": sees_evidence,
        "effects": dossier.effects(found, now=now) if sees_evidence or me.may(Permission.ENFORCEMENT_READ) else [],
        "now": now,
    }
    return render(request, "desk/account.html", context)


def who(found: Account, *, lanes: list[str], now: Any) -> dict[str, Any]:
    """The persona column of the case and account pages."""
    ours, theirs = dossier.risks(found, lanes=lanes)
    return {
        "account": found,
        "facts": dossier.facts(found, now=now),
        "risks": ours,
        "quiet_risks": [row["title"] for row in ours if not row["shown"]],
        "verdicts": theirs,
        "strikes": dossier.strikes(found, now=now),
        "groups": dossier.linked(found, now=now),
        "timeline": dossier.timeline(found, lanes=lanes, now=now),
    }


@requires()
@require_http_methods(["GET", "POST"])
def profile(request: SignedIn) -> HttpResponse:
    """How the desk behaves for me: duty, keys, colours, time to undo."""
    me = request.user
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=me.pk))
    if request.method == "POST" and form.is_valid():
        people.change_profile(me, by=me, now=clock.now(), **form.cleaned_data)
        return answer(request, "people/profile.html#saved", to="profile", say="Your profile is saved.", form=form)
    return render(request, "people/profile.html", {"form": form}, status=422 if form.errors else 200)


@requires(Permission.CASE_CLAIM)
@require_POST
def policy_read(request: SignedIn, code: str) -> HttpResponse:
    """I have read the policy as it stands now."""
    policy = get_object_or_404(Policy, code=code, in_force=True)
    decisions.acknowledge(policy, by=request.user, now=clock.now())
    say = f"{policy.code}, version {policy.version}: noted that you have read it."
    return answer(request, "desk/desk.html#changed", to="desk", say=say, policies=unread_policies(request.user))
