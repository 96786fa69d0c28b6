"""What does a person see of themselves? The door in and the door out."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from . import actions
from .forms import SignInForm
from .models import User
from .permissions import Permission, open_to_all, requires

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
            actions.signed_in(user, now=timezone.now())
            safe = url_has_allowed_host_and_scheme(goal, {request.get_host()}, require_https=request.is_secure())
            return redirect(goal if safe and goal != "/" else resolve_url(home_of(user)))
        known = User.objects.filter(username=request.POST.get("username", "")[:64]).first()
        actions.sign_in_refused(known, by=User.objects.service("system"), now=timezone.now())
    return render(request, "people/sign_in.html", {"form": form, "next": goal}, status=401 if form.errors else 200)


@requires()
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    actions.signed_out(request.user, now=timezone.now())  # type: ignore[arg-type]
    logout(request)
    return redirect("sign-in")
