"""Which servers does this command talk to?

The environment says. If it does not, those that `manage.py demo` runs with the data folder; found before Django
reads its settings.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from portal.local.processes import CannotStart, Roll, write_private

DEFAULT = ".data"
# Commands that read the code and no data: with no server about they get an address where nobody answers.
NEED_NO_SERVER = {
    "check", "diffsettings", "draw_data", "draw_states", "help", "makemigrations", "makemessages", "compilemessages",
    "spectacular", "collectstatic", "findstatic", "version", "witness", "--help", "-h", "--version",
}  # fmt: skip
NOWHERE = {
    "DATABASE_URL": "postgres://reeve_app@/reeve?host=/nonexistent",
    "MIGRATE_DATABASE_URL": "postgres://reeve_owner@/reeve?host=/nonexistent",
    "REDIS_URL": "unix:///nonexistent/valkey?db=0",
}


def attach(argv: list[str]) -> list[str]:
    """Set the environment for this command; answer its arguments without our own option."""
    command = argv[1] if len(argv) > 1 else "help"
    rest, data_dir = _without_option(argv)
    if command == "demo":
        return argv
    roll = Roll.read(data_dir)
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        if roll.environment.get("DATABASE_URL") == os.environ.get("DATABASE_URL"):
            _set(roll.environment | environment_of(data_dir))  # a demo on these servers made the keys of its data
        return rest
    theirs = "postgres" not in roll.processes and roll.runs("supervisor")  # a demo on servers named by its environment
    if roll.environment and (theirs or roll.runs("postgres", "valkey")):
        _set(roll.environment | environment_of(data_dir))
    elif command in NEED_NO_SERVER or argv[1:3] == ["backends", "check"]:
        _set(NOWHERE | new_secrets())
    else:
        raise CannotStart(
            f"No servers run with the data in {data_dir}: start `manage.py demo`, name its folder with --data-dir, "
            "or set DATABASE_URL and REDIS_URL."
        )
    return rest


def secrets_of(data_dir: Path) -> dict[str, str]:
    """The keys of this data folder: made once, kept with the data they open."""
    path = data_dir / "secrets.json"
    try:
        kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        kept = {}
    whole = new_secrets() | kept
    if whole != kept:
        write_private(path, whole)
    return whole


def new_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "VAULT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "INDEX_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "AUDIT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "PLATFORM_SECRET": secrets.token_urlsafe(32),
    }


def environment_of(data_dir: Path) -> dict[str, str]:
    return {"DATA_DIR": str(data_dir), **secrets_of(data_dir)}


def _set(environment: dict[str, str]) -> None:
    for key, value in environment.items():
        os.environ.setdefault(key, value)


def _without_option(argv: list[str]) -> tuple[list[str], Path]:
    rest: list[str] = []
    data_dir = os.environ.get("DATA_DIR", DEFAULT)
    words = iter(argv)
    for word in words:
        if word == "--data-dir":
            data_dir = next(words, DEFAULT)
        elif word.startswith("--data-dir="):
            data_dir = word.partition("=")[2]
        else:
            rest.append(word)
    return rest, Path(data_dir).absolute()
