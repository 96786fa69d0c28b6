"""What will the account holder read, and what did they? Shown before a decision, to who agrees, and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from moderation.cases.models import Case
from moderation.decisions import telling
from moderation.decisions.effects import OUTCOMES
from moderation.decisions.models import Decision, Policy, ReasonCode
from moderation.enforcement.models import Enforcement, Notice
from portal.privacy.actions import open_values

from . import forms

UNKNOWN = "the number it gets"  # a decision that is not made yet has none
GONE = {
    Enforcement.Status.SUPERSEDED: "overtaken before it was sent",
    Enforcement.Status.CANCELLED: "cancelled before it was sent",
    Enforcement.Status.SKIPPED: "given up by a lead",
    Enforcement.Status.MOOT: "the account is gone",
}


def preview(case: Case, data: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """What follows from what is filled in: the words, or why there are none; nothing where too little is said."""
    outcome, effect = str(data.get("outcome", "")), OUTCOMES.get(str(data.get("outcome", "")))
    if effect is None or not effect.sends:
        return {}
    code = str(data.get("policy") or "") or (
        ReasonCode.objects.filter(code=str(data.get("reason_code", ""))[:32]).values_list("policy", flat=True).first()
        or ""
    )
    policy = Policy.objects.filter(code=code[:32], in_force=True).first() if code else None
    until = forms.until_in(data, now=now) if effect.until != "no" else None
    scope = str(data.get("scope", "")) if effect.scope else ""
    if policy is None or (effect.until == "must" and until is None) or (effect.scope and not scope):
        return {}
    return _of(case, outcome=outcome, policy=policy, until=until, scope=scope, now=now, notify=not data.get("silent"))


def _of(
    case: Case, *, outcome: str, policy: Policy | None, until: datetime | None, scope: str, now: datetime, notify: bool
) -> dict[str, Any]:
    code = policy.code if policy else ""
    why, sentence = telling.untold(outcome=outcome, policy=code, platform=case.account.platform, notify=notify)
    if why:
        return {"why": sentence if why != telling.BY_NATURE else ""}
    words = telling.words(
        case, outcome=outcome, policy=policy, until=until, scope=scope, date=now, reference=UNKNOWN
    )  # fmt: skip
    return _shown(words["template"], words["version"], words["language"], words["text"])


def _shown(template: str, version: int, language: str, text: str) -> dict[str, Any]:
    """The words in two parts: what is said, and how to appeal, which is alike in all."""
    said, _, closing = text.partition("\n\n")
    return {"template": template, "version": version, "language": language, "said": said, "closing": closing}


def of_decisions(rows: Iterable[Decision], *, now: datetime) -> dict[UUID, dict[str, Any]]:
    """What the account holder was or will be told of each decision; one that nobody could be told of is missing."""
    rows = list(rows)
    notices = {
        notice.decision_id: notice
        for notice in Notice.objects.filter(decision__in=[row.pk for row in rows]).select_related("order", "effect")
    }
    texts = open_values([notice.text for notice in notices.values()]) if notices else {}
    found = {}
    for row in rows:
        told = _told(row, notices.get(row.pk), texts, now=now)
        if told.get("said") or told.get("why"):
            found[row.pk] = told
    return found


def _told(row: Decision, notice: Notice | None, texts: dict[UUID, str], *, now: datetime) -> dict[str, Any]:
    if notice is not None:
        text = texts.get(notice.text, "(erased)")
        return _shown(notice.template, notice.version, notice.language, text) | _state(notice)
    policy = row.policy.code if row.policy else ""
    if row.untold:
        return {"why": telling.said_of(row.untold, outcome=row.outcome, policy=policy)}
    if row.status not in (Decision.Status.PROPOSED, Decision.Status.HELD) or row.reverses_id:
        return {}
    shown = _of(
        row.case, outcome=row.outcome, policy=row.policy, until=row.until, scope=row.scope, now=now, notify=row.notify
    )
    return shown | {"state": "will be told once it is in force", "tone": ""}


def _state(notice: Notice) -> dict[str, Any]:
    order, effect = notice.order, notice.effect
    if notice.delivered_at:
        return {"state": "delivered", "tone": "ok", "at": notice.delivered_at}
    if notice.dropped_at:
        return {"state": f"not sent: {notice.dropped_why}", "tone": ""}
    if order is not None and order.status in GONE:
        return {"state": f"not delivered: {GONE[Enforcement.Status(order.status)]}", "tone": "warn"}
    if order is not None:
        stands = order.status in Enforcement.STANDS
        return {"state": "could not be delivered" if stands else "on its way", "tone": "danger" if stands else "warn"}
    if effect is not None and effect.status in GONE:
        return {"state": f"not sent: {GONE[Enforcement.Status(effect.status)]}", "tone": ""}
    return {"state": "told once it is in force", "tone": ""}
