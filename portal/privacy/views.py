"""What does the privacy officer do? Erases accounts, asks for holds and releases, sees what goes when it is old."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import clock
from portal.answer import answer
from portal.audit.events import Event
from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.people.permissions import Permission, SignedIn, requires
from portal.people.roles import ROLES
from portal.refusal import Refused

from . import erasure, holding, retention
from .actions import open_values
from .models import Hold, RetentionRun

SHOWN = 20
MOST_HOLDS = 200


# --- Erasure --------------------------------------------------------------------------------------------------------


@requires(Permission.ACCOUNT_ERASE)
@require_http_methods(["GET", "POST"])
def erasure_page(request: SignedIn) -> HttpResponse:
    """Look what would go with an account; with the number of the request typed twice, erase it."""
    told = request.POST if request.method == "POST" else request.GET
    name = told.get("account", "").strip()[:200]
    context: dict[str, Any] = {"name": name, "bases": erasure.LEGAL_BASES, "erasures": _erasures()}
    if request.method == "POST":
        subject = _subject(name)
        _insist_on_the_number(request.POST.get("ticket", ""), request.POST.get("again", ""))
        erasure.erase(
            subject.platform, subject.external_id, legal_basis=request.POST.get("legal_basis", ""),
            ticket=request.POST.get("ticket", "").strip(), by=request.user, now=clock.now(),
        )  # fmt: skip
        return redirect("erasure-done", pk=subject.id)
    if name:
        context["seen"] = erasure.preview(found) if (found := erasure.named(name)) else None
        context["missing"] = found is None
    return render(request, "privacy/erasure.html", context)


@requires(Permission.ACCOUNT_ERASE)
@require_GET
def erasure_done(request: SignedIn, pk: UUID) -> HttpResponse:
    """What went with an account, as the log tells it."""
    event = get_object_or_404(
        AuditEvent.objects.order_by("-occurred_at"), type=Event.ACCOUNT_ERASED, subjects=[f"account:{pk}"]
    )
    return render(request, "privacy/erased.html", {"done": _erased(event)})


def _erasures() -> list[dict[str, Any]]:
    newest = AuditEvent.objects.filter(type=Event.ACCOUNT_ERASED).order_by("-occurred_at")[:SHOWN]
    return [_erased(event) for event in newest]


def _erased(event: AuditEvent) -> dict[str, Any]:
    facts = json.loads(bytes(event.payload))["facts"]
    return {
        "account": UUID(event.subjects[0].partition(":")[2]),
        "event": event.pk,
        "at": event.told_at or event.occurred_at,
        "by": _user_of(event.by),
        "basis": erasure.LEGAL_BASES.get(facts["legal_basis"], facts["legal_basis"]),
        "ticket": facts["ticket"],
        "went": {name.replace("_", " "): n for name, n in facts["went"].items()},
    }


def _user_of(name: str) -> str:
    found = User.objects.filter(pk=name.partition(":")[2]).values_list("username", flat=True).first()
    return found or name


def _subject(name: str) -> erasure.Subject:
    if (subject := erasure.named(name)) is None:
        raise Refused("There is no account of that name; write it as platform:id, such as main:48211.", status=404)
    return subject


def _insist_on_the_number(ticket: str, again: str) -> None:
    if ticket.strip() != again.strip():
        raise Refused("The two numbers of the request differ; nothing was erased.", status=422)


# --- Holds ----------------------------------------------------------------------------------------------------------


@requires(Permission.HOLD_ASK, Permission.HOLD_AGREE)
@require_GET
def holds(request: SignedIn) -> HttpResponse:
    """The holds this person may know of: what waits for them, what is in force, what has ended."""
    return render(request, "privacy/holds.html", _holds(request.user))


@requires(Permission.HOLD_ASK)
@require_POST
def hold_ask(request: SignedIn) -> HttpResponse:
    """Ask a lead to agree to a hold on an account or on a case."""
    told = request.POST
    account, case = _held_thing(told.get("about", ""))
    hold = holding.ask(
        account, case=case, of=_lead(told.get("of", "")), reference=told.get("reference", "").strip(),
        reason=told.get("reason", ""), confidential=told.get("confidential") == "on", by=request.user,
        now=clock.now(),
    )  # fmt: skip
    return _told(request, f"{hold.asked_of} was asked to agree to {hold}. Until then it keeps nothing.")


def _verb(act: Callable[..., None], say: str) -> Callable[[SignedIn, UUID], HttpResponse]:
    def view(request: SignedIn, pk: UUID) -> HttpResponse:
        hold = get_object_or_404(Hold.objects.visible_to(request.user), pk=pk)
        act(hold, by=request.user, now=clock.now())
        return _told(request, say.format(hold=hold))

    return view


hold_agree = requires(Permission.HOLD_AGREE)(require_POST(_verb(holding.agree, "{hold} is in force.")))
hold_decline = requires(Permission.HOLD_ASK, Permission.HOLD_AGREE)(
    require_POST(_verb(holding.decline, "{hold} was declined; nothing is kept by it."))
)
hold_review = requires(Permission.HOLD_ASK)(require_POST(_verb(holding.review, "{hold} is still needed; noted.")))
hold_release = requires(Permission.HOLD_AGREE)(require_POST(_verb(holding.release, "{hold} is released.")))
hold_keep = requires(Permission.HOLD_ASK, Permission.HOLD_AGREE)(
    require_POST(_verb(holding.keep_on, "{hold} stays in force."))
)


@requires(Permission.HOLD_ASK)
@require_POST
def hold_end(request: SignedIn, pk: UUID) -> HttpResponse:
    """Ask a lead to agree to a release."""
    hold = get_object_or_404(Hold.objects.visible_to(request.user), pk=pk)
    holding.ask_release(hold, of=_lead(request.POST.get("of", "")), by=request.user, now=clock.now())
    return _told(request, f"{hold.asked_of} was asked to agree to the release of {hold}; it keeps until then.")


def _told(request: SignedIn, say: str) -> HttpResponse:
    return answer(request, "privacy/holds.html#list", to="holds", say=say, **_holds(request.user))


def _holds(user: User) -> dict[str, Any]:
    rows = list(
        Hold.objects.visible_to(user)
        .select_related("asked_by", "asked_of", "agreed_by", "release_asked_by", "released_by")
        .order_by("-asked_at")[:MOST_HOLDS]
    )
    names, reasons = erasure.names_of(hold.account for hold in rows), open_values(hold.reason for hold in rows)
    now = clock.now()
    shown: list[dict[str, Any]] = [
        {
            "hold": hold,
            "account": names.get(hold.account, "an account"),
            "reason": reasons.get(hold.reason, "(erased)"),
            "mine": hold.asked_of_id == user.pk,
            "late": hold.status in Hold.IN_FORCE and hold.review_at is not None and hold.review_at <= now,
        }
        for hold in rows
    ]
    return {
        "rows": shown,
        "waiting": sum(row["mine"] and row["hold"].status in ("asked", "ending") for row in shown),
        "in_force": sum(row["hold"].status in Hold.IN_FORCE for row in shown),
        "late": sum(row["late"] for row in shown),
        "leads": _leads(user),
        "may_ask": user.may(Permission.HOLD_ASK),
    }  # fmt: skip


def _leads(user: User) -> list[User]:
    roles = [name for name, role in ROLES.items() if Permission.HOLD_AGREE in role.permissions]
    found = User.objects.filter(is_active=True, grants__role__in=roles, grants__revoked_at__isnull=True)
    return list(found.exclude(pk=user.pk).distinct().order_by("username"))


def _lead(username: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is None:
        raise Refused("Name the lead who is to agree.", status=422)
    return found


def _held_thing(about: str) -> tuple[UUID, int | None]:
    """An account as `platform:id`, or a case by its number."""
    plain = about.strip().removeprefix("case:").removeprefix("#")
    if plain.isdecimal() and len(plain) < 18:
        account = holding.account_of_case(int(plain))
        if account is None:
            raise Refused(f"There is no case {plain}.", status=404)
        return account, int(plain)
    return _subject(about).id, None


# --- Retention ------------------------------------------------------------------------------------------------------


@requires(Permission.RETENTION_READ)
@require_GET
def retention_page(request: SignedIn) -> HttpResponse:
    """What goes when, what the last runs found, and what holds kept back."""
    return render(request, "privacy/retention.html", _retention())


@requires(Permission.RETENTION_READ)
@require_POST
def retention_look(request: SignedIn) -> HttpResponse:
    """A dry run now."""
    retention.sweep(by=request.user, now=clock.now())
    return answer(
        request, "privacy/retention.html#figures", to="retention", say="Looked; nothing was deleted.", **_retention()
    )


def _retention() -> dict[str, Any]:
    runs = list(RetentionRun.objects.select_related("by").order_by("-at")[:SHOWN])
    last = next((run for run in runs if run.applied), None)
    lines = {line["rule"]: line for line in (runs[0].lines if runs else [])}
    return {
        "rules": [
            {"rule": rule, "days": retention.days_of(name), "line": _line(lines.get(name))}
            for name, rule in retention.RULES.items()
        ],
        "runs": [
            {"run": run, **{key: sum(line[key] for line in run.lines) for key in ("rows", "held", "deleted")}}
            for run in runs
        ],
        "newest": runs[0] if runs else None,
        "last": last,
        "next": last.at + retention.EVERY if last else None,
    }


def _line(line: dict[str, Any] | None) -> dict[str, Any] | None:
    return line and {**line, "oldest": parse_datetime(line["oldest"]) if line["oldest"] else None}
