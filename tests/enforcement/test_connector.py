"""Does the engine say what it should, reach whom it may, and understand what it hears?"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from moderation.enforcement import connector, filling
from moderation.enforcement.call import Call, Meaning
from portal import line, peer
from tests.conftest import NOON

CALL = Call(id="k1", seq=4, platform="main", account="70001", kind="suspend", until=NOON, policy="SPM-1.2")


@pytest.fixture
def description():
    return connector.descriptions()["platform"]


@pytest.fixture
def backend(settings):
    """A backend that says exactly the bytes it is given, once per connection, and keeps what it was told."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = f"http://127.0.0.1:{listener.getsockname()[1]}", "s"
    settings.ENFORCEMENT_HOSTS = [settings.PLATFORM_URL.removeprefix("http://")]
    heard, answers = [], []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                heard.append(whole(connection))
                for part in answers.pop(0) if answers else [b""]:
                    if isinstance(part, float):
                        time.sleep(part)
                    else:
                        connection.sendall(part)

    threading.Thread(target=serve, daemon=True).start()
    yield type("Backend", (), {"heard": heard, "answers": answers})
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def whole(connection):
    """A request to its last byte; leaving some unread would answer the caller with a reset."""
    told = connection.recv(65536)
    while told and b"Content-Length: " in told:
        head, _, body = told.partition(b"\r\n\r\n")
        if len(body) >= int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]):
            break
        told += connection.recv(65536)
    return told


def said(status, body=b"{}", **headers):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return [head.encode() + b"\r\n" + body]


def carry_out(description, call=CALL):
    return connector.carry_out(description, call, clock=datetime.now(UTC))


@pytest.mark.parametrize(
    ("answer", "meaning", "why"),
    [
        (said(200, b'{"effect_id": "ef-1"}'), Meaning.APPLIED, "answered 200"),
        (said(200, b'{"error": "no such thing"}'), Meaning.LATER, "answered 200, but names no effect"),
        (said(200, b'{"effect_id": "ef'), Meaning.LATER, "answered 200, but names no effect"),
        (said(200, b'{"effect_id": true}'), Meaning.LATER, "answered 200, but names no effect"),
        (said(200, b'{"effect_id": {"a": 1}}'), Meaning.LATER, "answered 200, but names no effect"),
        (said(200, b"[" * 100_000), Meaning.LATER, "answered 200, but names no effect"),
        (said(200, b"x" * (1 << 21)), Meaning.LATER, "answered 200 with more than 1048576 bytes"),
        (said(408), Meaning.LATER, "answered 408"),
        (said(425), Meaning.LATER, "answered 425"),
        (said(429), Meaning.LATER, "answered 429"),
        (said(500), Meaning.LATER, "answered 500"),
        (said(503), Meaning.LATER, "answered 503"),
        (said(404), Meaning.GONE, "answered 404"),
        (said(410), Meaning.GONE, "answered 410"),
        (said(401), Meaning.PAUSE, "answered 401"),
        (said(403), Meaning.PAUSE, "answered 403"),
        (said(400), Meaning.NEVER, "answered 400"),
        (said(422, b'{"error": "unknown"}'), Meaning.NEVER, "answered 422"),
        (said(302, Location="http://169.254.169.254/"), Meaning.LATER, "answered 302: redirects are not followed"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"], Meaning.LATER, "broke off the call"),
        ([b"nonsense\r\n\r\n"], Meaning.LATER, "broke off the call"),
        ([b""], Meaning.LATER, "broke off the call"),
    ],
)
def test_it_understands_an_answer(backend, description, answer, meaning, why):
    backend.answers.append(answer)

    told = carry_out(description)

    assert (told.meaning, told.why) == (meaning, why)
    assert len(backend.heard) == 1


def test_an_effect_is_named_in_what_the_database_takes(backend, description):
    backend.answers.append(said(200, rb'{"effect_id": "a\u0000b\ud800c"}'))

    assert carry_out(description).effect_id == "a\ufffdb?c"


def test_it_keeps_what_was_said_against_it(backend, description):
    backend.answers.append(said(422, b'{"error": "Unknown scope."}'))

    assert carry_out(description).detail == 'answered 422: {"error": "Unknown scope."}'


def test_it_says_key_number_and_signature(backend, description):
    backend.answers.append(said(200, b'{"effect_id": "ef-1"}'))

    carry_out(description)

    head, body = backend.heard[0].decode().split("\r\n\r\n")
    lines = head.split("\r\n")
    assert lines[0] == "POST /v1/actions HTTP/1.1"
    assert {"Idempotency-Key: k1", "X-Account-Seq: 4"} <= set(lines)
    assert any(one.startswith("X-Signature: t=") for one in lines)
    assert json.loads(body) == {
        "action_id": "k1", "account": {"platform": "main", "id": "70001"}, "kind": "suspend",
        "until": "2026-11-20T12:00:00Z", "scope": None, "policy": "SPM-1.2", "reason_code": None, "notice": None,
    }  # fmt: skip


def test_hostile_values_stay_values(backend, description):
    backend.answers.append(said(200, b'{"effect_id": "ef-1"}'))
    call = replace(CALL, account='", "kind": "ban', scope="{secret}")

    carry_out(description, call)

    body = json.loads(backend.heard[0].decode().split("\r\n\r\n")[1])
    assert (body["account"]["id"], body["kind"], body["scope"]) == ('", "kind": "ban', "suspend", "{secret}")


def test_a_value_cannot_climb_out_of_its_path():
    assert filling.filled_path("/a/{account}", {"account": "x/../y?z#ü"}) == "/a/x%2F..%2Fy%3Fz%23%C3%BC"
    for account in ("..", ".", "", None):
        with pytest.raises(filling.Unfit):
            filling.filled_path("/a/{account}", {"account": account})


def test_a_value_cannot_break_a_header():
    for value in ("a\r\nb", "a\x00b", "ü"):
        with pytest.raises(filling.Unfit):
            filling.filled_header("{id}", {"id": value})


def test_a_drip_ends_when_the_time_is_up(backend, description, monkeypatch):
    monkeypatch.setattr(peer, "TOTAL", 0.5)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    backend.answers.append([head, *[b"x", 0.1] * 40])
    begun = time.monotonic()

    told = carry_out(description)

    assert (told.meaning, told.why, told.unreached) == (Meaning.LATER, "timed out", True)
    assert time.monotonic() - begun < 3


def test_silence_ends_when_the_time_is_up(backend, description, monkeypatch):
    monkeypatch.setattr(peer, "READ", 0.2)
    backend.answers.append([1.0])

    told = carry_out(description)

    assert (told.why, told.unreached) == ("timed out", True)


def test_a_closed_port_counts_against_the_backend(description, settings):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = f"http://127.0.0.1:{port}", "s"
    settings.ENFORCEMENT_HOSTS = [f"127.0.0.1:{port}"]

    told = carry_out(description)

    assert (told.meaning, told.why, told.unreached) == (Meaning.LATER, "could not be reached", True)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8001",
        "http://u@127.0.0.1:8002",
        "ftp://127.0.0.1:8002",
        "http://127.0.0.1:8002?x",
        "",
        "nothing",
    ],
)
def test_it_calls_nobody_who_is_not_listed_exactly(description, settings, address):
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = address, "s"
    settings.ENFORCEMENT_HOSTS = ["127.0.0.1:8002"]

    assert carry_out(description).meaning == Meaning.PAUSE


