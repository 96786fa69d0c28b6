"""Do the reports of a real homeserver come in, and can something be done about them there?"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import call_command

from moderation.enforcement import actions as enforcement
from risk.intake import actions, feeds, pulling
from risk.intake.models import Account, Feed, Signal
from tests.conftest import NOON

from .homeserver import Homeserver

USERS: dict[str, Any] = {}


@pytest.fixture
def people(one_homeserver: Homeserver) -> dict[str, Any]:
    """A seller and somebody who reads: made once, since the homeserver keeps them."""
    for name in ("seller", "reader"):
        if name not in USERS:
            USERS[name] = one_homeserver.register(name)
    return USERS


@pytest.fixture
def report(homeserver: Homeserver, people: dict[str, Any], system: Any) -> Any:
    """The seller writes something, and the reader reports it: `report("spam", times=3)`."""
    actions.ship(by=system, now=NOON)
    seller, reader = people["seller"]["access_token"], people["reader"]["access_token"]
    room = homeserver.ask("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat"}, token=seller)["room_id"]
    homeserver.ask("POST", f"/_matrix/client/v3/join/{room}", {}, token=reader)

    def make(reason: str, *, times: int = 1) -> None:
        for number in range(times):
            where = f"/_matrix/client/v3/rooms/{room}"
            homeserver.sent.append(reason)
            text = {"msgtype": "m.text", "body": f"buy {number}"}
            sent = homeserver.ask("PUT", f"{where}/send/m.room.message/{len(homeserver.sent)}", text, token=seller)
            event = quote(sent["event_id"], safe="")
            homeserver.ask("POST", f"{where}/report/{event}", {"reason": reason}, token=reader)

    return make


def clock() -> Any:
    from django.utils import timezone

    return timezone.now()


def pull(system: Any, name: str = "synapse") -> pulling.Pulled:
    return pulling.pull(feeds.feeds()[name], by=system, clock=clock)


def test_reports_come_in_once_and_what_is_new_is_found(homeserver, people, report, system):
    pull(system)  # whatever an earlier test left there
    before = Signal.objects.count()
    report("spam", times=3)

    assert [pull(system).accepted for _ in range(2)] == [3, 0]

    report("more")
    homeserver.kill()
    with pytest.raises(pulling.Stuck, match="could not be reached"):
        pull(system)
    homeserver.start()
    assert [pull(system).accepted for _ in range(2)] == [1, 0]
    assert Signal.objects.count() == before + 4
    account = Account.objects.get(external_id=people["seller"]["user_id"])
    assert (account.platform, account.signals.filter(kind="user_report").count()) == ("matrix", before + 4)
    assert Feed.objects.get().cursor == max(int(name) for name in Signal.objects.values_list("external_id", flat=True))


def test_every_page_of_a_long_list_is_read(report, system, monkeypatch):
    pull(system)
    before = Signal.objects.count()
    monkeypatch.setattr(pulling, "SIZE", 3)
    report("flood", times=10)

    assert pull(system).accepted == 10
    assert Signal.objects.count() == before + 10


def test_a_report_too_large_to_read_keeps_no_other_back(report, system, monkeypatch):
    pull(system)
    report("first")
    report("x" * 60_000)
    report("last")
    monkeypatch.setattr(pulling, "LARGEST", 50_000)

    told = pull(system)

    assert (told.accepted, told.unread, told.whole) == (2, 1, True)


def test_a_user_who_was_reported_comes_in_too(homeserver, people, report, system):
    seller = people["seller"]["user_id"]
    path = f"/_matrix/client/v3/users/{quote(seller)}/report"
    homeserver.ask("POST", path, {"reason": "a liar"}, token=people["reader"]["access_token"])

    assert pull(system, "synapse_users").accepted == 1

    assert Signal.objects.get(source="synapse_users").account.external_id == seller


def test_the_command_reads_both_and_the_reported_account_can_be_suspended(
    homeserver,
    people,
    report,
    ordered,
    capsys,
):
    report("spam")

    call_command("pull")

    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["synapse", "synapse_users"]
    account = Account.objects.get(external_id=people["seller"]["user_id"])
    for kind, state in (("suspend", True), ("unsuspend", False)):
        ordered(kind, account=account)
        assert enforcement.drain(account.pk) == 1
        assert homeserver.state(account.external_id)["suspended"] is state
