"""Does the command say who is at the other end, and fail when they could not be called?"""

from __future__ import annotations

import pytest
from django.core.management import call_command

from moderation.enforcement import actions
from moderation.enforcement.models import Backend
from tests.conftest import NOON


def test_it_lists_each_with_its_switch_and_what_waits(ordered, platform, ben, capsys):
    ordered("suspend")
    actions.pause(Backend.objects.get(), by=ben, now=NOON, why="Their release")

    call_command("backends")

    assert capsys.readouterr().out == f"platform: {platform.url}, serves *, paused: Their release, 1 open\n"


def test_it_fails_when_one_could_not_be_called(settings, db, capsys):
    settings.PLATFORM_URL, settings.ENFORCEMENT_HOSTS = "http://127.0.0.1:9", []

    with pytest.raises(SystemExit):
        call_command("backends")

    assert "not in ENFORCEMENT_HOSTS" in capsys.readouterr().err
