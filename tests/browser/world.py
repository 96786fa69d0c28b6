"""Which small world do the browser tests walk in? People with passwords, hostile words, cases, decisions, effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .words import HOSTILE, PAYLOADS, SPAM_REASONS

PASSWORD = "a-long-word-for-tests"
PEOPLE = {
    "ada": ("reviewer",),
    "milo": ("reviewer",),
    "ben": ("lead",),
    "ruth": ("specialist",),
    "noor": ("analyst",),
    "vera": ("auditor",),
    "pia": ("privacy",),
    "otto": ("operator",),
    "sam": ("admin",),
    "cleo": (),
}


@dataclass
class World:
    """The people and things by name."""

    now: datetime
    people: dict[str, Any] = field(default_factory=dict)
    cases: dict[str, Any] = field(default_factory=dict)
    decisions: dict[str, Any] = field(default_factory=dict)


def tell(now: datetime) -> World:
    """Build it through the real actions, as far as they exist."""
    from portal.people.models import User
    from risk.strategy import actions as strategies
    from tests import make

    world = World(now)
    _people(world)
    strategies.ship(by=User.objects.service("system"), now=now - timedelta(days=2))
    make.ship_settings(now=now - timedelta(days=2))
    _spam_story(world)
    _others(world)
    _hostile_words(world)
    _decided(world)
    _changed_policy(world)
    _revealed(world)
    _held(world)
    return world


def _people(world: World) -> None:
    from portal.people import actions
    from portal.people.models import User

    system = User.objects.service("system")
    for name, roles in PEOPLE.items():
        told = {"password": PASSWORD, "display_name": name.capitalize(), "languages": ("en", "es")}
        user = actions.create_user(name, by=system, now=world.now, **told)
        for role in roles:
            actions.grant(user, role, by=system, now=world.now)
        world.people[name] = User.objects.get(pk=user.pk)


def _told(world: World, *signals: dict[str, Any]) -> None:
    from portal.people.models import User
    from risk.intake import actions

    receipt = actions.ingest(list(signals), by=User.objects.service("system"), now=world.now, door="seed")
    assert not receipt.rejected, receipt.rejected


def _signal(name: str, kind: str, account: str, at: datetime, **more: Any) -> dict[str, Any]:
    attributes = more.pop("attributes", {})
    return {
        "source": more.pop("source", "app"),
        "external_id": name,
        "kind": kind,
        "occurred_at": at.isoformat(),
        "account": {"platform": "main", "id": account, "attributes": attributes},
        **more,
    }


def _account(external_id: str) -> Any:
    from risk.intake.models import Account

    return Account.objects.get(platform="main", external_id=external_id)


def _spam_story(world: World) -> None:
    now, old = world.now, world.now - timedelta(days=12)
    sign_up = {"app_version": "4.1", "method": "email", "user_agent": "x", "network": "datacentre", "seconds": 31}
    report = {"reason": "scam link", "text": "Wanted my card number.", "language": "en"}
    device = [{"kind": "device", "value": "device-of-the-ring"}]
    attributes = {
        "handle": "lucky_winter_deals",
        "followers_count": 12,
        "following_count": 604,
        "posts_count": 37,
        "country": "south",
        "lang": "en",
        "created_on": (now - timedelta(days=18)).date().isoformat(),
    }
    _told(
        world,
        _signal(
            "a-1", "registration", "70231", now - timedelta(days=18), attributes=attributes, links=device, data=sign_up
        ),
        _signal(
            "m-1",
            "message",
            "70231",
            now - timedelta(minutes=40),
            data={
                "sent": 96,
                "distinct_targets": 92,
                "replies": 1,
                "near_duplicates": 214,
                "window_minutes": 29,
                "sample": HOSTILE,
            },
        ),
        *(
            _signal(
                f"r-{n}",
                "user_report",
                "70231",
                now - timedelta(minutes=30 - n),
                source="app-reports",
                data={**report, "reporter": f"99{n}"},
            )
            for n in range(8)
        ),
        *(
            _signal(
                f"l-{n}",
                "registration",
                f"7024{n}",
                old,
                links=device,
                attributes={"handle": f"prize_sender_{n}"},
                data=sign_up,
            )
            for n in range(5)
        ),
    )
    account = _account("70231")
    _score(account, "fake_account", 65, now=now)
    _score(account, "bullying", 5, now=now)
    _score(account, "spam", 90, now=now, model="spamnet-4")
    score = _score(account, "spam", 90, now=now, reasons=SPAM_REASONS)
    score.missing = {"sp_known_phishing": ["top_domain"]}
    score.save()
    world.cases["spam"] = _open(world, account, "spam", "spam", 90, score=score, why="214 near copies in an hour")


def _score(account: Any, risk_type: str, shown: int, *, now: datetime, reasons: Any = (), model: str = "") -> Any:
    from moderation.cases import evidence
    from risk.scoring.models import Reason, Score
    from tests import make

    score = make.make_score(account, risk_type=risk_type, shown=shown, model=model, now=now)
    score.band = (
        "critical"
        if shown >= 85
        else "high"
        if shown >= 70
        else "review"
        if shown >= 50
        else "watch"
        if shown >= 25
        else "low"
    )
    score.snapshot, score.snapshot_digest = {}, bytes.fromhex(evidence.features({}))
    score.save()
    if reasons:
        Reason.objects.filter(score=score).delete()
        Reason.objects.bulk_create(
            Reason(
                score=score,
                position=n,
                rule=rule,
                group=group,
                title=title,
                points=points,
                before_cap=before,
                detail={"features": {"near_duplicates_1h": 214}},
            )
            for n, (rule, group, title, points, before) in enumerate(reasons)
        )
    return Score.objects.get(pk=score.pk)


def _open(
    world: World,
    account: Any,
    queue: str,
    risk_type: str,
    shown: int,
    *,
    score: Any = None,
    why: str = "",
    ago: int = 60,
) -> Any:
    from moderation.cases import actions
    from moderation.cases.models import Queue
    from portal.people.models import User

    line = Queue.objects.get(slug=queue)
    score = score or _score(
        account, risk_type, shown, now=world.now, reasons=[("a_rule", "content", why, shown, shown)]
    )
    return actions.open_case(
        account,
        queue=line,
        lane=line.lane,
        risk_type=risk_type,
        score=score,
        why=why,
        opened_by="score",
        by=User.objects.service("system"),
        now=world.now - timedelta(minutes=ago),
    )


# account, handle, queue, type, score, reason, minutes ago
OTHERS = (
    ("70301", "kara_is_live", "bullying", "bullying", 85, "reached somebody who had blocked them", 1500),
    ("70302", "stan_the_91", "spam", "spam", 55, "almost every post has a link", 790),
    ("70303", "anna_33_88", "fake-accounts", "fake_account", 80, "9 accounts on one device in 30 days", 300),
    ("70304", "mira_is_new", "fake-accounts", "fake_account", 70, "600 of 700 requests refused", 200),
    ("70305", "best_of_shop", "spam", "spam", 75, "links to domains never seen before", 90),
    ("70306", "owner_who_wrote", "takeover", "account_takeover", 90, "the owner wrote to us", 30),
    ("70307", "tom_and_jerry", "bullying", "bullying", 45, "3 different people asked for help", 20),
    ("70308", "quiet_sender", "spam", "spam", 60, "reported by 4 people", 15),
    ("70309", "loud_sender", "spam", "spam", 65, "reported by 6 people", 12),
    ("70310", "other_sender", "spam", "spam", 58, "reported by 3 people", 10),
    ("70311", "perhaps_young", "minors", "underage", 50, "says so themselves", 240),
)


def _others(world: World) -> None:
    for number, (account, handle, queue, risk_type, shown, why, ago) in enumerate(OTHERS):
        at = world.now - timedelta(minutes=ago)
        attributes = {"followers_count": 40 + number, "country": "north", "lang": "en"}
        _told(
            world,
            _signal(
                f"p-{number}",
                "post",
                account,
                at,
                attributes={**attributes, "handle": handle},
                data={
                    "posts": 60,
                    "near_duplicates": 3,
                    "links": 2,
                    "new_domain_links": 1,
                    "domains": ["shop.example"],
                    "window_minutes": 60,
                    "sample": f"[placeholder for a text of {queue}]",
                },
            ),
        )
        world.cases[handle] = _open(world, _account(account), queue, risk_type, shown, why=why, ago=ago)


def _hostile_words(world: World) -> None:
    """Everything somebody might write to be more than text, as messages of one account."""
    at = world.now - timedelta(minutes=11)
    counts = {"sent": 1, "distinct_targets": 1, "replies": 0, "near_duplicates": 0, "window_minutes": 1}
    _told(
        world,
        *(
            _signal(f"x-{number}", "message", "70309", at, data={**counts, "sample": payload})
            for number, payload in enumerate(PAYLOADS)
        ),
    )


def _decided(world: World) -> None:
    from moderation.cases import actions as cases
    from moderation.decisions import actions as decisions

    now = world.now
    milo, ada = world.people["milo"], world.people["ada"]
    for name, by, word, undo in (
        (
            "proposed",
            milo,
            {
                "outcome": "ban",
                "reason_code": "deceptive_link",
                "note": "Sells codes behind a page that copies a bank.",
            },
            10,
        ),
        ("released", milo, {"outcome": "warn", "reason_code": "bulk_messages", "note": "First time."}, 0),
    ):
        case = cases.claim(
            world.cases["best_of_shop" if name == "proposed" else "other_sender"], by=by, now=now, limits=False
        )
        world.decisions[name] = decisions.decide(
            case,
            by=by,
            now=now,
            version=case.version,
            request_key=f"world-{name}",
            undo_seconds=undo,
            limits=False,
            **word,
        )
    case = cases.claim(world.cases["stan_the_91"], by=ada, now=now - timedelta(minutes=30), limits=False)
    cases.save_draft(case, by=ada, now=now, body={"outcome": "warn", "reason_code": "flooding"}, note="half a thought")
    cases.release(case, by=ada, now=now)


def _changed_policy(world: World) -> None:
    from moderation.decisions import actions as decisions
    from portal.people.models import User

    decisions.publish_policy(
        "BUL-1.3",
        by=User.objects.service("system"),
        now=world.now - timedelta(hours=4),
        text="Nobody may call others to descend on a person, nor join such a call. New: "
        "those who only defend the target are not part of it.",
    )


def _revealed(world: World) -> None:
    """Who was shown the handle behind the spam case, and why."""
    from portal.privacy import revealing
    from portal.privacy.models import VaultValue

    case, people = world.cases["spam"], world.people
    value = (
        VaultValue.objects.select_related("subject")
        .filter(subject=case.account_id, name="account.handle")
        .latest("created_at")
    )
    for name, purpose, note in (
        ("ben", "check", ""),
        ("vera", "check", ""),
        ("ben", "tell_apart", ""),
        ("pia", "authority", "order 12/2026 of the court in the south"),
    ):
        revealing.reveal(value, by=people[name], now=world.now, purpose=purpose, note=note, case=case.pk)
    first = people["ben"].reveals.order_by("at").first()
    revealing.review(first, by=people["pia"], now=world.now, verdict="in_order")


def _held(world: World) -> None:
    """Three legal holds in their states, and a look at what is old."""
    from portal.people.models import User
    from portal.privacy import holding, retention

    ben, pia = world.people["ben"], world.people["pia"]
    for number, (name, case) in enumerate(sorted(world.cases.items())[:3]):
        hold = holding.ask(
            case.account_id, of=ben, reference=f"LR-0{31 + number}", confidential=number == 0, by=pia,
            reason=f"order of a court about {name}", now=world.now - timedelta(days=100 - number),
        )  # fmt: skip
        if number < 2:
            holding.agree(hold, by=ben, now=world.now - timedelta(days=99 - 60 * number))
        if number == 1:
            holding.ask_release(hold, of=ben, by=pia, now=world.now - timedelta(hours=3))
    retention.sweep(by=User.objects.service("system"), now=world.now - timedelta(hours=9), apply=True)
