"""Where do the benchmarks run?

Servers of their own, a database per size, and a web server to be measured from outside.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Took:
    """Times of one measured thing in milliseconds, and the CPU it cost on the server, per call."""

    name: str
    ms: list[float] = field(default_factory=list)
    cpu: float = 0.0
    queries: str = ""

    @property
    def p50(self) -> float:
        return statistics.median(self.ms)

    @property
    def p95(self) -> float:
        return sorted(self.ms)[min(len(self.ms) - 1, int(len(self.ms) * 0.95))]

    def line(self) -> str:
        cpu = f"{self.cpu:9.2f}" if self.cpu else " " * 9
        return f"  {self.name:<52}{self.p50:9.2f}{self.p95:9.2f}{cpu}"


HEAD = f"  {'':<52}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}"


@dataclass
class Web:
    """A running web server, and how to ask it."""

    port: int
    process: subprocess.Popen[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    line: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """One request over a kept connection; once more where the server closed an idle one."""
        data = json.dumps(body).encode() if body is not None else None
        more = {"Content-Type": "application/json"} if data else {}
        for last in (False, True):
            self.line = self.line or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            try:
                self.line.request(method, path, data, {**self.headers, **more, **headers})
                answer = self.line.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError):
                self.line = None
                if last:
                    raise
        raise RuntimeError("not reached")

    def again(self) -> Web:
        """The same server over a connection of its own, for one more client."""
        return Web(self.port, self.process, dict(self.headers))

    def cpu(self) -> float:
        """Milliseconds of CPU that the server and its workers have used."""
        pids = [self.process.pid, *below(self.process.pid)]
        return sum(ticks(pid) for pid in pids) * 1000 / TICK

    def measure(self, name: str, rounds: int, call: Callable[[Web], Any]) -> Took:
        """Ask the same again and again, warmed up, one after the other."""
        for _ in range(min(5, rounds)):
            call(self)
        took, before = Took(name), self.cpu()
        for _ in range(rounds):
            begun = time.perf_counter()
            call(self)
            took.ms.append((time.perf_counter() - begun) * 1000)
        took.cpu = (self.cpu() - before) / rounds
        return took


def raw(name: str, rounds: int, call: Callable[[], Any]) -> Took:
    """The same for a plain call, such as straight SQL."""
    for _ in range(min(5, rounds)):
        call()
    took = Took(name)
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        took.ms.append((time.perf_counter() - begun) * 1000)
    return took


@contextmanager
def web(port: int, workers: int = 2) -> Iterator[Web]:
    """The web server as it runs for real, on a port of its own."""
    words = [str(Path(sys.executable).parent / "granian"), "--interface", "wsgi", "--port", str(port)]
    words += ["--workers", str(workers), "--log-level", "error", "portal.wsgi:application"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = Web(port, process)
        for _ in range(200):
            try:
                if server.ask("GET", "/livez")[0] == 200:
                    break
            except OSError:
                server.line = None
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def other_database(url: str, name: str) -> str:
    """The same server's database of another name."""
    return re.sub(r"(@[^/]*)/[^?]+", rf"\1/{name}", url)


def below(pid: int) -> list[int]:
    """All children of a process, and theirs."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *below(child))]


def ticks(pid: int, *, ended: bool = False) -> int:
    """The CPU that a process has used, in parts of a second (`TICK` of them); if asked, also its ended children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(one) for one in fields[11 : 15 if ended else 13])
