"""Who may open this door? Permissions are `noun.verb`, and every URL states its own with `@requires`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from rest_framework.permissions import IsAuthenticated

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from .models import User

View = TypeVar("View", bound=Callable[..., Any])


class SignedIn(HttpRequest):
    """A request as views behind `@requires` see it: its user is one of ours."""

    user: User
    htmx: HtmxDetails


class Permission(StrEnum):
    """What a role may do. Alphabetical; the value is what stands in the people page and in refusals."""

    ACCOUNT_ERASE = "account.erase"
    ACCOUNT_READ = "account.read"
    AUDIT_READ = "audit.read"
    BACKEND_OPERATE = "backend.operate"
    CAP_OPEN = "cap.open"
    CASE_CLAIM = "case.claim"
    CASE_READ = "case.read"
    CASE_REASSIGN = "case.reassign"
    DASHBOARD_OWN = "dashboard.own"
    DASHBOARD_READ = "dashboard.read"
    DECISION_APPROVE = "decision.approve"
    DECISION_BULK = "decision.bulk"
    DECISION_MAKE = "decision.make"
    DECISION_REVERSE = "decision.reverse"
    ENFORCEMENT_READ = "enforcement.read"
    ENFORCEMENT_RETRY = "enforcement.retry"
    EXPORT_MAKE = "export.make"
    HOLD_AGREE = "hold.agree"
    HOLD_ASK = "hold.ask"
    LANE_HOLDS = "lane.holds"
    LANE_MINORS = "lane.minors"
    LANE_SAFETY = "lane.safety"
    PEOPLE_MANAGE = "people.manage"
    PERSONAL_OWN = "personal.own"
    PERSONAL_REVEAL = "personal.reveal"
    RETENTION_READ = "retention.read"
    REVEAL_REVIEW = "reveal.review"
    SETTINGS_READ = "settings.read"
    SIGNAL_WRITE = "signal.write"
    STRATEGY_READ = "strategy.read"


def requires(*permissions: Permission) -> Callable[[View], View]:
    """Let through a signed-in person who has one of the permissions; with none named, any signed-in person.

    Works on Django views and DRF function views alike (put it outermost). Not signed in: to the sign-in page; signed in
    without the permission: 403. The house test reads `view.requires`.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            if permissions and not any(request.user.may(permission) for permission in permissions):
                raise PermissionDenied(
                    f"This needs the permission {' or '.join(permissions)}, which your roles do not have."
                )
            return view(request, *args, **kwargs)  # type: ignore[no-any-return]

        guarded.requires = permissions  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page with the way back; htmx is told to go there whole instead of swapping it into a part."""
    if request.headers.get("HX-Request"):
        back = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
        return HttpResponse(status=401, headers={"HX-Redirect": f"{reverse('sign-in')}?{urlencode({'next': back})}"})
    return redirect(f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()})}")


def open_to_all(view: View) -> View:
    """Mark the few doors that need nobody signed in: the sign-in page and health."""
    view.requires = None  # type: ignore[attr-defined]
    return view


def api_requires(*permissions: Permission) -> Callable[[View], View]:
    """The same for DRF function views: put it between `@api_view` and the function.

    Nobody signed in: 401 (DRF sees to it first); without a permission: 403; both as problem documents. `@api_view`
    takes `permission_classes` over from the function to the view it makes, and there `requirements()` finds them.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            if permissions and not any(request.user.may(permission) for permission in permissions):
                raise PermissionDenied(
                    f"This needs the permission {' or '.join(permissions)}, which this key does not have."
                )
            return view(request, *args, **kwargs)

        guarded.permission_classes = [type("SignedIn", (IsAuthenticated,), {"requires": permissions})]  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def requirements(view: Callable[..., Any]) -> tuple[Permission, ...] | None:
    """What a view of the URL list asks for: permissions, none in particular (`()`), or None where it is open to all.

    Raises `AttributeError` for a view that says nothing; the house test walks every URL with it.
    """
    for guard in getattr(getattr(view, "cls", None), "permission_classes", ()):
        if hasattr(guard, "requires"):
            return guard.requires  # type: ignore[no-any-return]
    return view.requires  # type: ignore[attr-defined, no-any-return]
