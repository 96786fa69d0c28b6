"""Which policies and reason codes are in force? Shipped from `defaults/`, changed by publishing, read by people."""

from __future__ import annotations

import csv
import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused

from .models import Acknowledgement, Policy, ReasonCode

DEFAULTS = Path(__file__).parent / "defaults"


@transaction.atomic
def ship(*, by: User, now: datetime) -> int:
    """Add the shipped policies and reason codes that are not there yet; returns how many policies. Twice is once."""
    known = set(Policy.objects.values_list("code", flat=True))
    fresh = [
        Policy(
            code=told["id"],
            version=told["v"],
            since=now,
            **{name: told[name] for name in ("title", "text", "public", "strikes", "dsa")},
        )
        for told in _policies()
        if told["id"] not in known
    ]
    Policy.objects.bulk_create(fresh)
    audit.record_many(
        [
            (Event.POLICY_PUBLISHED, policy, [], {"version": policy.version, "strikes": policy.strikes})
            for policy in fresh
        ],
        by=by,
        now=now,
    )
    codes = set(ReasonCode.objects.values_list("code", flat=True))
    added = [code for code in _reason_codes() if code.code not in codes]
    ReasonCode.objects.bulk_create(added)
    if added:
        audit.record(Event.REASONS_PUBLISHED, by=by, of=added[0], also=added[1:], now=now, codes=len(added))
    return len(fresh)


@transaction.atomic
def publish_policy(code: str, *, by: User, now: datetime, **changes: Any) -> Policy:
    """Put a new version of a policy in force; what is not named stays. People read it before they claim again."""
    old = Policy.objects.select_for_update().filter(code=code, in_force=True).first()
    if old is None:
        raise Refused(f"There is no policy {code} in force.", status=404)
    kept = {name: getattr(old, name) for name in ("title", "text", "public", "strikes", "dsa", "delay_minutes_max")}
    Policy.objects.filter(pk=old.pk).update(in_force=False)
    policy = Policy.objects.create(code=code, version=old.version + 1, since=now, **kept | changes)
    audit.record(
        Event.POLICY_PUBLISHED,
        by=by,
        of=policy,
        now=now,
        version=policy.version,
        strikes=policy.strikes,
        changed=sorted(changes),
    )
    return policy


@transaction.atomic
def acknowledge(policy: Policy, *, by: User, now: datetime) -> Acknowledgement:
    """Somebody has read a policy; twice is once."""
    read, fresh = Acknowledgement.objects.get_or_create(policy=policy, user=by, defaults={"at": now})
    if fresh:
        audit.record(Event.POLICY_ACKNOWLEDGED, by=by, of=policy, now=now, version=policy.version)
    return read


@cache
def _policies() -> list[dict[str, Any]]:
    shipped: list[dict[str, Any]] = tomllib.loads((DEFAULTS / "policies.toml").read_text(encoding="utf-8"))["policy"]
    return shipped


def _reason_codes() -> list[ReasonCode]:
    with (DEFAULTS / "reason_codes.csv").open(encoding="utf-8", newline="") as rows:
        return [
            ReasonCode(position=position, **{**row, "note": row["note"] == "yes"})
            for position, row in enumerate(csv.DictReader(rows), start=1)
        ]
