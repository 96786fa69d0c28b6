"""Can a new installation be opened: its settings shipped, its first admin let in, once?"""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from moderation.cases.models import Queue
from moderation.decisions.models import Policy
from portal.audit.models import AuditEvent
from portal.people.models import User
from risk.strategy.models import Strategy


@pytest.mark.django_db
def test_it_ships_the_settings_and_again_changes_nothing() -> None:
    call_command("ship")
    shipped = [model.objects.count() for model in (Queue, Policy, Strategy)]
    events = AuditEvent.objects.count()

    call_command("ship")

    assert all(shipped)
    assert [model.objects.count() for model in (Queue, Policy, Strategy)] == shipped
    assert AuditEvent.objects.count() == events


@pytest.mark.django_db
def test_it_lets_the_first_admin_in_and_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_ADMIN_PASSWORD", "a long enough one")

    call_command("first_admin", "sam")

    sam = User.objects.get(username="sam")
    assert sam.check_password("a long enough one")
    assert sam.role_names == {"admin"}
    with pytest.raises(CommandError, match="There is an admin already"):
        call_command("first_admin", "eve")


@pytest.mark.django_db
def test_it_refuses_a_short_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_ADMIN_PASSWORD", "short")
    with pytest.raises(CommandError, match="12 characters"):
        call_command("first_admin", "sam")
    assert not User.objects.filter(username="sam").exists()
