"""What do cases, decisions and actions add to an account's card? Rows of ready values; other lanes do not exist."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from moderation.cases.models import Case
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from risk.intake.models import Account
from risk.scoring import reading

SHOWN = 50


def register() -> None:
    """Have the card of `GET /accounts/{platform}/{id}` filled in from here."""
    reading.register("cases", cases)
    reading.register("decisions", decisions)
    reading.register("enforcements", enforcements)


def cases(account: Account, lanes: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """The account's cases, newest first."""
    rows = Case.objects.filter(account=account, lane__in=lanes).order_by("-id")
    return [
        {"id": str(pk), "lane": lane, "state": state, "queue": queue, "version": version, "risk_type": risk_type}
        for pk, lane, state, queue, version, risk_type in rows.values_list(
            "id", "lane", "status", "queue__slug", "version", "risk_type"
        )[:SHOWN]
    ]


def decisions(account: Account, lanes: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """What was concluded about the account, newest first."""
    rows = Decision.objects.filter(account=account, case__lane__in=lanes).order_by("-made_at", "-id")
    return [
        {
            "id": str(pk),
            "case": str(case),
            "state": state,
            "outcome": outcome,
            "policy": policy,
            "reason_code": code,
            "made_at": made_at,
            "until": until,
        }
        for pk, case, state, outcome, policy, code, made_at, until in rows.values_list(
            "id", "case_id", "status", "outcome", "policy__code", "reason_code__code", "made_at", "until"
        )[:SHOWN]
    ]


def enforcements(account: Account, lanes: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """What was ordered of the platform, newest first."""
    rows = Enforcement.objects.filter(account=account, decision__case__lane__in=lanes).order_by("-seq")
    return [
        {"id": str(pk), "decision": str(decision), "kind": kind, "state": state, "seq": seq, "until": until}
        for pk, decision, kind, state, seq, until in rows.values_list(
            "id", "decision_id", "kind", "status", "seq", "until"
        )[:SHOWN]
    ]
