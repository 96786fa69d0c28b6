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
from pathlib import Path
from typing import Any
from unittest.mock import patch

from .leaks_planted import ROLES, World, plant
from .leaks_told import Told
from .seeking import found_in
from .tour import go_round

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
