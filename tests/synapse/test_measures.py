"""Is what was decided done on a real homeserver, once, and can it be taken back?"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
from django.core.management import call_command
from django.utils import timezone

from moderation.cases.models import Case
from moderation.decisions import actions as decisions
from moderation.enforcement import actions, connector, reconciling
from moderation.enforcement.call import Call
from moderation.enforcement.models import Backend, Enforcement, Finding
from portal.audit.models import AuditEvent
from risk.intake.models import Account
from tests.conftest import NOON
from tests.make import make_case

from .homeserver import NAME, Homeserver

MEASURES = {  # a measure → what lifts it, and the word of the homeserver for it
    "suspend": ("unsuspend", "suspended"),
    "secure": ("release", "locked"),
    "limit_reach": ("restore_reach", "shadow_banned"),
    "ban": ("unban", "deactivated"),
}
_numbers = itertools.count(1)


@pytest.fixture
def member(homeserver: Homeserver, db: None) -> Callable[[], Account]:
    """A user of the homeserver as our account."""

    def make() -> Account:
        user_id = homeserver.register(f"lucky{next(_numbers)}")["user_id"]
        return Account.objects.create(platform="matrix", external_id=user_id, first_seen_at=NOON, last_seen_at=NOON)

    return make


def read_back(account: Account, kind: str) -> bool:
    """Whether the engine sees a kind in force, by its description."""
    description = connector.descriptions()["synapse"]
    call = Call(id="look", seq=0, platform="matrix", account=account.external_id, kind=kind)
    told = connector.read(description, call, clock=NOON)
    assert isinstance(told, dict)
    return connector.holds(description.requests[kind], call, told)


def events_of(action: Enforcement) -> list[str]:
    found = AuditEvent.objects.filter(subjects__contains=[action.audit_name]).order_by("id")
    return [name.removeprefix("enforcement.") for name in found.values_list("type", flat=True)]


def carried_out(action: Enforcement) -> Enforcement:
    assert actions.drain(action.account_id) == 1
    action.refresh_from_db()
    assert action.status == "applied", action.detail
    return action


@pytest.mark.parametrize("kind", MEASURES)
def test_it_applies_reads_back_and_reverses_each_measure_twice_in_a_row(homeserver, member, ordered, kind):
    lift, word = MEASURES[kind]
    account = member()
    fresh = dict.fromkeys(homeserver.state(account.external_id), False)
    assert homeserver.state(account.external_id) == fresh

    for _ in range(2):
        measure = carried_out(ordered(kind, account=account))
        assert homeserver.state(account.external_id) == fresh | {word: True}
        assert (read_back(account, kind), read_back(account, lift)) == (True, False)

        lifted = carried_out(ordered(lift, account=account))
        assert homeserver.state(account.external_id) == fresh
        assert (read_back(account, kind), read_back(account, lift)) == (False, True)

        for action in (measure, lifted):
            assert events_of(action) == ["ordered", "attempted", "applied"]
    assert [row.seq for row in Enforcement.objects.filter(account=account).order_by("seq")] == [1, 2, 3, 4]


def says(homeserver: Homeserver, token: str, room: str, word: str) -> str:
    """What the homeserver answers somebody who writes into a room: `fine`, or its error."""
    path = f"{homeserver.url}/_matrix/client/v3/rooms/{room}/send/m.room.message/{word}"
    told = {"msgtype": "m.text", "body": word}
    answer = requests.put(path, json=told, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    return "fine" if answer.ok else answer.json()["errcode"]


@pytest.mark.parametrize(
    ("kind", "meets"),
    [("suspend", "M_USER_SUSPENDED"), ("secure", "M_USER_LOCKED"), ("limit_reach", "fine"), ("ban", "M_UNKNOWN_TOKEN")],
)
def test_the_person_meets_what_was_decided_and_what_was_lifted(homeserver, ordered, db, kind, meets):
    user, reader = (homeserver.register(f"{kind}{next(_numbers)}".replace("_", "")) for _ in range(2))
    token, other = user["access_token"], reader["access_token"]
    account = Account.objects.create(
        platform="matrix", external_id=user["user_id"], first_seen_at=NOON, last_seen_at=NOON
    )
    room = homeserver.ask("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat"}, token=other)["room_id"]
    homeserver.ask("POST", f"/_matrix/client/v3/join/{room}", {}, token=token)
    assert says(homeserver, token, room, "before") == "fine"

    carried_out(ordered(kind, account=account))
    assert says(homeserver, token, room, "meanwhile") == meets
    carried_out(ordered(MEASURES[kind][0], account=account))

    # deactivating ends every session, and takes the password: an admin has to set a new one
    assert says(homeserver, token, room, "after") == ("M_UNKNOWN_TOKEN" if kind == "ban" else "fine")
    told = homeserver.ask("GET", f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=50", token=other)
    seen = {event["content"].get("body") for event in told["chunk"] if event["type"] == "m.room.message"}
    assert seen == ({"before"} if kind == "ban" else {"before", "after"})


def test_a_deactivated_user_that_was_given_back_gets_in_with_a_new_password(homeserver, member, ordered):
    account = member()
    for kind in ("ban", "unban"):
        carried_out(ordered(kind, account=account))
    path = f"/_synapse/admin/v1/reset_password/{account.external_id}"
    homeserver.ask("POST", path, {"new_password": "a new long password"}, token=homeserver.admin)

    told = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": account.external_id}}
    back = homeserver.ask("POST", "/_matrix/client/v3/login", told | {"password": "a new long password"})

    assert back["user_id"] == account.external_id


def test_a_suspension_ends_by_itself_on_its_day(homeserver, member, ordered):
    account = member()
    carried_out(ordered("suspend", account=account, until=NOON + timedelta(days=1)))

    assert actions.end_due(NOON + timedelta(hours=23)) == 0
    assert actions.end_due(NOON + timedelta(days=1)) == 1
    assert actions.drain(account.pk) == 1

    assert not any(homeserver.state(account.external_id).values())


def test_another_admins_hand_is_found_and_reported(homeserver, member, ordered):
    account = member()
    carried_out(ordered("suspend", account=account))
    path = f"/_synapse/admin/v1/suspend/{account.external_id}"
    homeserver.ask("PUT", path, {"suspend": False}, token=homeserver.admin)

    assert reconciling.reconcile(timezone.now() + timedelta(days=2)) == 1

    [finding] = Finding.objects.filter(account=account)
    assert (finding.kind, finding.detail) == ("drift", "suspend is not in force, no. 1 ordered otherwise")


def test_a_decision_reaches_the_homeserver_and_its_reversal_too(homeserver, ada, ben):
    case = make_case(at="claimed", by=ada)
    user_id = homeserver.register(f"lucky{next(_numbers)}")["user_id"]
    Account.objects.filter(pk=case.account_id).update(platform="matrix", external_id=user_id)
    case = Case.objects.get(pk=case.pk)
    decision = decisions.decide(
        case, by=ada, now=NOON, outcome="suspend", reason_code="bulk_messages", version=case.version,
        request_key="k1", until=NOON + timedelta(days=7), undo_seconds=0, note="a run of a hundred",
    )  # fmt: skip
    assert decision.status == "released"
    actions.drain(case.account_id)
    assert homeserver.state(user_id)["suspended"]

    decisions.reverse(decision, by=ben, now=NOON + timedelta(hours=1), reason_code="not_violating", note="a club")
    actions.drain(case.account_id)

    assert not any(homeserver.state(user_id).values())


def test_it_goes_on_where_it_was_when_the_homeserver_is_killed(homeserver, member, ordered):
    accounts = {kind: member() for kind in MEASURES}
    first = {kind: carried_out(ordered(kind, account=account)) for kind, account in accounts.items()}

    homeserver.kill()
    lifts = {kind: ordered(MEASURES[kind][0], account=account) for kind, account in accounts.items()}
    for lift in lifts.values():
        assert actions.drain(lift.account_id, now=NOON) == 1
        lift.refresh_from_db()
        assert (lift.status, lift.detail) == ("retrying", "could not be reached")
    homeserver.start()
    Backend.objects.update(open_until=None)

    for kind, account in accounts.items():  # what was applied outlived the kill
        assert homeserver.state(account.external_id)[MEASURES[kind][1]]
        assert actions.drain(account.pk, now=NOON + timedelta(seconds=3)) == 1
        lifts[kind].refresh_from_db()
        assert (lifts[kind].status, lifts[kind].attempts) == ("applied", 2)
        assert not any(homeserver.state(account.external_id).values())
        again = carried_out(ordered(kind, account=account))
        assert homeserver.state(account.external_id)[MEASURES[kind][1]]
        assert (first[kind].seq, lifts[kind].seq, again.seq) == (1, 2, 3)
    for account, kind in zip(accounts.values(), accounts, strict=True):
        carried_out(ordered(MEASURES[kind][0], account=account))
        assert not any(homeserver.state(account.external_id).values())


def test_a_call_that_dies_with_the_homeserver_is_asked_for_again(homeserver, member, ordered):
    account = member()
    action = ordered("ban", account=account)
    homeserver.freeze()
    killer = threading.Timer(1.0, homeserver.kill)
    killer.start()

    actions.drain(account.pk, now=NOON)

    killer.join()
    action.refresh_from_db()
    assert (action.status, action.detail) == ("retrying", "broke off the call")
    homeserver.start()
    actions.drain(account.pk, now=NOON + timedelta(seconds=3))
    action.refresh_from_db()
    assert (action.status, action.attempts) == ("applied", 2)
    assert homeserver.state(account.external_id)["deactivated"]


def test_what_stands_already_is_not_done_again(homeserver, member, ordered):
    account = member()
    homeserver.ask(
        "PUT", f"/_synapse/admin/v1/suspend/{account.external_id}", {"suspend": True}, token=homeserver.admin
    )

    action = carried_out(ordered("suspend", account=account))

    assert action.detail == "read back: in force"


@pytest.mark.parametrize("kind", [kind for pair in MEASURES.items() for kind in (pair[0], pair[1][0])])
def test_it_never_makes_an_account_that_is_not_there(homeserver, ordered, db, kind):
    name = f"@nobody{next(_numbers)}:{NAME}"
    account = Account.objects.create(platform="matrix", external_id=name, first_seen_at=NOON, last_seen_at=NOON)
    action = ordered(kind, account=account)

    actions.drain(account.pk)

    action.refresh_from_db()
    assert action.status == "moot"
    told = homeserver.ask("GET", "/_synapse/admin/v2/users?deactivated=true&limit=1000", token=homeserver.admin)
    assert name not in {user["name"] for user in told["users"]}


def test_an_account_of_another_homeserver_is_for_a_person_to_look_at(homeserver, ordered, db):
    name = "@somebody:elsewhere.test"
    account = Account.objects.create(platform="matrix", external_id=name, first_seen_at=NOON, last_seen_at=NOON)
    action = ordered("suspend", account=account)

    actions.drain(account.pk)

    action.refresh_from_db()
    assert action.status == "stopped"
    assert "Can only look up local users" in action.detail


def test_a_token_without_power_pauses_the_backend_and_loses_nothing(homeserver, member, ordered, settings):
    account = member()
    settings.SYNAPSE_TOKEN = homeserver.register(f"plain{next(_numbers)}")["access_token"]
    action = ordered("suspend", account=account)

    actions.drain(account.pk)

    action.refresh_from_db()
    assert (action.status, Backend.objects.get(pk="synapse").paused_why) == ("retrying", "reading back answered 403")


def test_a_path_that_is_not_there_does_not_read_as_an_account_that_is_gone(homeserver):
    description = connector.descriptions()["synapse"]

    assert description.meaning(404, {"errcode": "M_NOT_FOUND", "error": "User not found"}) == "gone"
    assert description.meaning(404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}) == "never"
    assert description.meaning(404, None) == "never"


def test_check_says_that_it_would_work(homeserver, capsys):
    call_command("backends", "check", "synapse")

    assert capsys.readouterr().out.splitlines() == [
        "synapse: can be asked: it answers 400 for @reeve-check-nobody:invalid, as described",
        "synapse: the secret is right: with another it answers differently",
    ]


def test_check_shows_what_each_kind_reads(homeserver, member, capsys):
    call_command("backends", "check", "synapse", account=member().external_id)

    said = capsys.readouterr().out.splitlines()
    assert {"synapse: suspend: suspended is False", "synapse: unban: deactivated is False"} <= set(said)


def test_check_changes_nothing(homeserver, member):
    account = member()
    before = homeserver.state(account.external_id)

    call_command("backends", "check", "synapse", account=account.external_id)

    assert homeserver.state(account.external_id) == before
    assert not Enforcement.objects.exists()


def test_check_names_the_line_of_a_token_that_is_not_taken(homeserver, settings, capsys):
    settings.SYNAPSE_TOKEN = "nobody's"

    with pytest.raises(SystemExit) as ended:
        call_command("backends", "check", "synapse")

    line = connector.descriptions()["synapse"].line("secret")
    assert (ended.value.code, capsys.readouterr().err.startswith(f"synapse.toml, line {line}: it refuses us")) == (
        1,
        True,
    )
