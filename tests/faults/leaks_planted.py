"""What is planted for the search: people of every role, and accounts full of values that nothing else looks like."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from .seeking import found_in

ROLES = ("reviewer", "specialist", "lead", "analyst", "auditor", "privacy", "operator", "admin")


@dataclass
class World:
    """Who looks, at what, and which account each thing is about."""

    people: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    accounts: list[Any] = field(default_factory=list)
    owner: dict[str, int] = field(default_factory=dict)  # token → number of the account
    writer: dict[str, str] = field(default_factory=dict)  # token of what an export is for → role of who typed it
    things: dict[str, list[tuple[str, int | None]]] = field(default_factory=dict)  # first word of an address → ids


def plant(world: World, *, accounts: int, spare: int = 0) -> None:
    """People of every role, accounts with values through the real intake, cases, words of colleagues, decisions."""
    from django.test import Client
    from django.utils import timezone

    from portal.people import actions as people
    from portal.people.models import User
    from risk.intake import actions as intake
    from risk.intake.models import Account
    from tests.make import ship_settings

    now, system = timezone.now(), User.objects.service("system")
    ship_settings(now=now)
    intake.ship(by=system, now=now)
    for role in (*ROLES, "nobody", "second"):
        user = people.create_user(f"x-{role}", by=system, now=now, password=None, languages=("en",))
        if role != "nobody":
            people.grant(user, "reviewer" if role == "second" else role, by=system, now=now)
        user = User.objects.get(pk=user.pk)
        world.people[role] = user
        world.keys[role] = people.issue_key(user, by=system, now=now, title="leaks")[1]
        world.clients[role] = Client(raise_request_exception=False)
        world.clients[role].force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    serial = itertools.count(1)
    signals = [one for n in range(accounts + spare) for one in _signals(world, n, serial, now)]
    receipt = intake.ingest(signals, by=system, now=now, door="seed")
    assert not receipt.rejected, receipt.rejected[:3]
    world.accounts = [Account.objects.get(platform="main", external_id=f"p{n}") for n in range(accounts + spare)]
    _work(world, serial, now, world.accounts[:accounts])


def _signals(world: World, n: int, serial: Iterator[int], now: Any) -> Iterator[dict[str, Any]]:
    """What is told about one account: every kind of value there is, each with a token of its own."""

    def token(letter: str) -> str:
        made = f"zq{letter}{next(serial):05d}"
        world.owner[made] = n
        return made

    numbers = itertools.count(1)

    def signal(kind: str, **more: Any) -> dict[str, Any]:
        about = {"platform": "main", "id": f"p{n}", "attributes": more.pop("attributes", {})}
        at = (now - timedelta(minutes=next(numbers))).isoformat()
        return {
            "source": "leaks",
            "external_id": f"p{n}-{at}",
            "kind": kind,
            "occurred_at": at,
            "account": about,
            **more,
        }

    identity = {
        "handle": f"lu_{token('i')}_hidden", "display_name": f"N\u202e{token('i')}\u2066 Åström & <b>sön</b>",
        "email": f"{token('i')}@post.example", "phone": f"+99 7003 13{n:05d}",
        "birth_date": f"1931-{1 + n % 12:02d}-{1 + n % 28:02d}", "bio": f"born as {token('i')} in “Łódź”",
        "employer": f"works at {token('i')} Ltd.", "followers_count": n, "country": "south", "lang": "en",
    }  # fmt: skip
    links = [
        {"kind": kind, "value": token("i")} for kind in ("device", "payment", "payout")
    ] + [{"kind": "ip", "value": f"2001:db8:dad::{n + 1:x}"}, {"kind": "email", "value": identity["email"]},
         {"kind": "phone", "value": identity["phone"]}]  # fmt: skip
    yield signal("registration", attributes=identity, links=links,
                 data={"method": "email", "user_agent": f"Mozilla/5.0 ({token('c')})"})  # fmt: skip
    yield signal(
        "message", data={"sent": 90, "target": token("p"), "sample": f"win at https://{token('c')}.example/x ‮now"}
    )
    yield signal("post", data={"posts": 3, "sample": f'{token("c")} "quoted" & <i>marked</i>'})
    for _ in range(2):
        yield signal("user_report", data={"reason": "spam", "reporter": token("p"), "target": token("p"),
                                          "text": f"they wrote to me: {token('t')}", "language": "en"})  # fmt: skip
    yield signal("block", data={"by": token("p")})
    yield signal(
        "age_report",
        data={"by": "guardian", "stated_age": 11, "reporter": token("p"), "text": f"my child, {token('m')}"},
    )
    yield signal("owner_report", data={"reason": "hacked", "text": f"it is me, {token('c')}"})


def _work(world: World, serial: Iterator[int], now: Any, accounts: list[Any]) -> None:
    """Cases in every state, with words of colleagues on them, and exports of all of it."""
    from django.conf import settings

    from moderation.cases import actions as cases
    from moderation.decisions.models import Decision
    from moderation.enforcement.models import Enforcement
    from moderation.insight import actions as insight
    from moderation.insight import exports, history
    from moderation.insight.models import Export
    from tests.make import BAN, make_case, make_decision
    from tests.provers import Provers

    def words(letter: str, n: int) -> str:
        made = f"zq{letter}{next(serial):05d}"
        world.owner[made] = n
        return f"a colleague's words: {made} <b>&amp;</b>"

    things: dict[str, list[tuple[str, int | None]]] = {
        name: [] for name in ("cases", "decisions", "outbox", "accounts")
    }
    held = itertools.cycle(("waiting", "claimed", "proposed", "released", "minors"))
    for n, (account, state) in enumerate(zip(accounts, held, strict=False)):
        by = world.people["specialist" if state == "minors" else "reviewer"]
        risk_type = "underage" if state == "minors" else "spam"
        letter = "n" if state == "minors" else "s"
        case = make_case(
            at="waiting" if state == "waiting" else "claimed", by=by, account=account, risk_type=risk_type, now=now
        )
        if state != "waiting":
            cases.annotate(case, by=by, now=now, text=words(letter, n))
        if state == "claimed":
            cases.save_draft(case, by=by, now=now, body={"outcome": "warn"}, note=words(letter, n))
        if state == "proposed":
            make_decision(by=by, case=case, now=now, **{**BAN, "note": words(letter, n)})
        if state == "released":
            make_decision(at="released", by=by, case=case, now=now, outcome="warn", reason_code="bulk_messages",
                          note=words(letter, n))  # fmt: skip
        things["cases"].append((str(case.pk), n))
        things["accounts"].append((f"main/p{n}", n))
    numbers = {account.pk: n for n, account in enumerate(world.accounts)}
    things["decisions"] = [(str(pk), numbers[of]) for pk, of in Decision.objects.values_list("pk", "account")]
    things["outbox"] = [(str(pk), numbers[of]) for pk, of in Enforcement.objects.values_list("pk", "account")]
    things["enforcements"] = things["outbox"]
    things["queues"] = [(slug, None) for slug in ("spam", "fake", "age")]
    things["people"] = [(str(user.pk), None) for user in world.people.values()]
    things["policies"] = [("SPM-1.2", None)]
    things["dashboards"] = [(name, None) for name in ("backlog", "flow", "ages", "rules", "waiting", "decided", "late")]
    things["exports"] = []
    provers = Provers(Path(settings.SIGNER_DIR))
    for role in ("lead", "auditor", "privacy"):
        chosen, purpose = history.read({}, wanted_by=world.people[role]), words("s", 0)
        world.writer |= dict.fromkeys(found_in(purpose.encode()), role)
        export = insight.request_export(
            chosen, formats=list(exports.FORMATS), purpose=purpose, by=world.people[role], now=now
        )
        assert exports.make(export.pk, clock=lambda: now, pause=provers.prove), Export.objects.get(pk=export.pk).detail
        things["exports"].append((str(export.pk), None))
    provers.close()
    things["log"] = []
    things["reveals"] = []
    things["privacy"] = []
    world.things = things
