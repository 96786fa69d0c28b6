"""How does all of it start, stay and stop on one machine? What `manage.py demo` does.

It knows no Django: it starts servers and processes, starts again what dies, and stops everything in order.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from typing import IO, Any, NoReturn

from portal.local import attach, children
from portal.local.folders import make_data_dir, take_lock
from portal.local.ports import any_port, free
from portal.local.processes import CannotStart, end_all, end_remains, of, write_private
from portal.local.seeding import PEOPLE
from portal.local.servers import Servers, clear_leftovers

DEATHS, WITHIN = 5, 60.0
OURS = ("pg-*", "valkey", "platform.jsonl", "platform.secret", "secrets.json", "told.json", "run.json", "exports")
OURS_TOO = ("signer", "witness", "demo.json", PEOPLE, "log")
# those who act first, then those they talk to
STOPPED = (
    ("seeding",),
    ("alive", "dispatcher", "beat", "worker"),
    ("web",),
    ("platform", "sequencer", "signer", "witness"),
)


class Stopped(BaseException):
    """Somebody asked us to stop."""


class Supervisor:
    """Everything that runs for one data folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.data_dir: Path = options.data_dir.absolute()
        self.port: int = options.port
        self.tell: bool = not options.no_seed
        self.reset: bool = options.reset
        self.platform_port = self.witness_port = 0
        self.external = bool(os.environ.get("DATABASE_URL"))
        self.servers = Servers(self.data_dir)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.deaths: dict[str, deque[float]] = {}
        self.due: dict[str, float] = {}
        self.down: dict[str, int] = {}  # who refused, and how its folder looked then
        self.lock: IO[str] | None = None
        self.prepared = False
        self.ready = False
        self.asked = False  # to stop; looked at between steps, so that no child is born unrecorded

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- from nothing to READY

    def start(self) -> None:
        """Servers and web side by side, then the tables and the day, then those who act."""
        self._refuse_what_cannot_be()
        make_data_dir(self.data_dir)
        self.lock = take_lock(self.data_dir)
        if self.reset:
            self._forget(*OURS, *OURS_TOO)
        self._mend_half_told()
        self.servers.prepare()
        self.prepared = True
        self._take_ports()
        self._set_environment()
        self._start_servers()
        for name in children.EARLY:
            self.spawn(name)
        self._seed()
        for name in (*children.LATE, *([children.ALIVE] if self._told() == "told" else [])):
            self.spawn(name)
        self._wait_until_ready()
        self.ready = True
        self._write_demo()
        self._announce()

    def _refuse_what_cannot_be(self) -> None:
        if self.external and not os.environ.get("REDIS_URL"):
            raise CannotStart("DATABASE_URL is set and REDIS_URL is not: set both, or neither.")
        if not self.external and os.environ.get("REDIS_URL"):
            raise CannotStart("REDIS_URL is set and DATABASE_URL is not: set both, or neither.")
        if self.external and self.reset:
            raise CannotStart(
                "--reset clears only the servers of this machine: with DATABASE_URL, empty the database yourself."
            )
        if os.environ.get("REEVE_PRODUCTION", "").lower() in {"1", "true", "yes", "on"}:
            raise CannotStart(
                "REEVE_PRODUCTION is on: a demo starts no servers there and tells no invented day to real data."
            )

    def _forget(self, *names: str) -> None:
        """Remove what we made here and nothing else."""
        clear_leftovers(self.data_dir)
        for name in names:
            for path in self.data_dir.glob(name):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        make_data_dir(self.data_dir)

    def _mend_half_told(self) -> None:
        """A day that was cut off in the telling cannot be told on: begin it again on an empty database."""
        if self._told() != "telling":
            return
        if self.external:
            raise CannotStart(
                f"The day was told only half to this database: empty it and remove {self.data_dir / 'told.json'}."
            )
        say("The last start was cut off while it told the day; beginning again with an empty database.")
        self._forget("pg-*", "valkey", "platform.jsonl", "told.json", "signer", "witness", PEOPLE)

    def _told(self) -> str:
        try:
            told: str = json.loads((self.data_dir / "told.json").read_text(encoding="utf-8"))["day"]
        except (OSError, ValueError, KeyError):
            return "no"
        return told

    def _take_ports(self) -> None:
        if not free(self.port):
            raise CannotStart(f"Port {self.port} is taken by another program: stop it, or choose another with --port.")
        self.platform_port = self.port + 1 if self.port < 65535 and free(self.port + 1) else any_port()
        self.witness_port = any_port()

    def _set_environment(self) -> None:
        """One environment for every process, and for the commands that attach to us later."""
        kept = {
            name: os.environ[name]
            for name in ("DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL")
            if name in os.environ
        }
        environment = {
            **(kept if self.external else self.servers.environment),
            "BASE_URL": self.url,
            "PLATFORM_URL": f"http://127.0.0.1:{self.platform_port}",
            "AUDIT_WITNESSES": children.witnesses(self.witness_port, self.data_dir),
            "API_RATE": os.environ.get("API_RATE", "1000000/min"),
            "API_LIMITS": os.environ.get("API_LIMITS", "false"),
        }
        keys = attach.environment_of(self.data_dir)
        os.environ.update(environment | {name: os.environ.get(name) or value for name, value in keys.items()})
        os.environ["DATA_DIR"] = str(self.data_dir)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
        os.environ["PYTHONUNBUFFERED"] = "1"
        secret = self.data_dir / "platform.secret"
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(os.environ["PLATFORM_SECRET"])
        self.servers.roll.environment = environment
        self.servers.roll.processes["supervisor"] = of(os.getpid())
        self.servers.roll.write()

    def _start_servers(self) -> None:
        if self.external:
            return
        say("Starting PostgreSQL and Valkey …")
        self.servers.start_valkey()
        self.servers.start_postgres()
        self.servers.wait_for_valkey()

    def spawn(self, name: str) -> None:
        ports = {"port": self.port, "platform_port": self.platform_port, "witness_port": self.witness_port}
        line = children.command(name, **ports, data_dir=self.data_dir)
        self.children[name] = self.servers.spawn(name, list(line), cwd=str(children.ROOT))

    def _seed(self) -> None:
        """Migrate, ship, tell; the supervisor keeps the mark whether the day was told."""
        tell = self.tell and self._told() == "no"
        say("Making the tables and telling the day …" if tell else "Checking the tables …")
        if tell:
            write_private(self.data_dir / "told.json", {"day": "telling"})
        line = [sys.executable, "-m", "portal.local.seeding", str(self.data_dir), *(["--tell"] if tell else [])]
        seeding = self.servers.spawn("seeding", list(line), cwd=str(children.ROOT))
        while seeding.poll() is None:
            self._look_after("platform", "web")
            time.sleep(0.05)
        self.servers.roll.processes.pop("seeding", None)
        if seeding.returncode:
            raise CannotStart(self.servers.explain("seeding", "The database could not be made ready"))
        if tell:
            write_private(self.data_dir / "told.json", {"day": "told"})

    def _wait_until_ready(self, within: float = 60) -> None:
        until, last = time.monotonic() + within, "nothing answered"
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except urllib.error.HTTPError as error:
                last = error.read(300).decode(errors="replace")
            except OSError as error:
                last = str(getattr(error, "reason", error))
            self._look_after(*self.children)
            time.sleep(0.1)
        raise CannotStart(
            f"The web server did not become ready within {within:.0f} s: {last}. See {self.servers.log('web')}."
        )

    # -- what others read

    def _write_demo(self) -> None:
        """`demo.json`: how a script walks in, with the process ids as they are now."""
        people = json.loads((self.data_dir / PEOPLE).read_text(encoding="utf-8"))
        environment = self.servers.roll.environment
        database = environment["DATABASE_URL"]
        told: dict[str, Any] = {
            "url": self.url,
            "api_key": people["api_key"],
            "platform_url": environment["PLATFORM_URL"],
            "platform_secret": os.environ["PLATFORM_SECRET"],
            "database_url": database,
            "migrate_database_url": environment.get("MIGRATE_DATABASE_URL", database),
            "redis_url": environment["REDIS_URL"],
            "processes": {
                n: p.pid
                for n, p in self.servers.roll.processes.items()
                if n not in ("supervisor", "seeding", children.ALIVE)
            },
            "users": people["users"],
        }
        write_private(self.data_dir / "demo.json", told)

    def _announce(self) -> None:
        users = json.loads((self.data_dir / PEOPLE).read_text(encoding="utf-8"))["users"]
        wide = max((len(user["username"]) for user in users), default=0)
        lines = [f"READY {self.url}", ""]
        lines += [f"  {user['username']:<{wide}}  {user['password']}  {user['role']}" for user in users]
        lines += [
            "",
            f"  The platform at the other end: http://127.0.0.1:{self.platform_port}",
            "  Ctrl-C stops all of it.",
        ]
        with contextlib.suppress(OSError):
            print("\n".join(lines), flush=True)

    # -- staying

    def watch(self) -> NoReturn:
        while True:
            self._look_after(*self.children)
            if not self.external:
                self._look_after_servers()
            time.sleep(0.2)

    def _look_after(self, *names: str) -> None:
        """Start again what died: at once, then more and more slowly, and not for ever."""
        if self.asked:
            raise Stopped
        for name in names:
            child = self.children.get(name)
            if child is None or child.poll() is None or self._stays_down(name, child):
                continue
            if name not in self.due:
                end_remains(self.servers.roll.processes[name])
                self.due[name] = time.monotonic() + self._count_death(name)
            if time.monotonic() >= self.due[name]:
                del self.due[name]
                self.spawn(name)
                self._tell_processes()

    def _stays_down(self, name: str, child: subprocess.Popen[bytes]) -> bool:
        """Who refused is not asked again until its folder changes; that is said once."""
        if child.returncode != children.STAYS_DOWN:
            return False
        folder = self.data_dir / name
        now = folder.stat().st_mtime_ns if folder.exists() else 0
        if name not in self.down:
            self.down[name] = now
            self.servers.roll.processes.pop(name, None)
            self._tell_processes()
            say(self.servers.explain(name, f"The {name.upper()} REFUSES and stays down; all else goes on"))
        if self.down[name] != now:
            del self.down[name]
            self.spawn(name)
            self._tell_processes()
        return True

    def _look_after_servers(self) -> None:
        for name, start in (("valkey", self.servers.start_valkey), ("postgres", self.servers.start_postgres)):
            child: subprocess.Popen[bytes] | None = getattr(self.servers, name)
            if child is not None and child.poll() is not None:
                time.sleep(self._count_death(name))
                with contextlib.suppress(CannotStart):  # then it is dead again, and counted again
                    start()
                self._tell_processes()

    def _count_death(self, name: str) -> float:
        """How long to wait before the next try."""
        now = time.monotonic()
        died = self.deaths.setdefault(name, deque())
        died.append(now)
        while died and now - died[0] > WITHIN:
            died.popleft()
        if len(died) >= DEATHS:
            raise CannotStart(self.servers.explain(name, f"The process {name} died {DEATHS} times within a minute"))
        return 0.0 if len(died) == 1 else 0.5 * 2.0 ** (len(died) - 2)

    def _tell_processes(self) -> None:
        if self.ready:
            self._write_demo()

    # -- stopping

    def stop(self) -> None:
        """Those who act first, then those they talk to; PostgreSQL last."""
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, signal.SIG_IGN)
        if not self.prepared:
            return  # what runs here is somebody else's
        roll = self.servers.roll
        for names in STOPPED:
            end_all({name: roll.processes.pop(name) for name in names if name in roll.processes})
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=1)
        roll.processes.pop("supervisor", None)
        with contextlib.suppress(OSError):  # a full disk must not keep us from stopping
            self.servers.stop()
        if self.lock:
            self.lock.close()


def say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py demo", description="Everything on this one machine, with a believable day."
    )
    parser.add_argument("--port", type=_port, default=8000, help="where the web server listens on 127.0.0.1 (8000)")
    default = Path(os.environ.get("DATA_DIR") or attach.DEFAULT)
    parser.add_argument("--data-dir", type=Path, default=default, help="where data stays between starts (.data)")
    parser.add_argument("--no-seed", action="store_true", help="settings and people, but no accounts")
    parser.add_argument("--reset", action="store_true", help="forget what an earlier start left in the data folder")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def main(arguments: list[str]) -> int:
    """Run until stopped. Exit 0 when asked to stop, 1 with one sentence when it cannot run."""
    os.umask(0o077)
    supervisor = Supervisor(_options(arguments))

    def stopped(*_: object) -> None:
        supervisor.asked = True

    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, stopped)
    try:
        supervisor.start()
        supervisor.watch()
    except Stopped:
        return 0
    except CannotStart as why:
        say(str(why))
        return 1
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = f"{error.strerror or error} ({error.filename or supervisor.data_dir})"
        say(f"The disk that holds {supervisor.data_dir} is full." if full else f"It cannot run: {what}.")
        return 1
    finally:
        supervisor.stop()
