"""What does a person see of people? The door in, the door out, and for admins who may do what."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login, logout
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import clock
from portal.answer import answer
from portal.refusal import Refused

from . import actions
from .forms import SignInForm
from .models import Grant, ServiceKey, User
from .permissions import Permission, open_to_all, requires
from .roles import ROLES

# Where each kind of person begins, first match wins; nobody lands on a page their roles do not open.
HOMES = (
    (Permission.CASE_CLAIM, "desk"),
    (Permission.DASHBOARD_READ, "dashboard"),
    (Permission.AUDIT_READ, "log"),
    (Permission.ENFORCEMENT_READ, "outbox"),
    (Permission.PEOPLE_MANAGE, "people"),
)


def home_of(user: User) -> str:
    """The URL name of the page a person starts on."""
    return next((page for permission, page in HOMES if user.may(permission)), "profile")


@open_to_all
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; `next` is followed only within this site."""
    if request.user.is_authenticated and request.method == "GET":
        return redirect(home_of(request.user))
    form = SignInForm(request, data=request.POST or None)
    goal = request.POST.get("next") or request.GET.get("next") or ""
    if request.method == "POST":
        if form.is_valid():
            user: User = form.get_user()
            login(request, user)
            actions.signed_in(user, now=clock.now(), password=form.cleaned_data["password"])
            safe = url_has_allowed_host_and_scheme(goal, {request.get_host()}, require_https=request.is_secure())
            return redirect(goal if safe and goal != "/" else resolve_url(home_of(user)))
        known = User.objects.filter(username=request.POST.get("username", "")[:64]).first()
        actions.sign_in_refused(known, by=User.objects.service("system"), now=clock.now())
    return render(request, "people/sign_in.html", {"form": form, "next": goal}, status=401 if form.errors else 200)


@requires()
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    actions.signed_out(request.user, now=clock.now())  # type: ignore[arg-type]
    logout(request)
    return redirect("sign-in")


# --- The people page: who may do what, since when and by whom -------------------------------------------------------


@requires(Permission.PEOPLE_MANAGE)
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """Everybody with their roles and keys; the roles as they stand in the code."""
    return render(request, "people/people.html", _people())


@requires(Permission.PEOPLE_MANAGE)
@require_POST
def people_grant(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a role."""
    user, role = get_object_or_404(User, pk=pk), request.POST.get("role", "")
    actions.grant(user, role, by=request.user, now=clock.now())  # type: ignore[arg-type]
    return _people_answer(request, f"{user} now has the role {role}.")


@requires(Permission.PEOPLE_MANAGE)
@require_POST
def people_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a role back."""
    user, role = get_object_or_404(User, pk=pk), request.POST.get("role", "")
    actions.revoke(user, role, by=request.user, now=clock.now())  # type: ignore[arg-type]
    return _people_answer(request, f"{user} no longer has the role {role}.")


@requires(Permission.PEOPLE_MANAGE)
@require_POST
def people_disable(request: HttpRequest, pk: int) -> HttpResponse:
    """End somebody's access at once."""
    user = get_object_or_404(User, pk=pk)
    actions.disable(user, by=request.user, now=clock.now())  # type: ignore[arg-type]
    return _people_answer(request, f"{user} is disabled: sessions ended, keys retired.")


@requires(Permission.PEOPLE_MANAGE)
@require_POST
@sensitive_post_parameters()
@never_cache
def key_issue(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a key and show it this once: the answer is the page itself, since the key is stored nowhere."""
    user = get_object_or_404(User, pk=pk, is_active=True)
    if user.kind != User.Kind.SERVICE:
        raise Refused("A key acts as its owner, so an admin gets none of a person; keys here are for services.")
    title = request.POST.get("title", "").strip()[:100] or "API key"
    key, value = actions.issue_key(user, by=request.user, now=clock.now(), title=title)  # type: ignore[arg-type]
    return render(request, "people/people.html", _people() | {"issued": key, "value": value})


@requires(Permission.PEOPLE_MANAGE)
@require_POST
def key_retire(request: HttpRequest, pk: int) -> HttpResponse:
    """End a key."""
    key = get_object_or_404(ServiceKey.objects.select_related("user"), pk=pk)
    actions.retire_key(key, by=request.user, now=clock.now())  # type: ignore[arg-type]
    return _people_answer(request, f"The key {key} is retired.")


def _people() -> dict[str, Any]:
    grants = Grant.objects.in_force().select_related("granted_by").order_by("granted_at")
    keys = ServiceKey.objects.filter(retired_at__isnull=True).order_by("created_at")
    users = User.objects.order_by("kind", "-is_active", "username").prefetch_related(
        Prefetch("grants", grants, to_attr="held"), Prefetch("keys", keys, to_attr="held_keys")
    )
    titles = {name: role.title for name, role in ROLES.items()}
    return {"people": users, "roles": ROLES.values(), "titles": titles}


def _people_answer(request: HttpRequest, say: str) -> HttpResponse:
    return answer(request, "people/people.html#list", to="people", say=say, **_people())
