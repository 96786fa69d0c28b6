"""Is anything left that can be read after accounts were erased? Plants values, erases, then looks everywhere.

    python -m tests.faults.erase_scan --accounts 1000 --seed 1

Web, worker, dispatcher, sequencer and signer run. Signals come by the API, from a file and by the stream, some refused
there; the worker scores them and opens cases; cases are claimed, annotated and decided on the pages; values are
revealed, accounts looked for, calls made that break; exports are asked for on the pages, made by the worker, fetched.
Then every account but a few is erased, by the command and on the page, and every place is searched; the log is
verified, each of its leaves proven, and the bundles that were taken before and after are checked by their own verifier.
Exit 0 when every line holds.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .leftovers import found_in_files, found_in_redis, found_in_tables, text_indexes
from .stage import ROOT, Stage, until

KEPT = 5  # accounts that are not erased: what is theirs must be found, or the search is blind
PEOPLE = {"ada": "reviewer", "ben": "lead", "pia": "privacy", "vera": "auditor"}
PROCESSES = ("web", "sequencer", "signer", "dispatcher", "worker")
Held = dict[str, tuple[bool, str]]


class _NoWays(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like another."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


class Visitor:
    """Somebody at the web server, signed in or with a key."""

    def __init__(self, base: str, **headers: str) -> None:
        self.base, self.headers = base, headers
        self.door = urllib.request.build_opener(_NoWays)

    def ask(self, path: str, form: Any = None, *, body: bytes | None = None) -> tuple[int, bytes]:
        """GET, or POST of a form or a body; status and content, whatever the status."""
        data = urllib.parse.urlencode(form, doseq=True).encode() if form is not None else body
        request = urllib.request.Request(self.base + path, data, self.headers)
        try:
            with self.door.open(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def must(self, path: str, form: Any = None, *, body: bytes | None = None) -> bytes:
        """As `ask`, for what has to go well."""
        status, said = self.ask(path, form, body=body)
        words = re.sub(rb"<[^>]*>", b" ", said.partition(b"<main")[2] or said).split()
        assert status < 400, f"{path}: {status} {b' '.join(words)[:400]!r}"
        return said


class Play:
    """Accounts with planted values, what is done with them, and what was taken away before they were erased."""

    def __init__(self, stage: Stage, accounts: int, seed: int) -> None:
        self.stage, self.dice, self.base = stage, random.Random(seed), f"http://127.0.0.1:{stage.web_port}"
        names = [f"acc{number:05d}" for number in range(accounts)]
        self.kept, self.gone = names[:KEPT], names[KEPT:]
        self.desk = [*self.kept[:2], *self.gone[: max(3, min(40, accounts // 10))]]  # worked on the pages
        self.rest = [name for name in names if name not in self.desk]
        self.taken = stage.folder / "taken"  # what somebody carried away: nobody's to erase any more
        self.taken.mkdir()
        self.visitors: dict[str, Visitor] = {}
        self.figures: dict[str, str] = {}

    # --- Before ---

    def tell(self) -> None:
        """Everything happens that puts values somewhere."""
        from tests.privacy.world import ship

        ship()
        self._people()
        for name in PROCESSES:
            self.stage.start(name)
        assert until(lambda: self._lives(), within=90, every=0.5), "the web server does not answer"
        self._by_api(self.desk)
        assert until(self._quiet, within=300, every=0.5), "the worker does not score"
        self._at_desk()
        self._by_doors()
        self._decide_the_rest()
        self._look_around()

    def _people(self) -> None:
        from django.test import Client

        from portal.people import actions
        from portal.people.models import User
        from tests.make import NOON

        system, token = User.objects.service("system"), "c" * 32
        for username, role in PEOPLE.items():
            user = actions.create_user(username, by=system, now=NOON, password=None, languages=("en",))
            actions.grant(user, role, by=system, now=NOON)
            client = Client()
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            cookie = f"session={client.cookies['session'].value}; csrf={token}"
            self.visitors[username] = Visitor(self.base, **{"Cookie": cookie, "X-CSRFToken": token})
        teller = User.objects.service("intake")
        key = actions.issue_key(teller, by=system, now=NOON, title="scan", scopes=("signal.write",))[1]
        self.visitors["teller"] = Visitor(self.base, Authorization=f"Bearer {key}")
        self.visitors["teller"].headers["Content-Type"] = "application/x-ndjson"
        key = actions.issue_key(User.objects.get(username="vera"), by=system, now=NOON, title="reads")[1]
        self.visitors["reader"] = Visitor(self.base, Authorization=f"Bearer {key}")

    def _lives(self) -> bool:
        try:
            return self.visitors["reader"].ask("/livez")[0] == 200
        except OSError:
            return False

    def _told(self, names: Iterable[str]) -> list[dict[str, Any]]:
        from tests.privacy.world import signals_of

        everybody = [*self.kept, *self.gone]
        return [
            signal for name in names for signal in signals_of(name, about=everybody[everybody.index(name) - 1])
        ]  # fmt: skip

    def _by_api(self, names: list[str]) -> None:
        """Lines, with two among them that are refused."""
        lines = [json.dumps(one) for one in self._told(names)]
        lines += [line.replace('"user_report"', '"no-such-kind"') for line in lines if '"user_report"' in line][:2]
        said = json.loads(self.visitors["teller"].must("/api/v1/signals", body="\n".join(lines).encode()))
        assert len(said["rejected"]) == 2, said["rejected"]

    def _quiet(self) -> bool:
        """Whether the worker has scored everything that came, and opened its cases."""
        from moderation.management.commands.dispatcher import to_take
        from risk.intake.models import Account

        return not Account.objects.filter(stale_at__isnull=False).exists() and not to_take()

    def _at_desk(self) -> None:
        """Every open case: claimed, drafted, annotated, decided, in force."""
        from moderation.cases.models import Case
        from tests.privacy.world import planted

        ada, number = self.visitors["ada"], itertools.count()
        while case := Case.objects.filter(status="waiting").select_related("account").order_by("id").first():
            note = planted(self._name_of(case.account))["note"]
            page = f"/cases/{case.pk}/"
            ada.must(f"{page}claim/", {})
            ada.must(f"{page}annotate/", {"text": note})
            ada.must(f"{page}draft/", {"outcome": "warn", "note": note})
            ada.must(page)
            case.refresh_from_db()
            form = {
                "outcome": "warn",
                "reason_code": "bulk_messages",
                "note": note,
                "request_key": f"scan-key-{next(number)}",
            }
            ada.must(f"{page}decide/", form | {"version": case.version})
            for open_one in Case.objects.filter(status="claimed"):  # the next one was opened by itself
                ada.must(f"/cases/{open_one.pk}/release/", {})
        cases = next(number)
        assert cases >= 3, "the worker opened no cases"
        self.figures["cases decided"] = f"{cases} on the pages"

    def _name_of(self, account: Any) -> str:
        return re.sub(r"pid-(.*)-zq", r"\1", account.external_id)

    def _by_doors(self) -> None:
        """The rest: by a file, by the stream, by the API."""
        from django.core.management import call_command

        file, thirds = self.stage.folder / "told.ndjson", [self.rest[start::3] for start in range(3)]
        file.write_text("\n".join(json.dumps(one) for one in self._told(thirds[0])))
        call_command("load", str(file), stdout=io.StringIO())
        file.unlink()  # theirs who sent it
        self._by_stream(thirds[1])
        for start in range(0, len(thirds[2]), 100):
            self._by_api(thirds[2][start : start + 100])

    def _decide_the_rest(self) -> None:
        """What the worker opens, decided; it takes effect on the platform."""
        from django.utils import timezone

        from moderation.cases import actions as cases
        from moderation.cases.models import Case
        from moderation.decisions import actions as decisions
        from moderation.decisions.models import Decision
        from moderation.enforcement.models import Enforcement
        from portal.people.models import User
        from tests.privacy.world import planted

        ada, many = User.objects.get(username="ada"), 0
        while not until(self._quiet, within=900, every=0.5) or Case.objects.filter(status="waiting").exists():
            for case in Case.objects.filter(status="waiting").select_related("queue", "account"):
                values, now, many = planted(self._name_of(case.account)), timezone.now(), many + 1
                case = cases.claim(case, by=ada, now=now, limits=False)
                cases.annotate(case, by=ada, now=now, text=values["note"])
                decisions.decide(
                    Case.objects.select_related("queue", "account").get(pk=case.pk), by=ada, now=now, outcome="warn",
                    reason_code="bulk_messages", note=values["note"], version=case.version, undo_seconds=0,
                    request_key=f"rest-key-{many}", evidence=[f"test:reg-{values['id']}", values["text"]],
                )  # fmt: skip
        settled = Decision.objects.filter(status="held"), Enforcement.objects.open()
        assert until(lambda: not any(rows.exists() for rows in settled), within=900, every=1), (
            "something is not applied"
        )
        self.figures["cases decided"] += f", {many} by the action, all in effect on the platform"

    def _by_stream(self, names: list[str]) -> None:
        """What is refused stands in the stream of the refused as it came."""
        import redis
        from django.conf import settings
        from django.utils import timezone

        from portal.people.models import User
        from risk.intake import stream

        address = stream.Address.of(settings.INTAKE_URL)
        server: Any = redis.Redis.from_url(address.server)
        for number, signal in enumerate(self._told(names)):
            server.xadd(address.stream, {"signal": json.dumps(signal)})
            if number % 4 == 0:
                odd = signal | {"kind": "no-such-kind", "external_id": f"odd-{number}"}
                server.xadd(address.stream, {"signal": json.dumps(odd)})
        system = User.objects.service("system")
        stream.run(address, by=system, clock=timezone.now, stopped=lambda: False, once=True)

    def _look_around(self) -> None:
        """Pages, searches, calls and reveals, some of them wrong, with values in what is sent."""
        from django.db import IntegrityError, transaction

        from moderation.cases.models import Case
        from portal.privacy.models import VaultValue
        from tests.make import make_row_account
        from tests.privacy.world import account_of, planted

        ben, reader = self.visitors["ben"], self.visitors["reader"]
        for name in self.desk:
            values = planted(name)
            account, quoted = account_of(name), urllib.parse.quote(values["id"])
            for path in (f"/accounts/main/{quoted}/", f"/search/?q={urllib.parse.quote(values['handle'])}"):
                ben.must(path)
            reader.must(f"/api/v1/accounts/main/{quoted}")
            reader.ask(f"/api/v1/cases?account=main:{quoted}")
            for path in (f"/accounts/main/{quoted}/nothing/", f"/search/?q={urllib.parse.quote(values['email'])}%00",
                         f"/api/v1/accounts/{quoted}/x", f"/exports/?account={quoted}&strange={quoted}"):  # fmt: skip
                ben.ask(path)
            ben.ask("/exports/", {"format": "jsonl", "purpose": "scan", "account": values["id"], values["email"]: "x"})
            self.visitors["teller"].ask("/api/v1/signals", body=values["phone"].encode() + b"{")
            with suppress(IntegrityError), transaction.atomic():  # the database refuses, and writes that down
                make_row_account(external_id=values["id"])
            case = Case.objects.filter(account=account).order_by("id").values_list("pk", flat=True).first()
            for value in VaultValue.objects.filter(subject=account.pk, name__in=("account.email", "account.phone")):
                form = {"value": value.pk, "case": case or "", "purpose": "check", "note": values["note"]}
                ben.ask("/reveals/", form)

    def copy(self) -> None:
        """Exports that are kept here, and the same bundles carried away."""
        from tests.privacy.world import planted

        vera = self.visitors["vera"]
        asked: list[dict[str, str]] = [{}, {"type": "case"}, {"account": f"main:{planted(self.kept[0])['id']}"}]
        asked += [{"account": f"main:{planted(name)['id']}"} for name in self.desk[2:5]]
        for number, filter in enumerate(asked):
            self._export(vera, filter, f"scan of {filter.get('account', 'all')}", self.taken / f"before-{number}.zip")

    def _export(self, by: Visitor, filter: dict[str, str], purpose: str, path: Path) -> None:
        """Asked for on the page, made by the worker, fetched."""
        from moderation.insight.models import Export

        by.must("/exports/", {**filter, "format": ["jsonl", "csv", "xlsx", "parquet"], "purpose": purpose})
        export = Export.objects.order_by("-asked_at").first()
        assert export is not None

        def ended() -> bool:
            export.refresh_from_db()
            return export.status not in ("queued", "running")

        assert until(ended, within=600, every=0.5)
        assert export.status == "done", export.detail
        path.write_bytes(by.must(f"/exports/{export.pk}/file/"))

    # --- Erasure ---

    def erase(self) -> None:
        """All but a few: three on the page, the others by the command."""
        from tests.privacy.world import planted

        pia, began = self.visitors["pia"], time.monotonic()
        for name in self.gone[:3]:
            account = f"main:{planted(name)['id']}"
            pia.must(f"/privacy/erasure/?account={urllib.parse.quote(account)}")
            form = {"account": account, "legal_basis": "objection", "ticket": "R-1", "again": "R-1"}
            status, said = pia.ask("/privacy/erasure/", form)
            assert status == 302, said[-800:]
        listed = self.stage.folder / "who.csv"
        listed.write_text("".join(f"main,{planted(name)['id']}\n" for name in self.gone[3:]))
        words = [sys.executable, str(ROOT / "manage.py"), "erase", str(listed), "--by", "pia", "--ticket", "REQ-1",
                 "--legal-basis", "consent_withdrawn", "--apply"]  # fmt: skip
        ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        (self.stage.folder / "erase.log").write_text(ran.stderr)
        refused = [line for line in ran.stdout.splitlines() if "refused:" in line]
        assert ran.returncode == 0, (refused[:5], ran.stderr[-800:])
        listed.unlink()
        took = time.monotonic() - began
        self.figures["erased"] = (
            f"{len(self.gone)} accounts in {took:.0f} s, {1000 * took / len(self.gone):.0f} ms each"
        )

    # --- After ---

    def places(self) -> dict[str, list[str]]:
        """Where values of the erased can be read now."""
        import psycopg2

        from tests.privacy.world import planted

        gone = [planted(name) for name in self.gone]
        by_superuser = psycopg2.connect(self.stage.servers.url("postgres"))
        try:
            tables = found_in_tables(gone, by_superuser)
        finally:
            by_superuser.close()
        return {
            "in tables": tables,
            "in Redis: cache, sessions, queues, streams": found_in_redis(self.stage.servers.redis_url, gone),
            "in files kept": found_in_files(self._files(".log", without=True), gone),
            "in logs": found_in_files(self._files(".log"), gone),
        }

    def _files(self, ending: str, *, without: bool = False) -> list[Path]:
        """The application's files: not the platform's own, not the database's, not what was carried away."""
        out = {self.stage.folder / name for name in ("taken", "platform.jsonl", "platform.log", "servers")}
        ours = [path for path in self.stage.folder.rglob("*") if path.is_file() and not out & {path, *path.parents}]
        logs = [path for path in (self.stage.folder / "servers").rglob("*.log") if path.is_file()]
        return [path for path in (*ours, *logs) if (path.suffix == ending) != without]

    def remember(self) -> None:
        """As autovacuum does by itself: let PostgreSQL write down what it knows of the columns."""
        import psycopg2

        with psycopg2.connect(self.stage.servers.url("postgres")) as by_superuser:
            by_superuser.cursor().execute("ANALYZE")
        by_superuser.close()

    def look(self, before: dict[str, list[str]]) -> Held:
        """What must hold at the end: `{line: (whether, figures)}`."""
        from django.db import connection

        from tests.privacy.world import planted

        after = self.places()
        there = found_in_tables([planted(name) for name in self.kept])
        indexes = text_indexes(connection)
        held: Held = {name: (True, figure) for name, figure in self.figures.items()}
        for place, found in after.items():
            shown = f"{len(found)} values, {len(before[place])} before {_where(found)}"
            held[f"none left {place}"] = (not found, shown)
        seen = [place for place in before if before[place]]
        held["the search saw them before"] = ({"in tables", "in files kept"} <= {*seen}, ", ".join(seen))
        logs = self._files(".log")
        size = sum(path.stat().st_size for path in logs)
        held["there were logs to search"] = (size > 0, f"{size:,} bytes of {', '.join(sorted(p.name for p in logs))}")
        held["and sees who was not erased"] = (len(there) >= 3 * KEPT, f"{len(there)} values of {KEPT} accounts")
        held["no index over words"] = (not indexes, ", ".join(indexes) or "so the tables are all there is to search")
        return held | self._not_found() | self._proofs()

    def _not_found(self) -> Held:
        """The search page, the account's page and the calls know them no more."""
        from tests.privacy.world import planted

        ben, reader, hits = self.visitors["ben"], self.visitors["reader"], 0
        some = [*self.gone[:10], *self.dice.sample(self.gone, min(20, len(self.gone)))]
        for values in map(planted, some):
            for word in ("id", "handle", "email", "phone"):
                page = ben.must(f"/search/?q={urllib.parse.quote(values[word])}").decode()
                hits += "/accounts/main/" in page.partition("<main")[2]
            hits += ben.ask(f"/accounts/main/{values['id']}/")[0] != 404
            hits += reader.ask(f"/api/v1/accounts/main/{values['id']}")[0] != 404
        return {"none found by searching": (not hits, f"{hits} of {6 * len(some)} questions answered")}

    def settle(self) -> Any:
        """Wait until everything is sealed and signed; the newest checkpoint."""
        from portal.audit.models import Checkpoint, Pending, Tree

        def done() -> bool:
            newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
            return not Pending.objects.exists() and newest == Tree.objects.get().size

        assert until(done, within=120, every=0.3), "the log is not sealed"
        return Checkpoint.objects.order_by("-size").first()

    def _proofs(self) -> Held:
        from moderation.cases.models import Evidence
        from moderation.cases.rechecking import recheck
        from portal.audit import sealing, tree
        from portal.audit.models import Leaf

        self._export(self.visitors["vera"], {}, "scan of all", self.taken / "after-all.zip")
        newest, read = self.settle(), sealing.reader()
        ran = subprocess.run([sys.executable, str(ROOT / "manage.py"), "verify_audit"], cwd=ROOT, capture_output=True,
                             text=True, check=False)  # fmt: skip
        root = bytes(newest.root)
        leaves = Leaf.objects.filter(index__lt=newest.size).order_by("index").values_list("index", "leaf")
        proven = sum(
            tree.check_inclusion(
                index, newest.size, tree.leaf_hash(bytes(leaf)), tree.inclusion(index, newest.size, read), root
            )
            for index, leaf in leaves.iterator()
        )
        frozen = list(Evidence.objects.select_related("case__account"))
        bad = [part for one in frozen for part in recheck(one) if not part.sound]
        return {
            "verify_audit": (ran.returncode == 0, (ran.stdout or ran.stderr).strip().replace("\n", "; ")),
            "every leaf is proven": (proven == newest.size, f"{proven} of {newest.size}"),
            "no frozen evidence is called changed": (not bad, f"{len(bad)} parts of {len(frozen)} {bad[:2] or ''}"),
            **self._bundles(),
        }

    def _bundles(self) -> Held:
        """Taken before or after, each verifies; a value shows in those alone that nobody here can reach."""
        from tests.privacy.world import planted

        key = str(self.stage.folder / "signer" / "log.vkey")
        gone, sound, naming = [planted(name) for name in self.gone], 0, []
        paths = sorted(self.taken.glob("*.zip"))
        for path in paths:
            with zipfile.ZipFile(path) as bundle:
                assert "manifest.json" in bundle.namelist(), bundle.namelist()
            words = [sys.executable, "-I", str(ROOT / "portal" / "audit" / "verifier.py"), "--key", key, str(path)]
            sound += subprocess.run(words, capture_output=True, check=False).returncode == 0
            naming += [path.name] if found_in_files([path], gone) else []
        made_after = [name for name in naming if name.startswith("after")]
        return {
            "bundles verify": (sound == len(paths), f"{sound} of {len(paths)}, {len(paths) - 1} of them made before"),
            "a bundle made after names nobody erased": (not made_after and bool(naming), f"{len(naming)} old ones do"),
        }


def _where(found: list[str]) -> str:
    """The places of what was found, each once, with one value."""
    places = {one.partition(": ")[0]: one.partition(": ")[2] for one in found}
    return "; ".join(f"{place}: {value}" for place, value in list(places.items())[:12])


def play(stage: Stage, accounts: int, seed: int) -> Held:
    """All of it."""
    acts = Play(stage, accounts, seed)
    acts.tell()
    acts.copy()
    acts.remember()
    before = acts.places()
    acts.erase()
    return acts.look(before)


def main() -> int:
    """Servers and processes of our own, one play."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reeve-erase-") as folder:
        stage = Stage(Path(folder))
        os.environ.update(LOG_LEVEL="INFO", INTAKE_URL=stage.servers.redis_url.replace("db=0", "db=0&stream=told"))
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            held = play(stage, asked.accounts, asked.seed)
        finally:
            stage.stop()
    for line, (whether, figures) in held.items():
        print(f"{'ok ' if whether else 'BAD'} {line}: {figures}")
    if asked.json:
        print(json.dumps(held))
    return 0 if all(whether for whether, _ in held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
