"""Does the command say who is at the other end, and fail when they could not be called?"""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from moderation.enforcement import actions, connector
from moderation.enforcement.models import Backend
from tests.conftest import NOON

MINE = """name = "mine"
platforms = ["mine"]
base = "MINE_URL"
secret = "MINE_TOKEN"
auth = "bearer"
idempotent = "natural"

[send]
method = "POST"
path = "/do/{account}"

[answers]
applied = [200]

[read]
path = "/v1/accounts/mine/{account}"

[kinds.suspend]
reads = { at = "state.suspended", is = true }
"""


@pytest.fixture
def folder(tmp_path, settings):
    """A folder of own descriptions, read anew."""
    settings.BACKENDS_DIR = str(tmp_path)
    connector.descriptions.cache_clear()
    yield tmp_path
    connector.descriptions.cache_clear()


def check(name, **options):
    """The exit code of `backends check`."""
    try:
        call_command("backends", "check", name, **options)
    except SystemExit as ended:
        return ended.code
    return 0


def test_it_lists_each_with_its_switch_and_what_waits(ordered, platform, ben, capsys):
    ordered("suspend")
    actions.pause(Backend.objects.get(), by=ben, now=NOON, why="Their release")

    call_command("backends")

    assert capsys.readouterr().out.splitlines() == [
        f"platform: {platform.url}, serves *, paused: Their release, 1 open",
        "synapse: not set up (SYNAPSE_URL), serves matrix",
    ]


def test_it_fails_when_one_could_not_be_called(settings, db, capsys):
    settings.PLATFORM_URL, settings.ENFORCEMENT_HOSTS = "http://127.0.0.1:9", []

    with pytest.raises(SystemExit):
        call_command("backends")

    assert "not in ENFORCEMENT_HOSTS" in capsys.readouterr().err


def test_check_tries_the_platform_without_effect(platform, db, capsys):
    assert check("platform") == 0

    assert capsys.readouterr().out.splitlines() == [
        f"platform: {platform.url} can be read back",
        "platform: whether the secret is right shows with the first action only: a stranger reads the same",
    ]
    assert platform.ledger.rows == []


def test_check_cannot_tell_when_nobody_is_there(settings, db, capsys):
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = "http://127.0.0.1:9", "s"
    settings.ENFORCEMENT_HOSTS = ["127.0.0.1:9"]

    assert check("platform") == 2

    line = connector.descriptions()["platform"].line("base")
    assert capsys.readouterr().err == f"platform.toml, line {line}: could not be reached\n"


def test_check_says_which_setting_is_missing(db, capsys):
    assert check("synapse") == 1

    assert "SYNAPSE_URL is not set" in capsys.readouterr().err


def test_check_knows_who_there_is(db):
    with pytest.raises(CommandError, match="no backend wings; there are platform, synapse") as told:
        call_command("backends", "check", "wings")

    assert told.value.returncode == 2


def test_check_reads_a_file_that_is_to_become_one(platform, tmp_path, settings, monkeypatch, db, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(MINE.replace('auth = "bearer"', 'auth = "magic"'))
    assert check(str(file)) == 1
    assert capsys.readouterr().err == "mine.toml, line 5: auth is one of hmac, bearer, basic, not 'magic'\n"

    file.write_text(MINE.replace('auth = "bearer"', 'auth = "hmac"'))
    monkeypatch.setenv("MINE_URL", platform.url)
    monkeypatch.setenv("MINE_TOKEN", "s")
    assert check(str(file)) == 0

    file.write_text(MINE.replace("bearer", "hmac").replace("state.suspended", "state.asleep"))
    assert check(str(file), account="70001") == 1
    assert "line 19: suspend: there is no state.asleep in what was read" in capsys.readouterr().err


def test_own_descriptions_stand_beside_the_shipped_ones(folder):
    (folder / "mine.toml").write_text(MINE)

    assert list(connector.descriptions()) == ["platform", "synapse", "mine"]
    assert connector.serving("mine").name == "mine"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("mine.toml", MINE.replace("natural", "perhaps"), "mine.toml, line 6: idempotent is one of"),
        ("other.toml", MINE, "other.toml, line 1: a description is named as its file, not mine"),
        ("synapse.toml", MINE.replace("mine", "synapse", 1), "synapse.toml, line 1: there are two of this name"),
        ("mine.toml", "name = ", "mine.toml, line 1: "),
    ],
)
def test_one_that_does_not_check_out_stops_the_start_with_its_line(folder, name, text, reason):
    (folder / name).write_text(text)

    with pytest.raises(ImproperlyConfigured, match=reason):
        connector.descriptions()


def test_a_folder_that_is_not_there_stops_the_start(folder, settings):
    settings.BACKENDS_DIR = str(folder / "nowhere")

    with pytest.raises(ImproperlyConfigured, match=r"BACKENDS_DIR: .* is no folder"):
        connector.descriptions()
