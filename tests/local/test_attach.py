"""Which servers does a command find, and what does it do where there are none?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portal.local.attach import NOWHERE, attach, secrets_of
from portal.local.processes import CannotStart, Roll, of

NAMES = ("DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL", "DATA_DIR", "SECRET_KEY", "VAULT_KEY", "PLATFORM_URL")


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def running(folder: Path, url: str = "postgres://reeve_app@/reeve?host=/somewhere") -> None:
    roll = Roll(folder)
    roll.environment = {"DATABASE_URL": url, "REDIS_URL": "unix:///somewhere", "PLATFORM_URL": "http://127.0.0.1:9"}
    roll.processes = {"postgres": of(os.getpid()), "valkey": of(os.getpid())}
    roll.write()


@pytest.mark.parametrize("option", [["--data-dir", "{}"], ["--data-dir={}"]])
def test_it_finds_the_servers_of_a_folder_and_takes_its_own_option_away(tmp_path: Path, option: list[str]) -> None:
    running(tmp_path)

    rest = attach(["manage.py", "load", "file.csv", *(word.format(tmp_path) for word in option)])

    assert rest == ["manage.py", "load", "file.csv"]
    assert os.environ["DATABASE_URL"].endswith("host=/somewhere")
    assert os.environ["VAULT_KEY"] == secrets_of(tmp_path)["VAULT_KEY"]
    assert os.environ["DATA_DIR"] == str(tmp_path)


def test_what_the_environment_says_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/reeve")

    attach(["manage.py", "load", "--data-dir", str(tmp_path)])

    assert os.environ["DATABASE_URL"] == "postgres://elsewhere/reeve"
    assert "VAULT_KEY" not in os.environ


def test_without_servers_it_refuses_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="No servers run with the data in"):
        attach(["manage.py", "load", "file.csv", "--data-dir", str(tmp_path)])


def test_a_description_is_tried_without_servers(tmp_path: Path) -> None:
    with pytest.raises(CannotStart):  # the list says what waits, which only the database knows
        attach(["manage.py", "backends", "list", "--data-dir", str(tmp_path)])

    rest = attach(["manage.py", "backends", "check", "wings.toml", "--data-dir", str(tmp_path)])

    assert rest == ["manage.py", "backends", "check", "wings.toml"]
    assert os.environ["DATABASE_URL"] == NOWHERE["DATABASE_URL"]


def test_servers_that_died_are_no_servers(tmp_path: Path) -> None:
    running(tmp_path)
    roll = Roll.read(tmp_path)
    roll.processes = {name: type(p)(p.pid, "long ago") for name, p in roll.processes.items()}
    roll.write()

    with pytest.raises(CannotStart):
        attach(["manage.py", "load", "--data-dir", str(tmp_path)])


@pytest.mark.parametrize("command", ["makemigrations", "draw_states", "check", "help"])
def test_a_command_that_reads_code_only_needs_none(tmp_path: Path, command: str) -> None:
    attach(["manage.py", command, "--data-dir", str(tmp_path)])
    assert os.environ["DATABASE_URL"] == NOWHERE["DATABASE_URL"]


def test_the_keys_of_a_folder_stay_the_same(tmp_path: Path) -> None:
    assert secrets_of(tmp_path) == secrets_of(tmp_path)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
