"""What does an auditor see of frozen evidence? Each part by name, whether it is unchanged, and where each copy went."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from moderation.cases.models import Case, Evidence
from moderation.cases.rechecking import recheck, written_of
from portal import clock
from portal.audit.models import WHEN
from portal.people.models import User
from portal.people.permissions import Permission, requires

from . import actions, naming

MOST_COPIES = 500


@requires(Permission.AUDIT_READ)
@require_GET
def evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """One frozen evidence, checked now."""
    user: User = request.user  # type: ignore[assignment]
    now, found = clock.now(), _seen(request, pk)
    parts = recheck(found)
    bad = [part for part in parts if not part.sound]
    actions.view_evidence(found, by=user, now=now, verdict="changed" if bad else "unchanged")
    custody = written_of(found).annotate(when=WHEN).order_by("id")[:MOST_COPIES]
    context = {
        "evidence": found,
        "digest": bytes(found.digest).hex(),
        "size": len(found.body),
        "parts": parts,
        "bad": bad,
        "custody": naming.lines(list(custody), viewer=user, now=now),
        "sealed": found.case.status == Case.Status.HANDED_OFF,
        "checked_at": now,
    }
    return render(request, "insight/evidence.html", context)


@requires(Permission.AUDIT_READ)
@require_POST
def evidence_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """The canonical bytes as a file; its taking is written down first."""
    user: User = request.user  # type: ignore[assignment]
    found = _seen(request, pk)
    body = actions.copy_evidence(found, by=user, now=clock.now())
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="reeve-evidence-{found.pk}.json"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(body, content_type="application/json", headers=headers)


def _seen(request: HttpRequest, pk: int) -> Evidence:
    """The evidence, if this person may know of its case; 404 otherwise."""
    visible = Evidence.objects.filter(case__in=Case.objects.visible_to(request.user))  # type: ignore[arg-type]
    return get_object_or_404(visible.select_related("case__account", "collected_by"), pk=pk)
