"""A real Matrix homeserver for tests: `matrix-synapse` of its own environment, on loopback, with SQLite."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

LOCK = Path(__file__).parent / "synapse.lock"
NAME = "reeve.test"
MANY = {"per_second": 1000, "burst_count": 1000}


class NotInstalled(Exception):
    """The packages could not be had; the text says why."""


def environment() -> Path:
    """The folder with the homeserver's own packages, outside the project, made once for each lock and Python.

    Raises `NotInstalled`.
    """
    home = os.environ.get("REEVE_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    stamp = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(home).expanduser() / "reeve"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"synapse-{stamp}"
    with (cache / "synapse.busy").open("w") as busy:  # two runners install once
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
            (folder / "whole").touch()
    return folder


def _install(folder: Path) -> None:
    packages = ["install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
    steps = (
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin/python"), *packages],
    )
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=900, check=False)
        except (OSError, subprocess.TimeoutExpired) as broken:
            raise NotInstalled(str(broken)) from None
        if done.returncode:
            raise NotInstalled(f"{' '.join(step[:4])} …: {done.stderr.strip()[-600:]}")


class Homeserver:
    """One homeserver with its data in `folder`; it can be killed and started again."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.python, self.folder = environment / "bin/python", folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.sent: list[str] = []  # a message's number is its place here
        self.process: subprocess.Popen[bytes] | None = None
        self.shared_secret = os.urandom(16).hex()
        self._configure()
        self.start()
        self.admin = self.register("root", admin=True)["access_token"]
        self.wait_for_updates()

    def _configure(self) -> None:
        told = {
            "pid_file": str(self.folder / "pid"),
            "listeners": [
                {
                    "port": self.port, "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client"], "compress": False}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "registration_shared_secret": self.shared_secret,
            "trusted_key_servers": [],
            "bcrypt_rounds": 4,
            "background_updates": {"sleep_enabled": False},
            "rc_login": {"address": MANY, "account": MANY},
            "rc_message": MANY,
            "rc_reports": MANY,
        }  # fmt: skip
        self.files = [str(self.folder / "homeserver.yaml"), str(self.folder / "ours.yaml")]
        Path(self.files[1]).write_text(json.dumps(told), encoding="utf-8")  # JSON is YAML
        self._run("--generate-config", "-H", NAME, "-c", self.files[0], "--report-stats=no").wait(timeout=60)

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output.log").open("ab") as log:
            command = [str(self.python), "-m", "synapse.app.homeserver", *arguments]
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = self._run("-c", self.files[0], "-c", self.files[1])
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if requests.get(f"{self.url}/_matrix/client/versions", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        said = (self.folder / "output.log").read_text(encoding="utf-8")[-2000:]
        raise RuntimeError(f"the homeserver did not come up: {said}")

    def wait_for_updates(self) -> None:
        """Until its background updates have ended: none under way by its own word, none left in its database."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            told = self.ask("GET", "/_synapse/admin/v1/background_updates/status", token=self.admin)
            with sqlite3.connect(f"file:{self.folder / 'homeserver.db'}?mode=ro", uri=True) as database:
                left = database.execute("SELECT count(*) FROM background_updates").fetchone()[0]
            if told["enabled"] and not told["current_updates"] and not left:
                return
            time.sleep(0.2)
        raise RuntimeError("the homeserver's background updates did not end")

    def freeze(self) -> None:
        """It takes connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """As an out-of-memory killer does it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)

    def ask(self, method: str, path: str, told: Any = None, *, token: str = "") -> Any:
        """An answer of its API, which must be a success."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, self.url + path, json=told, headers=headers, timeout=30)
        assert answer.ok, f"{method} {path} answered {answer.status_code}: {answer.text[:300]}"
        return answer.json()

    def register(self, name: str, *, admin: bool = False) -> dict[str, Any]:
        """A new user, by the shared secret: `user_id`, `access_token`."""
        nonce = self.ask("GET", "/_synapse/admin/v1/register")["nonce"]
        words = (nonce, name, "a long password", "admin" if admin else "notadmin")
        mac = hmac.new(self.shared_secret.encode(), "\0".join(words).encode(), hashlib.sha1).hexdigest()
        told = {"nonce": nonce, "username": name, "password": words[2], "admin": admin, "mac": mac}
        made: dict[str, Any] = self.ask("POST", "/_synapse/admin/v1/register", told)
        return made

    def state(self, user_id: str) -> dict[str, bool]:
        """What the homeserver says of a user, asked as its own administrator would."""
        told = self.ask("GET", f"/_synapse/admin/v2/users/{quote(user_id, safe='')}", token=self.admin)
        return {key: told[key] for key in ("suspended", "locked", "shadow_banned", "deactivated")}
