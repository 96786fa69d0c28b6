"""Does the backend that docs/backends.md adds in ten minutes work, word for word as it stands there?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from moderation.enforcement import actions, connector
from risk.intake.models import Account
from tests.conftest import NOON

TOKEN = "t0ken"


class Wings(BaseHTTPRequestHandler):
    """The system of the page: one account, 48211."""

    suspended: dict[str, bool]

    def answer(self, status: int, told: Any = None) -> None:
        raw = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        self.handle_one("GET")

    def do_PUT(self) -> None:
        self.handle_one("PUT")

    def handle_one(self, method: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        asked = re.fullmatch(r"/accounts/([^/]+)(/state)?", self.path)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401)
        elif not asked or asked[1] not in self.suspended:
            self.answer(404)
        elif method == "PUT":
            self.suspended[asked[1]] = body["suspended"]
            self.answer(204)
        else:
            self.answer(200, {"account": {"suspended": self.suspended[asked[1]]}})

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def page(settings: Any) -> str:
    return (settings.BASE_DIR / "docs/backends.md").read_text(encoding="utf-8")


@pytest.fixture
def wings(page: str, tmp_path: Any, settings: Any, monkeypatch: Any) -> Iterator[dict[str, bool]]:
    """Steps 1, 2 and 4 of the page; the state of the system's accounts."""
    example = textwrap.dedent(page.partition("```toml\n")[2].partition("   ```")[0])
    (tmp_path / "wings.toml").write_text(example, encoding="utf-8")
    handler = type("Handler", (Wings,), {"suspended": {"48211": False}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WINGS_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("WINGS_TOKEN", TOKEN)
        settings.ENFORCEMENT_HOSTS = [f"127.0.0.1:{server.server_port}"]
        settings.BACKENDS_DIR = str(tmp_path)
        connector.descriptions.cache_clear()
        yield handler.suspended
        connector.descriptions.cache_clear()
        server.shutdown()


def test_the_check_says_what_the_page_says(wings, page, capsys, settings, db):
    call_command("backends", "check", f"{settings.BACKENDS_DIR}/wings.toml")

    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(f"   {line}\n" in page for line in said)


def test_the_check_shows_what_is_read_of_an_account(wings, capsys, settings, db):
    call_command("backends", "check", f"{settings.BACKENDS_DIR}/wings.toml", account="48211")

    assert "wings: suspend: account.suspended is False" in capsys.readouterr().out
    assert wings == {"48211": False}


def manage(settings, *words, **environment):
    """Exit code and error of `manage.py`, in a process of its own that has no servers."""
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_URL")} | environment
    command = [sys.executable, "manage.py", *words, "--data-dir", f"{settings.BACKENDS_DIR}/none"]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=bare, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def test_the_check_needs_no_servers_of_ours(wings, settings):
    hosts = {"WINGS_URL": os.environ["WINGS_URL"], "ENFORCEMENT_HOSTS": settings.ENFORCEMENT_HOSTS[0]}

    assert manage(settings, "backends", "check", f"{settings.BACKENDS_DIR}/wings.toml", **hosts) == (0, "")


def test_one_that_does_not_check_out_stops_every_command_with_a_sentence(wings, page, settings):
    file = Path(settings.BACKENDS_DIR) / "wings.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("natural", "perhaps"), encoding="utf-8")

    code, said = manage(settings, "check", BACKENDS_DIR=settings.BACKENDS_DIR)

    assert (code, f"`{said}`" in page) == (1, True)


def test_its_accounts_are_suspended_and_let_go(wings, ordered):
    account = Account.objects.create(platform="wings", external_id="48211", first_seen_at=NOON, last_seen_at=NOON)

    for kind, state in (("suspend", True), ("unsuspend", False)):
        action = ordered(kind, account=account)
        actions.drain(account.pk)
        action.refresh_from_db()
        assert (action.status, wings["48211"]) == ("applied", state)


def test_an_account_it_does_not_have_is_gone(wings, ordered):
    account = Account.objects.create(platform="wings", external_id="1", first_seen_at=NOON, last_seen_at=NOON)
    action = ordered("suspend", account=account)

    actions.drain(account.pk)

    action.refresh_from_db()
    assert action.status == "moot"
