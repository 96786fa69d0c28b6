"""What changes about strategies?

The shipped ones are published when their file changed; each version stays as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from portal.audit import actions as audit
from portal.audit.actions import Subject
from portal.audit.events import Event
from risk.intake import actions as intake
from risk.intake.models import Account

from . import shipped
from .features import TYPES
from .grammar import check
from .models import NamedList, Rule, Strategy, Version

GROUPS = (
    "identity",
    "device_link",
    "network",
    "graph",
    "velocity",
    "content",
    "engagement",
    "reports",
    "money",
    "history",
    "trust",
)


@transaction.atomic
def ship(*, by: Subject, now: datetime) -> int:
    """Load what is shipped: kinds of signal, named lists, strategies. Idempotent; says how many things changed.

    A strategy or list whose file changed is published as its next version and the one before retired. Raises
    `BadRule` for
    a rule that is no sound condition.
    """
    changed = intake.ship(by=by, now=now)
    changed += sum(publish_list(name, entries, by=by, now=now) for name, entries in shipped.shipped_lists().items())
    published = sum(_publish(told, by=by, now=now) for told in shipped.shipped_strategies())
    if published:
        Account.objects.filter(stale_at__isnull=True).update(stale_at=now)  # every score may be another one now
    return changed + published


@transaction.atomic
def publish_list(name: str, entries: Sequence[str], *, by: Subject, now: datetime) -> bool:
    """Put a new version of a named list in force; False if it is the one in force already."""
    there = NamedList.objects.select_for_update().filter(name=name, in_force=True).first()
    if there is not None and there.entries == list(entries):
        return False
    if there is not None:
        NamedList.objects.filter(pk=there.pk).update(in_force=False)
    number = there.version + 1 if there is not None else 1
    fresh = NamedList.objects.create(name=name, version=number, entries=list(entries), in_force=True, created_at=now)
    audit.record(Event.LIST_PUBLISHED, by=by, of=fresh, now=now, version=number, entries=len(entries))
    return True


def _publish(told: Mapping[str, Any], *, by: Subject, now: datetime) -> bool:
    digest = digest_of(told)
    named = {"title": told["title"], "lane": told["lane"]}
    strategy, _ = Strategy.objects.get_or_create(risk_type=told["risk_type"], defaults=named)
    live = strategy.versions.filter(status=Version.Status.LIVE).first()
    if live is not None and live.digest == digest and named == {name: getattr(strategy, name) for name in named}:
        return False
    Strategy.objects.filter(pk=strategy.pk).update(**named)
    if live is not None:
        Version.objects.move(live, Version.Status.RETIRED)
    last = strategy.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = Version.objects.create(
        strategy=strategy,
        number=last + 1,
        status=Version.Status.LIVE,
        severity=Decimal(str(told["severity"])),
        review=told["review"],
        caps=told.get("caps", {}),
        trust=told.get("trust", True),
        digest=digest,
        published_at=now,
    )
    Rule.objects.bulk_create(_rule(version, at, rule) for at, rule in enumerate(told["rules"]))
    audit.record(
        Event.STRATEGY_PUBLISHED,
        by=by,
        of=version,
        also=[strategy, *([live] if live is not None else [])],
        now=now,
        risk_type=strategy.risk_type,
        version=version.number,
        digest=digest,
    )
    return True


def _rule(version: Version, position: int, told: Mapping[str, Any]) -> Rule:
    if told["group"] not in GROUPS:
        raise ValueError(f"rule {told['key']}: there is no group {told['group']}")
    return Rule(
        version=version,
        position=position,
        key=told["key"],
        group=told["group"],
        points=told["points"],
        half_days=Decimal(str(told["half"])) if told.get("half") is not None else None,
        floor=told.get("floor"),
        when=told["when"],
        says=told["says"],
        digest=check(told["when"], TYPES).digest,
    )


def digest_of(told: Mapping[str, Any]) -> str:
    """SHA-256 over what a version says: severity, review, caps, trust, and each rule with its canonical condition."""
    rules = [
        {**{key: str(value) for key, value in rule.items() if key != "when"}, "when": check(rule["when"], TYPES).digest}
        for rule in told["rules"]
    ]
    body = {**{key: str(told.get(key)) for key in ("risk_type", "lane", "severity", "review", "trust")}, "rules": rules}
    caps = {key: str(value) for key, value in told.get("caps", {}).items()}
    return hashlib.sha256(json.dumps({**body, "caps": caps}, sort_keys=True).encode()).hexdigest()
