"""Does any page, answer, export, log line or table show a personal value that nobody asked to see?

    python -m tests.faults.leaks --pages 10000

Plants unmistakable values through the real intake, walks every URL for every role over things that exist, makes
exports, breaks pages on purpose, and searches whatever came back in every coding a value could hide in. Reveals go on
meanwhile, with faults between log and page. Prints a table; exit 0 when every line of it holds.
The same seed walks the same way.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import logging
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from .seeking import found_in
from .tour import go_round

ROLES = ("reviewer", "specialist", "lead", "analyst", "auditor", "privacy", "operator", "admin")
# What a value is, by the letter behind "zq": identity (and every other value that is shown on request only), a person
# beside the account, content, content of the minors lane, text of others, typed by staff, typed on a minors' case.
HIDDEN, CONTENT, MINORS, STAFF, STAFF_MINORS = set("ip"), set("ct"), set("m"), set("s"), set("n")
ON_CASES = {"case", "account", "case-annotate"}
OF_STAFF = {"case", "case-annotate", "approvals", "reveals", "reveal-review"}
# What an export is for is shown to who typed it, also in the file, and to nobody else.
OWN_WORDS = {"exports", "export", "export-link", "export-file", "export-taking", "api-export-file"}
LAST = ("case-hand-off", "api-signals", "backend-pause", "key-issue", "key-retire", "people-grant", "people-revoke",
        "people-disable", "sign-out")  # fmt: skip
SPARE = 24  # accounts that only the tour works on


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


@dataclass
class Told:
    """What was walked and what was seen."""

    pages: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    doors: dict[str, Counter[int]] = field(default_factory=dict)  # every door of the site → how it answered
    leaks: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)  # values found where they may stand: the search can see
    reveals: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # requests of the tour that were refused
    lines: int = 0  # of the application's log

    def holds(self, pages: int) -> dict[str, tuple[bool, str]]:
        """Each promise with its figures."""
        walked = sum(self.pages.values())
        lines = {
            "pages, answers and files searched": (
                walked >= pages,
                ", ".join(f"{kind} {n}" for kind, n in [*self.pages.items(), ("lines of log", self.lines)]),
            ),
            "every page and API route among them": (
                not self.shut() and not self.lost,
                f"{len(self.doors)} doors, {len(self.shut())} that never opened: {', '.join(self.shut()) or 'none'}",
            ),
            "personal values without a reveal": (not self.leaks, f"{len(self.leaks)} found"),
            "the search can see": (
                self.seen["content"] > 0 and self.seen["staff"] > 0 and self.reveals["shown"] > 0,
                f"content {self.seen['content']}, staff {self.seen['staff']}, revealed {self.reveals['shown']} times",
            ),
            "reveals with faults between log and page": (
                self.reveals["unlogged"] == 0,
                f"{self.reveals['asked']} asked, {self.reveals['broken']} broken on the way, "
                f"{self.reveals['unlogged']} shown without an earlier row",
            ),
            "nothing broke by itself": (self.statuses[500] == self.reveals["errors"], f"500: {self.statuses[500]}"),
        }
        return lines

    def shut(self) -> list[str]:
        """The doors of which no answer was searched but refusals."""
        return sorted(name for name, said in self.doors.items() if not any(n < 400 for n in said))


# --- What is planted ------------------------------------------------------------------------------------------------


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


# --- The walk -------------------------------------------------------------------------------------------------------


class Walk:
    """Asks for pages and searches what comes back."""

    def __init__(self, world: World, told: Told, *, seed: int) -> None:
        from tests.house.test_permissions import ABSENT, FILLED_IN, doors

        self.world, self.told, self.dice = world, told, random.Random(seed)
        self.doors, self.absent, self.filled = list(doors()), ABSENT, FILLED_IN
        told.doors = {door.name: Counter() for door in self.doors}

    def address(self, door: Any) -> tuple[str, int | None]:
        """The address of a door over something that exists, where we have something of that sort."""
        first = door.address.removeprefix("/api/v1").split("/")[1]
        if first == "log" and not self.world.things["log"]:
            self.world.things["log"] = [(pk, None) for pk in _events(2000)]
        some = self.world.things.get(first)
        address = door.address
        if not some or not any(str(absent) in address for absent in self.absent.values()):
            return address, None
        thing, n = self.dice.choice(some)
        if first == "accounts":
            return address.replace("no-such-thing/no-such-thing", thing), n
        for absent in self.absent.values():
            address = address.replace(str(absent), thing)
        return address, n

    def bearer(self, role: str) -> dict[str, str]:
        """How a program of this role says who it is."""
        return {"Authorization": f"Bearer {self.world.keys[role]}"}

    def ask(self, door: Any, role: str, *, method: str = "get") -> None:
        """One request, searched."""
        from django.test import Client

        address, n = self.address(door)
        more: dict[str, Any] = {}
        headers = {"Idempotency-Key": f"leak-{self.dice.random()}"}
        client = self.world.clients[role]
        if door.is_api:
            client = Client(raise_request_exception=False)
            headers |= self.bearer(role)
            more = {"content_type": "application/json"} if method == "post" else {}
        elif self.dice.random() < 0.2:
            headers["HX-Request"] = "true"
        if method == "post":
            more["data"] = json.dumps(self.filled) if door.is_api else {**self.filled, "q": f"p{n or 0}"}
        elif door.name in (
            "log",
            "exports",
            "dashboard-tile",
            "dashboard-rows",
            "api-audit-events",
            "queue",
            "account",
        ):
            more["data"] = self.dice.choice([{}, {}, {"format": "csv"}, {"type": "pii"}, {"state": "decided"}])
        answer = getattr(client, method)(address, headers=headers, **more)
        self.search(door.name, role, n, answer, may=_asked_for(address, role, self.world))

    def search(
        self, name: str, role: str, n: int | None, answer: Any, *, may: frozenset[str] = frozenset()
    ) -> set[str]:
        """Judge every value that an answer holds."""
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        head = "\n".join(f"{key}: {value}" for key, value in answer.items()).encode()
        taken = "attachment" in answer.get("Content-Disposition", "")
        kind = "file" if taken else "json" if "json" in answer.get("Content-Type", "") else "html"
        self.told.pages[kind] += 1
        self.told.statuses[answer.status_code] += 1
        self.told.doors.setdefault(name, Counter())[answer.status_code] += 1
        found = found_in(body) | found_in(head)
        for token in found - may:
            if not self.allowed(name, role, n, token):
                self.told.leaks.append(f"{token} on {name} for {role} ({answer.status_code})")
        return found

    def allowed(self, name: str, role: str, n: int | None, token: str) -> bool:
        """Whether this value may stand there without anybody asking: content on pages of who reads such cases."""
        from portal.people.permissions import Permission

        user, letter = self.world.people[role], token[2:3] if token.startswith("zq") else "i"
        if letter in HIDDEN:
            return False
        if letter in MINORS | STAFF_MINORS and "minors" not in user.lanes:
            return False
        if letter in STAFF | STAFF_MINORS:
            self.told.seen["staff"] += 1
            return self.world.writer.get(token) == role if name in OWN_WORDS else name in OF_STAFF
        if not user.may(Permission.CASE_READ) or name not in ON_CASES:
            return False
        self.told.seen["content"] += 1
        return n is not None and self.world.owner.get(token) == n

    def walk(self, pages: int) -> None:
        """Every door for every role by GET and by POST, then at random; at the end what nobody could walk on after."""
        roles = (*ROLES, "nobody")
        for door, role in itertools.product(self.doors, roles):
            self.ask(door, role)
            if door.name not in LAST:
                self.ask(door, role, method="post")
        worth = [door for door in self.doors if door.name not in LAST and door.requires]
        rich = [
            door
            for door in worth
            if door.name in ON_CASES | OF_STAFF | OWN_WORDS | {"api-case", "api-account", "event", "queue"}
        ]
        while sum(self.told.pages.values()) < pages:
            self.ask(self.dice.choice(rich if self.dice.random() < 0.6 else worth), self.dice.choice(roles))
        for door, role, _ in itertools.product(worth, roles, range(5)):  # what chance left shut
            if door.name in self.told.shut():
                self.ask(door, role)
                self.ask(door, role, method="post")
        for name, role in itertools.product(LAST, roles):
            self.ask(next(door for door in self.doors if door.name == name), role, method="post")


def _asked_for(address: str, role: str, world: World) -> frozenset[str]:
    """What the page of a reveal may show: the value that this person asked for, and that broke on the way before."""
    from portal.privacy.models import Reveal

    if not (named := re.fullmatch(r"/reveals/([0-9a-f-]{36})/", address)):
        return frozenset()
    row = Reveal.objects.filter(pk=named[1], by=world.people[role]).first()
    return frozenset(found_in(_plain(row.value).encode())) if row else frozenset()


def _events(most: int) -> list[str]:
    from portal.audit.models import AuditEvent

    return [str(pk) for pk in AuditEvent.objects.order_by("-id").values_list("pk", flat=True)[:most]]


# --- Reveals, faults, logs, tables ------------------------------------------------------------------------------------


def reveal_with_faults(walk: Walk, rounds: int) -> None:
    """Reveals by who may, with something breaking before, at or after the log: what is shown has its row already."""
    from portal.audit.models import AuditEvent
    from portal.privacy.models import Reveal, VaultValue

    world, told, dice = walk.world, walk.told, walk.dice
    points = [
        "", "", "", "", "", "portal.privacy.revealing.audit.record", "portal.privacy.revealing.Reveal.objects.create",
        "portal.privacy.revealing.hand_over", "portal.privacy.revealing.open_value",
        "moderation.desk.reveal_views.render",
    ]  # fmt: skip
    cases = dict(world.things["cases"])
    numbers = {n: pk for pk, n in cases.items()}
    for _ in range(rounds):
        n = dice.choice(list(numbers))
        value = dice.choice(list(VaultValue.objects.filter(subject=world.accounts[n].pk, name__startswith="account.")))
        role, point, htmx = dice.choice(("lead", "auditor", "privacy")), dice.choice(points), dice.random() < 0.5
        form = {"value": str(value.pk), "case": numbers[n], "purpose": "check"}
        headers = {"HX-Request": "true"} if htmx else {}
        before = Reveal.objects.count()
        with _broken(point):
            answer = world.clients[role].post("/reveals/", form, headers=headers)
            told.reveals["asked"] += 1
            if answer.status_code == 302:
                walk.search("reveal-ask", role, n, answer)
                answer = world.clients[role].get(answer["Location"])
        row = Reveal.objects.filter(value=value.pk).order_by("-id").first() if Reveal.objects.count() > before else None
        event = row and AuditEvent.objects.filter(type="pii.revealed", subjects__contains=[row.audit_name]).exists()
        own = frozenset(found_in(_plain(value.pk).encode()))
        found = walk.search("reveal", role, n, answer, may=own if event else frozenset())
        told.reveals["broken"] += answer.status_code == 500
        told.reveals["errors"] += answer.status_code == 500
        told.reveals["shown"] += bool(found & own)
        told.reveals["unlogged"] += bool(found & own) and not event
        if row:
            world.things["reveals"].append((str(row.pk), n))
            world.things["privacy"].append((str(row.pk), n))


def break_pages(walk: Walk, rounds: int) -> None:
    """Pages that break while they hold values, each quoted by the error itself."""
    from portal.privacy.actions import open_values
    from portal.privacy.models import VaultValue

    walk_doors = [door for door in walk.doors if door.name in ("case", "account", "api-case", "api-account", "desk")]
    quoted = " ".join(open_values(VaultValue.objects.values_list("pk", flat=True)[:50]).values())
    for point in (
        "moderation.desk.exhibits.open_values",
        "moderation.cases.reading.Signal.objects",
        "risk.scoring.reading.persona.card",
    ):
        with _broken(point, quoted):
            for _ in range(rounds):
                before = walk.told.statuses[500]
                walk.ask(walk.dice.choice(walk_doors), walk.dice.choice(ROLES))
                walk.told.reveals["errors"] += walk.told.statuses[500] - before


@contextmanager
def _broken(point: str, words: str = "planted") -> Iterator[None]:
    if not point:
        yield
        return
    with patch(point, side_effect=ValueError(words)) as broken:
        if point.endswith(".objects"):
            broken.filter.side_effect = ValueError(words)
        yield


def _plain(value: Any) -> str:
    from portal.privacy.actions import open_value

    return open_value(value) or ""


def search_tables(told: Told) -> None:
    """Every row of every table, as text: the vault's are sealed, no other holds a value."""
    from django.apps import apps
    from django.db import connection

    for model in apps.get_models():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t')
            rows = "\n".join(row[0] for row in cursor.fetchall())
        told.leaks += [f"{token} in the table {model._meta.db_table}" for token in found_in(rows.encode())]