def test_it_calls_nobody_without_a_secret(description, settings):
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = "http://127.0.0.1:8002", ""
    settings.ENFORCEMENT_HOSTS = ["127.0.0.1:8002"]

    told = carry_out(description)

    assert (told.meaning, told.why) == (Meaning.PAUSE, "PLATFORM_SECRET is not set")


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.1.1", "0.0.0.0", "::", "224.0.0.1", "fd00:ec2::254"]
)
def test_a_strange_address_is_refused_after_resolution(address):
    with pytest.raises(line.ForbiddenAddress):
        line.refuse_strange(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "192.168.1.2", "::1", "fd12::1", "93.184.216.34"])
def test_private_addresses_are_normal_here(address):
    line.refuse_strange(address)


def test_a_name_that_leads_to_a_strange_address_hears_nothing(backend, description, monkeypatch):
    def refuse(address):
        raise line.ForbiddenAddress(f"{address} is no address of a backend")

    monkeypatch.setattr(line, "refuse_strange", refuse)

    told = carry_out(description)

    assert (told.meaning, told.why) == (Meaning.PAUSE, "127.0.0.1 is no address of a backend")
    assert b"".join(backend.heard) == b""


def test_where_repeating_is_not_safe_it_looks_first(backend, description):
    careful = replace(description, idempotent="none")
    backend.answers.append(said(200, b'{"state": {"suspended": true}, "last_seq": 4}'))

    told = carry_out(careful, replace(CALL, repeat=True))

    assert (told.meaning, told.why) == (Meaning.APPLIED, "read back: in force")
    assert backend.heard[0].startswith(b"GET /v1/accounts/main/70001 ")


def test_where_it_did_not_happen_it_is_sent_again(backend, description):
    careful = replace(description, idempotent="none")
    backend.answers += [said(200, b'{"state": {"suspended": false}}'), said(200, b'{"effect_id": "ef-1"}')]

    assert carry_out(careful, replace(CALL, repeat=True)).meaning == Meaning.APPLIED
    assert [heard.split(b" ")[0] for heard in backend.heard] == [b"GET", b"POST"]


