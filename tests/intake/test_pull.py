"""Do reports come in that are kept elsewhere: each once, none lost, and none kept back by another?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command

from portal.described import BadDescription
from risk.intake import actions, feeds, pulling, tasks
from risk.intake.models import Account, Batch, Feed, Signal
from tests.make import NOON

SHIPPED = (feeds.FOLDER / "synapse.toml").read_text(encoding="utf-8")


class Reports:
    """A system with reports, told newest first."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.broken: dict[int, int] = {}  # the n-th question → a status
        self.then: dict[int, Any] = {}  # after the n-th question → done

    def add(self, *numbers: int, **fields: Any) -> None:
        for number in numbers:
            at = NOON - timedelta(hours=1) + timedelta(seconds=number)
            row: dict[str, Any] = {"id": number, "received_ts": int(at.timestamp() * 1000), "reason": "spam"}
            row |= {"sender": f"@s{number}:reeve.test", "user_id": "@vera:reeve.test"}
            row |= {"event_id": f"$e{number}", "room_id": "!r"}
            self.rows.append(row | fields)

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        asked = parse_qs(urlsplit(path).query)
        start, size = int(asked.get("from", ["0"])[0]), int(asked["limit"][0])
        status = self.broken.get(len(self.asked), 200)
        newest = sorted(self.rows, key=lambda row: -row["id"])
        told: dict[str, Any] = {"event_reports": newest[start : start + size], "total": len(newest)}
        if start + size < len(newest):
            told["next_token"] = start + size
        self.then.pop(len(self.asked), lambda: None)()
        return status, told


@pytest.fixture
def reports(settings: Any, system: Any) -> Iterator[Reports]:
    actions.ship(by=system, now=NOON)
    told = Reports()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = told.answer(self.path)
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.SYNAPSE_URL, settings.SYNAPSE_TOKEN = f"http://127.0.0.1:{server.server_port}", "s"
        settings.ENFORCEMENT_HOSTS = [settings.SYNAPSE_URL.removeprefix("http://")]
        yield told
        server.shutdown()


@pytest.fixture
def pull(system: Any) -> Any:
    def walk(**options: Any) -> pulling.Pulled:
        return pulling.pull(feeds.feeds()["synapse"], by=system, clock=lambda: NOON, **options)

    return walk


def ids() -> set[int]:
    return {int(name) for name in Signal.objects.values_list("external_id", flat=True)}


def test_a_report_is_a_signal_about_who_wrote_the_message(reports, pull):
    reports.add(7)

    assert pull().accepted == 1

    signal = Signal.objects.select_related("account").get()
    assert (signal.source, signal.external_id, signal.kind) == ("synapse", "7", "user_report")
    assert (signal.account.platform, signal.account.external_id) == ("matrix", "@s7:reeve.test")
    assert signal.occurred_at == NOON - timedelta(hours=1) + timedelta(seconds=7)
    assert signal.data["item"] == "$e7"
    assert {"vault", "commitment"} <= set(signal.data["text"])  # what somebody wrote is sealed
    assert "@vera" not in json.dumps(signal.data)


def test_each_comes_in_once_however_often_it_is_asked_for(reports, pull):
    reports.add(*range(1, 251))

    assert [pull().accepted for _ in range(3)] == [250, 0, 0]

    assert ids() == set(range(1, 251))
    assert Batch.objects.count() == 3  # of the first walk's pages; nothing new leaves no trace
    assert Feed.objects.get().cursor == 250


def test_it_reads_down_to_what_is_known_and_one_page_more(reports, pull):
    reports.add(*range(1, 1001))
    pull()
    reports.asked.clear()
    reports.add(1001, 1002)

    assert pull().accepted == 2

    assert len(reports.asked) == 2


def test_a_walk_that_broke_off_is_walked_again_to_its_end(reports, pull):
    reports.add(*range(1, 501))
    reports.broken = {3: 500}
    with pytest.raises(pulling.Stuck, match="answered 500") as stuck:
        pull()
    assert (stuck.value.away, Feed.objects.get().cursor, Feed.objects.get().problem) == (True, 0, "answered 500")
    reports.add(501)  # what is new does not hide what was not reached

    assert pull().accepted == 301

    assert ids() == set(range(1, 502))
    assert (Feed.objects.get().cursor, Feed.objects.get().problem) == (501, "")


def test_what_is_reported_while_it_walks_is_not_lost(reports, pull):
    reports.add(*range(1, 301))
    reports.then = {2: lambda: reports.add(301, 302)}

    pull()
    pull()

    assert ids() == set(range(1, 303))


def test_what_comes_into_sight_late_comes_in(reports, pull):
    reports.add(*range(1, 51), *range(52, 102))
    pull()
    reports.add(51)

    assert pull().accepted == 1
    assert 51 in ids()


def test_what_was_deleted_here_as_old_does_not_come_back(reports, pull):
    reports.add(1, received_ts=int((NOON - timedelta(days=400)).timestamp() * 1000))
    pull()
    Signal.objects.all().delete()

    assert (pull().accepted, Batch.objects.count()) == (0, 1)


