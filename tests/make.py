"""How does a test come by a case or a decision? It walks the real actions."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from portal.audit import actions as audit
from portal.audit.events import Event

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROBOT = {  # attributes of an account that the shipped rules take for an automatic one
    "default_profile_image": True,
    "followers_count": 3,
    "posts_count": 900,
    "likes_given_count": 1,
    "following_count": 4,
}
_numbers = itertools.count(1)

# What somebody says who decides a case of each of these types, well formed and without a second person.
WORDS: dict[str, dict[str, Any]] = {
    "spam": {"outcome": "warn", "reason_code": "bulk_messages"},
    "fake_account": {"outcome": "label", "reason_code": "part_of_group"},
    "underage": {"outcome": "restrict", "reason_code": "ask_age", "scope": "minor_mode"},
}
BAN = {"outcome": "ban", "reason_code": "deceptive_link", "note": "sells codes behind a page that copies a bank"}


def ship_settings(*, now: datetime = NOON) -> None:
    """The shipped queues, workflows, policies, reason codes and strategies; twice is once."""
    from moderation.cases import actions as cases
    from moderation.decisions import actions as decisions
    from moderation.enforcement import actions as enforcement
    from portal.people.models import User

    system = User.objects.service("system")
    cases.ship(by=system, now=now)
    decisions.ship(by=system, now=now)
    enforcement.ship(by=system, now=now)
    _name_risk_types(by=system, now=now)


def tell(*things: Any) -> None:
    """Name rows that a test writes itself, past the actions: the database refuses them otherwise, here as in life."""
    first, *others = things
    audit.record(Event.KINDS_PUBLISHED, by="user:0", of=first, also=others, by_hand=True)


@transaction.atomic
def change(rows: Any, **fields: Any) -> None:
    """Change rows of a query by hand, and name them: what a test does to a row that no action would."""
    tell(*rows)
    rows.update(**fields)


@transaction.atomic
def _name_risk_types(*, by: Any, now: datetime) -> None:
    """The risk types alone, without the rules that make scores: quick, and a test makes the scores it needs."""
    from risk.strategy.models import Strategy

    for risk_type in ("spam", "fake_account", "bullying", "account_takeover", "underage"):
        told = {
            "title": risk_type.replace("_", " ").capitalize(),
            "lane": "minors" if risk_type == "underage" else "general",
        }
        strategy, fresh = Strategy.objects.get_or_create(risk_type=risk_type, defaults=told)
        if fresh:
            audit.record(Event.STRATEGY_PUBLISHED, by=by, of=strategy, now=now, risk_type=risk_type)


def make_row_account(*, external_id: str = "", lang: str = "en", now: datetime = NOON, **attributes: Any) -> Any:
    """An account as intake would write it, without a signal behind it."""
    from risk.intake.models import Account

    number = next(_numbers)
    return Account.objects.create(
        platform="main", external_id=external_id or f"t{number}", lang=lang, first_seen_at=now, last_seen_at=now,
        attributes=attributes, attributes_at=now,
    )  # fmt: skip


def make_score(account: Any, *, risk_type: str = "spam", shown: int = 60, model: str = "", now: datetime = NOON) -> Any:
    """A score as scoring would write it, with one reason; the older one of its type is no longer the latest."""
    from moderation.cases import evidence
    from risk.scoring.models import Reason, Score

    severity = {"spam": 6, "fake_account": 6, "bullying": 9, "account_takeover": 9}.get(risk_type, 0)
    Score.objects.filter(account=account, risk_type=risk_type, model=model, latest=True).update(latest=False)
    plain = {name: value for name, value in account.attributes.items() if not isinstance(value, dict)}
    score = Score.objects.create(
        account=account, risk_type=risk_type, model=model, raw=shown, shown=shown, band="review",
        urgency=severity * shown,
        at=now,
        snapshot=plain, snapshot_digest=bytes.fromhex(evidence.features(plain)), opens=shown >= 50,
    )  # fmt: skip
    if not model:
        Reason.objects.create(
            score=score,
            position=1,
            rule="some_rule",
            group="content",
            title="posts a lot",
            points=shown,
            before_cap=shown,
        )
    return score


def make_case(
    *, at: str = "waiting", by: Any = None, risk_type: str = "spam", shown: int = 60, queue: str = "",
    account: Any = None,
    now: datetime = NOON, lang: str = "en", **attributes: Any,
) -> Any:  # fmt: skip
    """A case in its queue, or (`at="claimed"`) held by somebody."""
    from moderation.cases import actions, catalogue, routing
    from moderation.cases.models import Queue
    from portal.people.models import User

    ship_settings(now=now)
    account = account or make_row_account(lang=lang, now=now, **attributes)
    score = make_score(account, risk_type=risk_type, shown=shown, now=now) if risk_type else None
    slug = queue or routing.route(catalogue.routes(), routing.Facts(risk_type=risk_type or None)).to
    line = Queue.objects.get(slug=slug)
    case = actions.open_case(
        account, queue=line, lane=line.lane, risk_type=risk_type, score=score, why="posts a lot", opened_by="score",
        by=User.objects.service("system"), now=now,
    )  # fmt: skip
    return case if at == "waiting" else actions.claim(case, by=by, now=now, limits=False)


def make_decision(*, at: str = "held", by: Any, case: Any = None, now: datetime = NOON, **word: Any) -> Any:
    """A decision by somebody: `proposed` (a ban), `held` in its undo window, or `released`."""
    from moderation.decisions import actions

    case = case or make_case(at="claimed", by=by, now=now)
    word = word or (BAN if at == "proposed" else WORDS[case.risk_type])
    return actions.decide(
        case, by=by, now=now, version=case.version, request_key=f"key-{next(_numbers)}",
        undo_seconds=0 if at == "released" else 10, **word,
    )  # fmt: skip


def later(**some: float) -> datetime:
    """A time after noon: `later(minutes=5)`."""
    return NOON + timedelta(**some)


def make_signal(kind: str = "account", *, account: str = "", at: datetime = NOON, **parts: Any) -> dict[str, Any]:
    """A raw signal as somebody would send it: `attributes`, `data`, `links` (pairs) and `scores` as given."""
    number = next(_numbers)
    raw: dict[str, Any] = {
        "source": parts.pop("source", "test"),
        "external_id": parts.pop("external_id", f"s{number}"),
        "kind": kind,
        "occurred_at": at.isoformat(),
        "account": {"platform": "main", "id": account or f"a{number}", "attributes": parts.pop("attributes", {})},
        "links": [{"kind": link, "value": value} for link, value in parts.pop("links", ())],
    }
    return raw | parts


def make_account(name: str = "", *, now: datetime = NOON, **attributes: Any) -> Any:
    """An account that came in as a signal, through the real intake."""
    from portal.people.models import User
    from risk.intake import actions
    from risk.intake.models import Account

    system = User.objects.service("system")
    actions.ship(by=system, now=now)
    raw = make_signal(account=name, at=now, attributes=attributes)
    receipt = actions.ingest([raw], by=system, now=now, door="seed")
    assert not receipt.rejected, receipt.rejected
    return Account.objects.get(platform="main", external_id=raw["account"]["id"])