def test_where_nothing_shows_it_is_never_repeated_blindly(backend, description):
    careful = replace(description, idempotent="none")

    told = carry_out(careful, replace(CALL, kind="warn", repeat=True))

    assert told.meaning == Meaning.UNSURE
    assert backend.heard == []


def test_a_key_that_may_be_forgotten_is_not_trusted(backend, description):
    backend.answers.append(said(200, b'{"state": {"suspended": true}}'))

    told = carry_out(description, replace(CALL, repeat=True, forgotten=True))

    assert told.why == "read back: in force"


def test_a_scope_is_looked_for_in_the_list(backend, description):
    careful = replace(description, idempotent="none")
    lifted = replace(CALL, kind="unrestrict", scope="live", repeat=True)
    backend.answers += [said(200, b'{"state": {"restricted": ["posts"]}}')]

    assert carry_out(careful, lifted).why == "read back: in force"


def test_it_looks_before_every_call_where_it_should(backend, description):
    first = replace(description, read_first=True)
    backend.answers += [said(200, b'{"state": {"suspended": false}}'), said(200, b'{"effect_id": "ef-1"}')]

    assert carry_out(first).why == "answered 200"
    assert [heard.split(b" ")[0] for heard in backend.heard] == [b"GET", b"POST"]


def test_what_is_gone_or_in_force_hears_nothing_more(backend, description):
    first = replace(description, read_first=True)
    backend.answers += [said(404), said(200, b'{"state": {"suspended": true}}')]

    assert [carry_out(first).meaning for _ in range(2)] == [Meaning.GONE, Meaning.APPLIED]
    assert {heard.split(b" ")[0] for heard in backend.heard} == {b"GET"}


def test_a_look_that_is_refused_says_so_and_does_not_ask_for_hours(backend, description):
    first = replace(description, read_first=True)
    backend.answers += [said(400, b'{"error": "not ours"}')] * 2

    told = carry_out(first), carry_out(first, replace(CALL, repeat=True))

    assert [one.meaning for one in told] == [Meaning.NEVER, Meaning.UNSURE]  # the second may have been done before
    assert told[0].detail == 'reading back answered 400: {"error": "not ours"}'


def test_address_and_secret_may_stand_in_the_environment(backend, description, settings, monkeypatch, tmp_path):
    mine = replace(description, peer=replace(description.peer, base="MINE_URL", secret="MINE_TOKEN"))
    (tmp_path / "token").write_text("s3\n")
    monkeypatch.setenv("MINE_URL", settings.PLATFORM_URL)
    monkeypatch.setenv("MINE_TOKEN_FILE", str(tmp_path / "token"))
    backend.answers.append(said(200, b'{"effect_id": "ef-1"}'))

    assert carry_out(mine).meaning == Meaning.APPLIED
    assert b"X-Signature: t=" in backend.heard[0]


@pytest.mark.parametrize("kind", ["suspend", "unsuspend", "unrestrict"])
def test_a_look_that_shows_nothing_is_no_look(backend, description, kind):
    careful = replace(description, idempotent="none")
    backend.answers += [said(200, b'{"error": "Something broke."}'), said(200, b'{"effect_id": "ef-1"}')]

    told = carry_out(careful, replace(CALL, kind=kind, scope="live", repeat=True))

    assert (told.meaning, told.why) == (Meaning.LATER, "reading back answered 200, and does not show it")
    assert len(backend.heard) == 1


def test_a_newer_number_and_a_look_that_shows_nothing_leave_it_open(backend, description):
    backend.answers += [said(409), said(200, b'{"error": "Something broke."}')]

    assert carry_out(description).meaning == Meaning.LATER


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_calls(settings, description):
    listener = socket.create_server(("127.0.0.1", 0))
    settings.PLATFORM_URL, settings.PLATFORM_SECRET = f"http://127.0.0.1:{listener.getsockname()[1]}", "s"
    settings.ENFORCEMENT_HOSTS = [settings.PLATFORM_URL.removeprefix("http://")]
    applied, broke, heard = (
        said(200, b'{"effect_id": "ef-1"}')[0].replace(b"Connection: close\r\n", b""),
        said(500)[0],
        [],
    )

    def serve(connection):  # the first answer comes once more just as the next call does
        with connection, contextlib.suppress(OSError):
            while head := whole(connection):
                heard.append(head)
                connection.sendall(applied if len(heard) == 1 else broke)
                if len(heard) == 1 and (head := connection.recv(65536)):
                    heard.append(head)
                    connection.sendall(applied + broke)

    def listen():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    told = carry_out(description), carry_out(description, replace(CALL, id="k2"))
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()

    assert [one.meaning for one in told] == [Meaning.APPLIED, Meaning.LATER]