def test_a_report_of_nobody_costs_none_beside_it_and_is_told_once(reports, pull):
    reports.add(1, 3)
    reports.add(2, sender=None)

    told = pull(), pull()

    assert (told[0].accepted, told[0].rejected) == (2, ["2: $.account.id: this is missing"])
    assert (told[1].accepted, told[1].rejected, Batch.objects.count()) == (0, [], 1)


def test_who_writes_too_much_does_not_keep_others_from_being_heard(reports, pull):
    reports.add(1, 3, 5)
    reports.add(2, reason="x" * (pulling.LARGEST + 1))
    reports.add(4, reason="x" * 100_000)

    told = pull()

    assert (told.accepted, told.unread, len(told.rejected)) == (3, 1, 1)
    assert told.rejected[0].startswith("4: $: the signal is larger than")
    assert ids() == {1, 3, 5}


@pytest.mark.parametrize("telling", [{"id": "7"}, {"id": None}, {"id": True}, {"id": -1}])
def test_an_answer_of_another_shape_is_said(reports, pull, telling):
    reports.add(7, **{"id": 7})
    reports.answer = lambda path: (200, {"event_reports": [telling]})

    with pytest.raises(pulling.Stuck, match="whose id is no whole number"):
        pull()


def test_it_stops_when_the_time_is_up_and_says_so(reports, pull):
    reports.add(*range(1, 501))

    told = pull(stopped=lambda: len(reports.asked) >= 2)

    assert (told.accepted, told.whole, Feed.objects.get().cursor) == (200, False, 0)
    assert "the time was up" in Feed.objects.get().problem


def test_how_long_ago_it_was_read_is_a_number_to_watch(reports, pull):
    from moderation.insight.gauges import gauges

    assert b'reeve_feed_read_seconds{feed="synapse"}' not in gauges()

    pull()

    assert b'reeve_feed_read_seconds{feed="synapse"}' in gauges()


def test_the_bell_asks_whoever_is_set_up(reports):
    reports.add(1)

    tasks.pull(anything="newer")

    assert {urlsplit(path).path.rpartition("/")[2] for path in reports.asked} == {"event_reports", "user_reports"}
    assert Account.objects.get().external_id == "@s1:reeve.test"


def test_the_command_says_what_came(reports, capsys):
    reports.add(1, 2)

    call_command("pull", "synapse")
    call_command("pull", "synapse", again=True)

    assert capsys.readouterr().out.splitlines() == [
        "synapse: accepted 2 duplicates 0 rejected 0, read up to 2",
        "synapse: accepted 0 duplicates 2 rejected 0, read up to 2",
    ]


@pytest.mark.parametrize(("status", "code"), [(401, 1), (404, 1), (503, 2)])
def test_the_command_fails_with_why(reports, capsys, status, code):
    reports.broken = {1: status}

    with pytest.raises(SystemExit) as ended:
        call_command("pull", "synapse")

    assert (ended.value.code, capsys.readouterr().err) == (code, f"synapse: answered {status}\n")


def test_the_command_needs_somebody_to_ask(db):
    with pytest.raises(CommandError, match="No feed is set up"):
        call_command("pull")
    with pytest.raises(CommandError, match="no feed wings; there are synapse, synapse_users"):
        call_command("pull", "wings")


def changed(old: str, new: str) -> tuple[str, int]:
    lines = SHIPPED.splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.startswith(old)]
    lines[number - 1] = new
    return "\n".join(lines), number


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("name = ", 'name = "Big One"', "name is a word in lower case"),
        ("secret = ", 'secret = "VAULT_KEY"', "ends in _SECRET"),
        ("auth = ", 'auth = "magic"', "auth is one of"),
        ("path = ", 'path = "reports"', "a path starts with one slash"),
        ("items = ", "items = 1", "items is a text"),
        ("next = ", 'last = "x"', "knows no last here"),
        ("[data]", "[deta]", "knows no deta here"),
        ("external_id = ", 'external_id = "r1"', r"\[signal\] must say which column"),
        ("occurred_at = ", 'occurred_at = { column = "received_ts", type = "moon" }', "the type moon is none of"),
        ("platform = ", "", r"\[account\] must say where platform"),
    ],
)
def test_a_description_that_does_not_check_out_is_refused_at_its_line(old, new, reason):
    text, number = changed(old, new)

    with pytest.raises(BadDescription, match=reason) as refused:
        feeds.parse(text, file="synapse.toml")

    within = refused.value.line
    assert within <= number
    assert text.splitlines()[within - 1].startswith("[") or within == number


def test_the_example_of_the_page_is_one(settings):
    page = (settings.BASE_DIR / "docs/intake.md").read_text(encoding="utf-8")
    example = page.rpartition("```toml\n")[2].partition("```")[0]

    feed = feeds.parse(example, file="wings.toml")

    item = {"id": 7, "at": "2026-11-20T09:00:00Z", "about": "48211", "by": "9920", "words": "spam"}
    assert feed.map.signal_of(item)["account"] == {"platform": "wings", "id": "48211", "attributes": {}}
