"""Does `manage.py demo` start, stay and stop, whatever happens to it?"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
import requests

from portal.local.processes import Process, Roll, born

ROOT = Path(__file__).resolve().parents[2]
EVERYBODY = {
    "web", "worker", "beat", "dispatcher", "sequencer", "signer", "witness", "platform", "postgres", "valkey",
}  # fmt: skip


def clean_environment() -> dict[str, str]:
    """As on a fresh machine: nothing says where servers are."""
    ours = ("DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL", "DATA_DIR", "PLATFORM_URL", "BASE_URL")
    secret = ("SECRET_KEY", "VAULT_KEY", "INDEX_KEY", "PLATFORM_SECRET")
    return {name: value for name, value in os.environ.items() if name not in (*ours, *secret)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Demo:
    """One `manage.py demo` in a folder, started as a person would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.said: list[str] = []

    def start(self, *more: str, within: float = 100) -> Demo:
        line = [
            sys.executable,
            "manage.py",
            "demo",
            "--no-seed",
            "--port",
            str(self.port),
            "--data-dir",
            str(self.folder),
        ]
        with (self.folder.parent / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                [*line, *more], cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self.process.stdout
        self.said = []
        for text in self.process.stdout:
            self.said.append(text.strip())
            if "Ctrl-C" in text:
                return self
        raise AssertionError((self.folder.parent / "stderr").read_text())

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(sign)
        code = self.process.wait(timeout=60)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "demo.json").read_text())
        return told

    @property
    def processes(self) -> dict[str, Process]:
        return {n: Process(pid, born(pid) or "gone") for n, pid in self.told["processes"].items()}

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments, "--data-dir", str(self.folder)],
            cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip


def wait_for(what: Callable[[], object], within: float = 20) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo") / "data").start()
    yield demo
    if demo.process and demo.process.poll() is None:
        assert demo.stop() == 0


@pytest.mark.slow
def test_it_says_ready_once_then_who_may_sign_in(demo: Demo) -> None:
    assert demo.said[0] == f"READY http://127.0.0.1:{demo.port}"
    assert sum("READY" in line for line in demo.said) == 1
    roles = [user["role"] for user in demo.told["users"]]
    assert roles.count("reviewer") >= 3
    assert set(roles) == {"reviewer", "specialist", "lead", "analyst", "auditor", "privacy", "operator", "admin"}
    for user in demo.told["users"]:
        assert any(user["username"] in line and user["password"] in line for line in demo.said)
    assert requests.get(f"{demo.told['url']}/readyz", timeout=30).status_code == 200


