"""What can be decided here, drawn? The choices with keys, the draft filled in, what each reason suggests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from moderation.cases.models import Case, Draft
from moderation.decisions.ladder import LADDER
from moderation.decisions.reading import choices
from portal.people.models import User
from portal.privacy.actions import open_value
from portal.wording import day, plain

from .forms import UNTIL_DAYS
from .notice import preview

OUTCOME_KEYS = {
    "no_action": "o",
    "warn": "w",
    "label": "l",
    "limit_reach": "d",
    "restrict": "r",
    "suspend": "s",
    "ban": "x",
    "demonetize": "m",
    "hold_payout": "h",
    "secure": "c",
    "verify_age": "v",
}
PROTECTS = {"SEC-1.1": "secure", "MIN-1.2": "verify_age"}  # policies without a strike whose outcome is a protection


def panel(case: Case, *, by: User, now: datetime, workflow: str = "") -> dict[str, Any]:
    """Everything the decide panel shows, with this person's draft filled in."""
    said = choices(case, now=now, workflow=workflow)
    draft = Draft.objects.filter(case=case, user=by).first()
    body: dict[str, Any] = dict(draft.body) if draft else {}
    policies = {policy["code"]: policy for policy in said["policies"]}
    allowed = [outcome["code"] for outcome in said["outcomes"] if not outcome["why_not"]]
    unable = [outcome["says"] for outcome in said["outcomes"] if outcome["why_not"]]
    local = timezone.localtime(now)
    return {
        "risk_type": said["risk_type"],
        "risk_types": said["risk_types"] if len(said["risk_types"]) > 1 else [],
        "reasons": [
            _reason(code, said, policies, allowed, chosen=body.get("reason_code", "")) for code in said["reason_codes"]
        ],
        "outcomes": [
            {
                **outcome,
                "key": OUTCOME_KEYS.get(outcome["code"], ""),
                "chosen": outcome["code"] == body.get("outcome") and not outcome["why_not"],
            }
            for outcome in said["outcomes"]
        ],
        "unable": f"Nobody can do this on {case.account.platform}: {', '.join(unable)}." if unable else "",
        "policies": list(policies.values()),
        "policy": body.get("policy", ""),
        "until": [_until(days, local, chosen=str(body.get("until_days", ""))) for days in UNTIL_DAYS],
        "until_date": body.get("until_date") or _date_of(body.get("until")),
        "until_least": (local + timedelta(days=1)).date().isoformat(),
        "scopes": [
            {"code": scope, "word": plain(scope), "chosen": scope == body.get("scope")} for scope in said["scopes"]
        ],
        "asks": [_ask(question, body.get("answers") or {}) for question in said["asks"]],
        "look_at": said["look_at"],
        "note": (open_value(draft.note) or "") if draft and draft.note else "",
        "draft_at": draft.saved_at if draft else None,
        "undo_seconds": by.undo_seconds,
        "sure": said["sure"],
        **_sent(case, body, now=now),
    }


def _sent(case: Case, body: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """What is sent along, and what the account holder will read of the draft, unless it says that nobody is told."""
    silent = body.get("silent") == "yes" or body.get("notify") is False
    return {
        "made_at": now.isoformat(),
        "request_key": uuid4().hex,
        "silent": silent,
        "holder": preview(case, {**body, "silent": silent}, now=now),
    }


def _reason(
    code: Mapping[str, Any], said: Mapping[str, Any], policies: Mapping[str, Any], allowed: list[str], *, chosen: str
) -> dict[str, Any]:
    rung = said["rungs"].get(code["code"])
    suggests = "no_action" if not code["policy"] else PROTECTS.get(code["policy"], rung["outcome"] if rung else "")
    policy = policies.get(code["policy"])
    ladder = ""
    if rung and policy:
        reached = min(said["strikes"] + policy["strikes"], len(LADDER))
        ladder = f"Ladder: strike {reached} of {len(LADDER)} with this one, which proposes: {rung['says'].lower()}."
    return {
        **code,
        "policy": policy,
        "chosen": code["code"] == chosen,
        "suggests": suggests if suggests in allowed else "",
        "days": (rung["days"] if rung else 0) or "",
        "ladder": ladder,
    }


def _until(days: int, local: datetime, *, chosen: str) -> dict[str, Any]:
    return {
        "days": days,
        "word": f"{days} days",
        "day": day(local + timedelta(days=days)),
        "chosen": chosen == str(days),
    }


def _date_of(until: Any) -> str:
    try:
        when = parse_datetime(str(until)) if until else None
    except ValueError:
        return ""
    return timezone.localtime(when).date().isoformat() if when else ""


def _ask(question: Mapping[str, Any], answers: Mapping[str, str]) -> dict[str, Any]:
    given = answers.get(question["id"], "")
    return {
        **question,
        "given": given,
        "options": [{"word": word, "chosen": word == given} for word in question["options"]],
    }
