"""What does time do? Pending cases meet their default, unanswered proposals return; silence approves nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from moderation.cases import actions as cases
from moderation.cases.models import Case, Workflow
from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User

from .making import Settled, as_draft, write
from .models import Decision, Policy, ReasonCode
from .releasing import PARTS, move, names
from .word import Word

NO_ANSWER = "no_answer"


def expire_pending(*, now: datetime, limit: int = 200) -> int:
    """Give each pending case whose day has come its default, each in its own transaction; returns how many."""
    over = Case.objects.filter(status=Case.Status.PENDING, pending_until__lte=now)
    due = list(over.order_by("pending_until").values_list("pk", flat=True)[:limit])
    met = 0
    for pk in due:
        with transaction.atomic():
            waiting = over.filter(pk=pk).select_related("account", "queue", "score")
            if case := waiting.select_for_update(skip_locked=True, of=("self",)).first():
                _meet_default(case, by=User.objects.service("system"), now=now)
                met += 1
    return met


def expire_proposals(*, now: datetime, limit: int = 200) -> int:
    """Return proposals nobody answered in time, or whose author has left: the case waits, the proposal is a draft."""
    stale = Q(made_at__lte=now - timedelta(hours=settings.APPROVAL_EXPIRES_HOURS)) | Q(made_by__is_active=False)
    over = Decision.objects.proposed().filter(stale)
    returned = 0
    for pk in list(over.order_by("made_at").values_list("pk", flat=True)[:limit]):
        with transaction.atomic():
            locked = over.filter(pk=pk).select_for_update(skip_locked=True, of=("self",))
            if decision := locked.select_related(*PARTS, "made_by").first():
                _withdraw(decision, by=User.objects.service("system"), now=now)
                returned += 1
    return returned


def _meet_default(case: Case, *, by: User, now: datetime) -> None:
    if case.pending_default == "ban proposed" and (settled := _for_no_answer(case)):
        word = Word("ban", NO_ANSWER, policy=settled.policy.code if settled.policy else "")
        version = case.version
        cases.conclude(case, to=Case.Status.PROPOSED, by=by, now=now)
        write(
            case,
            word,
            settled,
            by=by,
            now=now,
            version=version,
            request_key=f"deadline:{case.pk}:{version}",
            undo_seconds=0,
        )
    elif case.pending_default == "hold ends":
        # The hold carries its own end, and enforcement lifts it on that day: here only the case is closed.
        cases.conclude(case, to=Case.Status.DECIDED, by=by, now=now)
    else:
        cases.give_back(case, by=by, now=now, why="deadline")


def _for_no_answer(case: Case) -> Settled | None:
    reason = ReasonCode.objects.filter(code=NO_ANSWER, workflow=case.risk_type).first()
    workflow = Workflow.objects.filter(risk_type=case.risk_type).first()
    if reason is None or workflow is None:
        return None
    policy = Policy.objects.filter(code=reason.policy, in_force=True).first()
    return Settled(workflow, reason, policy, True, "No answer came in time; a ban needs a person's word.")


def _withdraw(decision: Decision, *, by: User, now: datetime) -> None:
    reverses = decision.reverses_id is not None
    move(decision, Decision.Status.UNDONE, ended_at=now, **({"reverses": None} if reverses else {}))
    audit.record(Event.DECISION_WITHDRAWN, by=by, of=decision, also=names(decision), now=now, outcome=decision.outcome)
    if not reverses:
        case = Case.objects.select_related("queue", "account").get(pk=decision.case_id)
        cases.give_back(case, by=by, now=now, why="proposal")
        cases.save_draft(case, by=decision.made_by, now=now, body=as_draft(decision), note=decision.note)