@pytest.mark.slow
def test_it_writes_down_how_a_script_walks_in(demo: Demo) -> None:
    told = demo.told
    assert stat.S_IMODE((demo.folder / "demo.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(demo.folder.stat().st_mode) == 0o700
    assert set(told["processes"]) == EVERYBODY
    assert all(process.alive for process in demo.processes.values())
    psycopg2.connect(told["database_url"]).close()
    psycopg2.connect(told["migrate_database_url"]).close()
    assert redis.Redis.from_url(told["redis_url"]).ping()
    assert requests.get(told["platform_url"], timeout=30).status_code == 200
    assert requests.get(f"{told['url']}/api/v1/queues", timeout=30).status_code == 401
    key = {"Authorization": f"Bearer {told['users'][0]['api_key']}"}
    assert requests.get(f"{told['url']}/api/v1/queues", headers=key, timeout=30).status_code == 200


@pytest.mark.slow
def test_its_log_is_sealed_signed_and_sound(demo: Demo) -> None:
    until = time.monotonic() + 20
    words = ("verify_audit", "--witness", str(demo.folder / "witness" / "witness.vkey"))
    while (answer := demo.manage(*words)).returncode or "witnessed up to" not in answer.stdout:
        assert time.monotonic() < until, answer.stdout + answer.stderr
        time.sleep(0.5)


@pytest.mark.slow
def test_other_commands_find_its_servers(demo: Demo) -> None:
    assert demo.manage("migrate", "--check", "--database", "owner").returncode == 0


@pytest.mark.slow
def test_a_second_one_on_the_same_data_is_refused_and_harms_nothing(demo: Demo) -> None:
    second = demo.manage("demo", "--port", str(free_port()))

    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert all(process.alive for process in demo.processes.values())
    assert Roll.read(demo.folder).runs("postgres", "valkey")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["worker", "web", "dispatcher", "sequencer", "signer", "witness", "beat", "platform", "valkey", "postgres"]
)
def test_a_process_that_dies_is_started_again_under_a_new_number(demo: Demo, name: str) -> None:
    old = demo.processes[name]
    os.kill(old.pid, signal.SIGKILL)

    wait_for(lambda: demo.told["processes"][name] != old.pid and demo.processes[name].alive)

    assert not old.alive
    wait_for(lambda: _answers(f"{demo.told['url']}/readyz") and _answers(demo.told["platform_url"]))


@pytest.mark.slow
def test_a_signer_that_refuses_stays_down_is_said_and_the_rest_goes_on(demo: Demo) -> None:
    record = demo.folder / "signer" / "signed.json"
    kept, others = record.read_text(), demo.processes
    told = json.loads(kept)

    def write(content: str) -> None:
        record.with_suffix(".mine").write_text(content)
        record.with_suffix(".mine").replace(record)

    write(json.dumps(told | {"size": told["size"] + 100_000}))
    wait_for(lambda: "signer" not in demo.told["processes"])
    time.sleep(3)  # five deaths would have stopped it all
    assert {name for name, process in others.items() if name != "signer" and process.alive} == EVERYBODY - {"signer"}
    log = requests.get(f"{demo.told['url']}/readyz", timeout=10).json()["log"]
    assert log["state"] == "failing"
    assert "the signer refused" in log["failing"][0]
    assert "The SIGNER REFUSES and stays down" in (demo.folder.parent / "stderr").read_text()

    write(kept)
    wait_for(lambda: "signer" in demo.told["processes"] and demo.processes["signer"].alive)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.slow
def test_the_buttons_on_the_platform_really_break_something(demo: Demo) -> None:
    platform, worker = demo.told["platform_url"], demo.processes["worker"]
    broker = redis.Redis.from_url(demo.told["redis_url"])
    broker.set("rung", "now")

    requests.post(f"{platform}/try/broker", timeout=30)
    assert broker.get("rung") is None
    requests.post(f"{platform}/try/worker", timeout=30)
    wait_for(lambda: demo.told["processes"]["worker"] != worker.pid)
    foreign = requests.post(f"{platform}/try/away", headers={"Origin": "http://elsewhere.example"}, timeout=30)
    assert foreign.status_code == 404
    assert _answers(platform)


@pytest.mark.slow
def test_a_killed_supervisor_leaves_nothing_and_the_next_start_keeps_everything(demo: Demo) -> None:
    before, left = demo.told, demo.processes
    assert demo.process
    demo.process.kill()
    demo.process.wait()
    assert demo.process.stdout
    demo.process.stdout.close()

    started = time.monotonic()
    demo.start()
    print(f"second start: {time.monotonic() - started:.1f} s")

    assert not any(process.alive for process in left.values())
    assert demo.told["users"] == before["users"]
    assert demo.told["api_key"] == before["api_key"]
    assert demo.told["platform_secret"] == before["platform_secret"]


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_being_asked_to_stop_stops_every_process(demo: Demo, sign: signal.Signals) -> None:
    if demo.process and demo.process.poll() is not None:
        demo.start()
    left = demo.processes

    assert demo.stop(sign) == 0

    assert not any(process.alive for process in left.values())
    assert not Path(Roll.read(demo.folder).run_dir).exists()


@pytest.mark.slow
def test_without_servers_a_command_says_so_in_one_sentence(demo: Demo) -> None:
    if demo.process and demo.process.poll() is None:
        demo.stop()

    answer = demo.manage("migrate")

    assert answer.returncode == 2
    assert answer.stderr.startswith("No servers run")
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "data")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = demo.manage("demo", "--port", str(port))

    assert answer.returncode == 1
    assert answer.stderr.strip() == (
        f"Port {port} is taken by another program: stop it, or choose another with --port."
    )
    assert Roll.read(tmp_path / "data").processes == {}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    answer = Demo(tmp_path / "data").manage("demo", "--port", str(free_port()))

    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "cannot be written" in answer.stderr


def test_production_refuses_the_demo_also_on_servers_of_its_own(tmp_path: Path) -> None:
    servers = {"DATABASE_URL": "postgres://reeve_app@/reeve", "REDIS_URL": "redis://localhost/0"}
    line = [sys.executable, "manage.py", "demo", "--data-dir", str(tmp_path / "data")]
    environment = clean_environment() | servers | {"REEVE_PRODUCTION": "true"}
    answer = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert answer.returncode == 1
    assert answer.stderr.startswith("REEVE_PRODUCTION is on")
    assert not (tmp_path / "data").exists()


def test_one_server_named_and_the_other_not_is_one_sentence(tmp_path: Path) -> None:
    environment = clean_environment() | {"DATABASE_URL": "postgres://reeve_app@/reeve"}
    line = [sys.executable, "manage.py", "demo", "--data-dir", str(tmp_path / "data")]
    answer = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert answer.returncode == 1
    assert answer.stderr == "DATABASE_URL is set and REDIS_URL is not: set both, or neither.\n"