def search_cache(told: Told) -> None:
    """Every key and value in the cache's database."""
    from django.core.cache import cache

    client = cache._cache.get_client(None, write=True)  # type: ignore[attr-defined]
    for key in client.keys("*"):
        kept = client.get(key) if client.type(key) == b"string" else b""
        told.leaks += [f"{token} in the cache" for token in found_in(key + b" " + (kept or b""))]


@contextmanager
def listening() -> Iterator[io.StringIO]:
    """What the application's log says meanwhile, as the settings would write it."""
    from django.conf import settings

    from portal.logs import Line

    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(Line(settings.LOGGING["formatters"]["line"]["format"].replace("[%(request_id)s] ", "")))
    loggers = [logging.getLogger(), logging.getLogger("django"), logging.getLogger("django.request")]
    for one in loggers[:1]:
        one.addHandler(handler)
    quiet = [(one, one.handlers[:]) for one in loggers]
    for one in loggers:
        one.handlers = [handler] if one is loggers[0] else []
    try:
        yield text
    finally:
        for one, handlers in quiet:
            one.handlers = [each for each in handlers if each is not handler]


def play(*, pages: int, accounts: int, reveals: int, seed: int = 1) -> tuple[Told, World]:
    """All of it, in the database that is there. Returns what was seen."""
    from django.test import override_settings

    told, world = Told(), World()
    with (
        listening() as log,
        override_settings(REVEALS_AN_HOUR=10**6, AXES_ENABLED=False),
        tempfile.TemporaryDirectory() as folder,
    ):
        with override_settings(DATA_DIR=Path(folder), SIGNER_DIR=Path(folder) / "signer"):
            plant(world, accounts=accounts, spare=SPARE)
            walk = Walk(world, told, seed=seed)
            reveal_with_faults(walk, reveals)
            go_round(walk, spare=accounts, folder=Path(folder) / "signer")
            break_pages(walk, max(5, pages // 200))
            walk.walk(pages)
            search_tables(told)
            search_cache(told)
        said = log.getvalue()
    told.lines = said.count("\n")
    told.leaks += [f"{token} in the log" for token in found_in(said.encode())]
    return told, world


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=30)
    parser.add_argument("--reveals", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    from .stage import Stage

    with tempfile.TemporaryDirectory(prefix="reeve-leaks-") as folder:
        stage = Stage(Path(folder))
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            told, _ = play(pages=asked.pages, accounts=asked.accounts, reveals=asked.reveals, seed=asked.seed)
        finally:
            stage.stop()
    holds = told.holds(asked.pages)
    for line in list(dict.fromkeys([*told.leaks, *told.lost]))[:40]:
        print(f"  {line}")
    for line, (held, figures) in holds.items():
        print(f"  {'holds' if held else 'FAILS':<6} {line:<42} {figures}")
    return 0 if all(held for held, _ in holds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
