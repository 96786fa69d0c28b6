"""What stands on the decide panel? Reads only."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from moderation.cases.models import Case, Workflow
from moderation.enforcement.connector import able_on
from risk.strategy import reading as features

from . import approval
from .effects import OUTCOMES, SCOPES
from .ladder import proposed
from .making import strikes_of, types_of
from .models import Policy, ReasonCode
from .refusals import SURE, beyond
from .word import Word

_OPTIONS = re.compile(r"^(?P<text>.*?)\s*\((?P<options>[^()]*/[^()]*)\)\s*$")


def choices(case: Case, *, now: datetime, workflow: str = "") -> dict[str, Any]:
    """What the panel shows for a case: outcomes and who must agree, reason codes with keys, policies, rungs, questions.

    `workflow` picks one of the risk types the case is about; without one it is the case's own, or that of the first.
    """
    types = sorted(types_of(case)) or list(Workflow.objects.order_by("risk_type").values_list("risk_type", flat=True))
    chosen = workflow if workflow in types else case.risk_type
    flow = Workflow.objects.filter(risk_type=chosen).first() if chosen else None
    codes = list(ReasonCode.objects.filter(workflow__in=["any", chosen]))
    named = Policy.objects.filter(in_force=True)
    policies = {policy.code: policy for policy in named}
    allowed = list(flow.outcomes) if flow else ["no_action"]
    strikes = strikes_of(case, now=now)
    platform = case.account.platform
    able = able_on(platform)
    values = dict(case.score.snapshot) if case.score else {}
    if flow and any(approval.asks(flow.approval, name) for name in allowed):
        values |= features.compute([case.account_id], as_of=now).get(case.account_id, {})
    return {
        "risk_type": chosen,
        "risk_types": types,
        "outcomes": [
            _outcome(name, flow, values) | {"why_not": beyond(Word(name, ""), platform=platform, able=able)}
            for name in allowed
        ],
        "reason_codes": [_code(code, policies) for code in codes],
        "policies": [_policy(policy) for policy in policies.values()],
        "strikes": strikes,
        "rungs": {
            code.code: rung for code in codes if (rung := _rung(policies.get(code.policy), strikes, allowed, now=now))
        },
        "asks": [_question(index, text) for index, text in enumerate(flow.ask if flow else [], start=1)],
        "look_at": list(flow.evidence) if flow else [],
        "notice": flow.notice if flow else "",
        "interim": flow.interim if flow else "",
        "scopes": list(SCOPES),
        "sure": SURE,
    }


def _outcome(name: str, flow: Workflow | None, values: dict[str, Any]) -> dict[str, Any]:
    effect = OUTCOMES[name]
    agreed = flow.approval if flow else {}
    needs, why = approval.needs_second_person(agreed, name, values)
    if not needs and approval.asks(agreed, name) and "until_days" in agreed[name]:
        why = f"A second person where {agreed[name]}."  # it hangs on what is being typed
    waits = (flow.pending if flow else {}).get(name)
    return {
        "code": name,
        "says": effect.says,
        "sends": effect.sends,
        "until": effect.until,
        "scope": effect.scope,
        "severe": effect.severe,
        "second_person": needs,
        "second_person_why": why,
        "pending_days": waits["days"] if waits else None,
        "on_timeout": waits["on_timeout"] if waits else "",
    }


def _code(code: ReasonCode, policies: dict[str, Policy]) -> dict[str, Any]:
    policy = policies.get(code.policy)
    return {
        "code": code.code,
        "workflow": code.workflow,
        "key": code.key,
        "text": code.text,
        "policy": code.policy,
        "policy_title": policy.title if policy else "",
        "label": code.label,
        "note": code.note,
    }


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "code": policy.code,
        "version": policy.version,
        "title": policy.title,
        "text": policy.text,
        "public": policy.public,
        "strikes": policy.strikes,
    }


def _rung(policy: Policy | None, strikes: int, allowed: list[str], *, now: datetime) -> dict[str, Any] | None:
    rung = proposed(strikes=strikes, weight=policy.strikes, allowed=allowed) if policy else None
    if rung is None:
        return None
    until = (now + timedelta(days=rung.days)).isoformat(timespec="minutes") if rung.days else ""
    return {"outcome": rung.outcome, "days": rung.days, "until": until, "says": rung.says}


def _question(index: int, text: str) -> dict[str, Any]:
    found = _OPTIONS.match(text)
    options = [option.strip() for option in found["options"].split("/")] if found else []
    return {"id": str(index), "text": found["text"] if found else text, "options": options}
