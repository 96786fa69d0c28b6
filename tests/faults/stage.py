"""Where are things broken on purpose? Servers, platform, worker, dispatcher of our own, each killed by its own id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from portal.local.attach import new_secrets
from portal.local.children import command
from portal.local.processes import of
from portal.local.servers import start

ROOT = Path(__file__).resolve().parents[2]


class Stage:
    """Everything that runs, in a folder of its own; nothing else on the machine is touched."""

    def __init__(
        self,
        folder: Path,
        *,
        lease: int = 6,
        broker: bool = True,
        worker_options: tuple[str, ...] = (),
        durable: bool = False,
        patience: tuple[float, float] | None = None,
        backends: Path | None = None,
    ) -> None:
        """`patience`: seconds a backend gets for an answer, silent and in all, in the processes started here;
        `backends`: a folder of further descriptions."""
        self.folder, self.worker_options = folder, worker_options
        self.through: tuple[str, ...] = ()  # what stands between Python and the words of a process of ours
        self.servers = start(folder / "servers", durable=durable)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.writing = threading.Lock()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.web_port = free.getsockname()[1]
        os.environ.update(self.servers.environment, **new_secrets())
        os.environ.update(
            PLATFORM_SECRET="s", DATA_DIR=str(folder), ENFORCEMENT_LEASE_SECONDS=str(lease),
            LOG_LEVEL="WARNING", API_RATE="1000000/min",
            DJANGO_SETTINGS_MODULE="portal.settings",
        )  # fmt: skip
        if not broker:
            os.environ["REDIS_URL"] = f"unix://{folder}/nothing-here?db=0"
        if patience:
            os.environ["BENT_PATIENCE"] = ",".join(map(str, patience))
        if backends:
            os.environ["BACKENDS_DIR"] = str(backends)
        (folder / "secret").write_text("s")
        self.platform_url = self._start_platform()
        os.environ["PLATFORM_URL"] = self.platform_url

    def prepare(self) -> None:
        """The tables, as the owner makes them; from here on models may be imported."""
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", database="owner", verbosity=0)

    def start(self, name: str, **more: str) -> None:
        """Start one of the processes, in a process group of its own; `sequencer-2` is a second one.

        `postgres` and `valkey` are started again after `kill`; PostgreSQL waits until it takes connections.
        `more` stands in its environment.
        """
        if name == "postgres":
            return self.servers.start_postgres()
        if name == "valkey":
            self.servers.start_valkey()
            return self.servers.wait_for_valkey()
        kind, _, number = name.partition("-")
        words = command(kind, port=self.web_port, platform_port=0, data_dir=self.folder)
        words += self.worker_options if kind == "worker" else ()
        words += ["-n", f"{name}@%h"] if kind == "worker" and number else []
        words[1:1] = self.through
        surroundings = os.environ | more
        if any(one.startswith("BENT_") for one in surroundings):
            surroundings["PYTHONPATH"] = str(Path(__file__).parent / "bent")
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, start_new_session=True, env=surroundings)
        self._ours(name, child)

    def kill(self, name: str) -> None:
        """SIGKILL to the whole group: parent and children at once, as when the machine loses it."""
        servers = {"postgres": self.servers.postgres, "valkey": self.servers.valkey}
        child = servers.get(name) or self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def pause(self, *names: str) -> None:
        """Let processes with all their children stand still."""
        for name in names:
            os.killpg(self.children[name].pid, signal.SIGSTOP)

    def resume(self, *names: str) -> None:
        """Let them go on."""
        for name in names:
            os.killpg(self.children[name].pid, signal.SIGCONT)

    def kill_one_of_pool(self, name: str = "worker") -> None:
        """SIGKILL to one process of a worker's pool, as soon as there is one; its parent lives on."""
        found: list[int] = []
        until(lambda: found or found.extend(self.pool(name)), within=300)
        os.kill(found[0], signal.SIGKILL)

    def pool(self, name: str = "worker") -> list[int]:
        """The processes that do a worker's work; none until it is ready."""
        parent = self.children[name].pid
        tasks = Path(f"/proc/{parent}/task")  # whichever of its threads started one
        if not tasks.exists():  # gone, or no /proc: not Linux
            found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
            return [int(pid) for pid in found.stdout.split()]
        pids: list[int] = []
        for listed in tasks.glob("*/children"):
            with suppress(OSError):
                pids += [int(pid) for pid in listed.read_text().split()]
        return [pid for pid in pids if not dead(pid)]

    def worker_listens(self) -> bool:
        """Whether a worker waits for bells at the broker."""
        import redis

        return any(client["cmd"] == "brpop" for client in redis.Redis.from_url(self.servers.redis_url).client_list())

    def ledger(self) -> list[dict[str, Any]]:
        """Every effect on the platform, in order."""
        return self._all("ledger")

    def calls(self) -> list[dict[str, Any]]:
        """Every call that reached the platform, in order, whatever came of it."""
        return self._all("calls")

    def state(self, account: str, platform: str = "main") -> dict[str, Any]:
        """How an account stands on the platform."""
        return self._ask(f"/v1/accounts/{platform}/{account}")

    def faults(self, wanted: dict[str, Any]) -> None:
        """Let the platform misbehave."""
        self._post("/v1/faults", wanted)

    def hand(self, account: str, told: dict[str, Any]) -> None:
        """Change an account on the platform by another hand, or let it forget effects."""
        self._post(f"/v1/accounts/main/{account}/hand", told)

    def stop(self) -> None:
        """End everything that was started here."""
        for name in reversed(list(self.children)):  # the platform, started first, ends last
            self.kill(name)
        self.servers.stop()

    def _start_platform(self) -> str:
        words = [
            sys.executable, "-m", "portal.local.platform", "--port", "0", "--data", str(self.folder / "platform.jsonl"),
            "--secret-file", str(self.folder / "secret"),
        ]  # fmt: skip
        child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
        self._ours("platform", child)
        assert child.stdout is not None
        return child.stdout.readline().decode().split()[-1]

    def _ours(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """It is ended with the servers, by their guard, if somebody kills us before we can."""
        self.children[name] = child
        with self.writing:
            self.servers.roll.processes[name] = of(child.pid)
            self.servers.roll.write()

    def _all(self, book: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while more := self._ask(f"/v1/{book}?after={len(rows)}")["rows"]:
            rows += more
        return rows

    def _post(self, path: str, told: dict[str, Any]) -> None:
        request = urllib.request.Request(self.platform_url + path, json.dumps(told).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.platform_url + path, timeout=10) as answer:
            return json.load(answer)


def dead(pid: int) -> bool:
    """Whether a process has ended, if only nobody asked for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def until(true: Any, *, within: float, every: float = 0.05) -> bool:
    """Wait for something to become true; says whether it did."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(every)
    return bool(true())
