"""Does the stand-in platform keep its contract, also when it is told to misbehave?"""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from portal.local.platform import Platform


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(data=tmp_path / "platform.jsonl", secret="secret") as platform:
        yield platform


def act(
    url: str, key: str, seq: int, kind: str, *, secret: str = "secret", at: float | None = None, **more: Any
) -> Any:
    """One signed action, as the contract writes it."""
    account = {"platform": "main", "id": more.pop("account", "48211")}
    body = json.dumps(
        {"action_id": key, "account": account, "kind": kind, "until": None, "scope": None} | more
    ).encode()
    stamp = str(int(at or time.time()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"Idempotency-Key": key, "X-Account-Seq": str(seq), "X-Signature": f"t={stamp},v1={mac}"}
    return requests.post(f"{url}/v1/actions", data=body, headers=headers, timeout=(2, 2))


def ledger(url: str, after: int = 0) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = requests.get(f"{url}/v1/ledger?after={after}", timeout=2).json()["rows"]
    return rows


def faults(url: str, **wanted: Any) -> requests.Response:
    return requests.post(f"{url}/v1/faults", json=wanted, timeout=2)


def test_it_applies_an_action_and_reads_it_back(platform: Platform) -> None:
    answer = act(platform.url, "k1", 1, "suspend", until="2026-12-01T00:00:00Z")

    assert answer.status_code == 200
    assert answer.json()["effect_id"].startswith("ef-")
    read = requests.get(f"{platform.url}/v1/accounts/main/48211", timeout=2).json()
    assert read["last_seq"] == 1
    assert read["state"] == answer.json()["state"]
    assert read["state"]["suspended"] is True
    assert read["state"]["until"] == {"suspended": "2026-12-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("kind", "back", "key"),
    [
        ("label", "unlabel", "labelled"),
        ("limit_reach", "restore_reach", "reach_limited"),
        ("suspend", "unsuspend", "suspended"),
        ("ban", "unban", "banned"),
        ("demonetize", "remonetize", "demonetized"),
        ("hold_payout", "release_payout", "payout_held"),
        ("secure", "release", "secured"),
        ("require_age_check", "lift_age_check", "age_check"),
    ],
)
def test_it_undoes_every_kind(platform: Platform, kind: str, back: str, key: str) -> None:
    assert act(platform.url, "k1", 1, kind, until="2027-01-01T00:00:00Z").json()["state"][key] is True

    after = act(platform.url, "k2", 2, back).json()["state"]

    assert after[key] is False
    assert after["until"] == {}


def test_it_keeps_restrictions_apart_by_scope(platform: Platform) -> None:
    act(platform.url, "k1", 1, "restrict", scope="live")
    assert act(platform.url, "k2", 2, "restrict", scope="messages").json()["state"]["restricted"] == [
        "live",
        "messages",
    ]
    assert act(platform.url, "k3", 3, "unrestrict", scope="live").json()["state"]["restricted"] == ["messages"]


def test_it_answers_the_first_result_for_the_same_key(platform: Platform) -> None:
    first = act(platform.url, "k1", 1, "suspend").json()
    act(platform.url, "k2", 2, "unsuspend")

    assert act(platform.url, "k1", 1, "suspend").json() == first
    assert [row["key"] for row in ledger(platform.url)] == ["k1", "k2"]


def test_it_refuses_an_older_sequence_and_says_how_it_stands(platform: Platform) -> None:
    act(platform.url, "k5", 5, "ban")

    answer = act(platform.url, "k4", 4, "unban")

    assert answer.status_code == 409
    assert answer.json()["state"]["banned"] is True
    assert answer.json()["last_seq"] == 5


@pytest.mark.parametrize(("secret", "age"), [("wrong", 0), ("secret", 301), ("secret", -301)])
def test_it_refuses_a_signature_that_is_wrong_or_old(platform: Platform, secret: str, age: int) -> None:
    assert act(platform.url, "k1", 1, "ban", secret=secret, at=time.time() - age).status_code == 401
    assert ledger(platform.url) == []


def test_another_hand_changes_the_state_and_no_number(platform: Platform) -> None:
    act(platform.url, "k1", 1, "suspend")
    hand = f"{platform.url}/v1/accounts/main/48211/hand"

    assert requests.post(hand, json={"set": {"suspended": False}}, timeout=2).json()["suspended"] is False

    told = requests.get(f"{platform.url}/v1/accounts/main/48211", timeout=2).json()
    assert (told["state"]["suspended"], told["last_seq"]) == (False, 1)
    assert requests.post(hand, json={"set": {"nonsense": 1}}, timeout=2).status_code == 400


def test_what_it_forgets_is_done_anew_and_stays_in_the_ledger(platform: Platform, tmp_path: Path) -> None:
    act(platform.url, "k1", 1, "label")
    act(platform.url, "k2", 2, "suspend")
    requests.post(f"{platform.url}/v1/accounts/main/48211/hand", json={"forget_after": 1}, timeout=2)

    for running in (platform, Platform(data=tmp_path / "platform.jsonl", secret="secret")):
        holder = running.ledger.holder("main", "48211")
        assert (holder.state["labelled"], holder.state["suspended"], holder.last_seq) == (True, False, 1)
    assert len(platform.ledger.rows) == 2
    assert act(platform.url, "k2", 2, "suspend").json()["state"]["suspended"] is True


@pytest.mark.parametrize("status", [404, 410])
def test_it_says_when_an_account_is_gone(platform: Platform, status: int) -> None:
    requests.post(f"{platform.url}/v1/accounts/main/48211/gone", json={"status": status}, timeout=2)

    assert act(platform.url, "k1", 1, "ban").status_code == status
    assert requests.get(f"{platform.url}/v1/accounts/main/48211", timeout=2).status_code == status


def test_it_refuses_kinds_and_scopes_it_does_not_know(platform: Platform) -> None:
    assert act(platform.url, "k1", 1, "fly").status_code == 422
    assert act(platform.url, "k2", 1, "restrict", scope="dreams").status_code == 422
    assert act(platform.url, "k3", 1, "restrict").status_code == 422


def test_it_says_when_a_notice_was_delivered(platform: Platform) -> None:
    answer = act(platform.url, "k1", 1, "notify", notice={"text": "Hello", "template": "N-WARN"}).json()
    assert answer["delivered_at"] == ledger(platform.url)[0]["at"]


def test_its_ledger_pages_by_number(platform: Platform) -> None:
    for n in range(1, 6):
        act(platform.url, f"k{n}", n, "warn")

    assert [row["n"] for row in ledger(platform.url, after=3)] == [4, 5]
    assert set(ledger(platform.url)[0]) == {
        "n", "at", "effect_id", "key", "platform", "account", "kind", "seq", "until",
    }  # fmt: skip


@pytest.mark.parametrize("fault", ["error_500", "rate_429"])
def test_a_fault_before_applies_nothing(platform: Platform, fault: str) -> None:
    faults(platform.url, **{fault: 1})
    answer = act(platform.url, "k1", 1, "ban")

    assert answer.status_code == int(fault[-3:])
    assert (answer.headers.get("Retry-After") == "1") is (fault == "rate_429")
    assert ledger(platform.url) == []


@pytest.mark.parametrize("fault", ["timeout_after", "reset", "garbage"])
def test_a_fault_after_applies_once_and_the_same_key_says_so(platform: Platform, fault: str) -> None:
    faults(platform.url, **{fault: 1})
    with pytest.raises((requests.RequestException, ValueError)):
        act(platform.url, "k1", 1, "ban").json()

    faults(platform.url)

    assert act(platform.url, "k1", 1, "ban").json()["effect_id"] == ledger(platform.url)[0]["effect_id"]
    assert len(ledger(platform.url)) == 1


def test_the_same_seed_gives_the_same_faults(platform: Platform) -> None:
    runs = []
    for run in "ab":
        faults(platform.url, error_500=0.4, seed=7)
        runs.append([act(platform.url, f"{run}{n}", 1, "warn").status_code for n in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.parametrize("wrong", [{"error_500": 2}, {"error_500": True}, {"unknown": 0.1}, {"slow_ms": -1}])
def test_it_refuses_faults_it_cannot_make(platform: Platform, wrong: dict[str, Any]) -> None:
    assert faults(platform.url, **wrong).status_code == 400


def test_it_goes_away_and_comes_back_at_the_same_place(platform: Platform) -> None:
    faults(platform.url, away_s=0.5)
    deadline = time.monotonic() + 3
    refused = False
    while time.monotonic() < deadline and not refused:
        try:
            requests.get(f"{platform.url}/v1/ledger", timeout=1)
        except requests.ConnectionError:
            refused = True
    assert refused

    while time.monotonic() < deadline + 3:
        try:
            assert ledger(platform.url) == []
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail("it did not come back")


def test_its_pages_show_hostile_text_as_text(platform: Platform) -> None:
    act(platform.url, "k1", 1, "notify", account="<b>x</b>", notice={"text": "<script>alert(1)</script>"})

    for path in ("/", "/accounts/main/%3Cb%3Ex%3C%2Fb%3E", "/?account=<script>&said=<b>"):
        page = requests.get(f"{platform.url}{path}", timeout=2)
        assert "<script" not in page.text
        assert "<b>" not in page.text
        assert "style=" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_buttons_that_break_things_are_for_the_demo_only(platform: Platform) -> None:
    assert "Kill the worker" not in requests.get(platform.url, timeout=2).text
    assert requests.post(f"{platform.url}/try/away", timeout=2).status_code == 404


def test_a_kill_loses_no_effect_that_was_answered(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    command = [
        sys.executable,
        "-m",
        "portal.local.platform",
        "--data",
        tmp_path / "p.jsonl",
        "--secret-file",
        tmp_path / "secret",
    ]
    answered = []
    for round_ in range(3):
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        url = process.stdout.readline().split()[1]
        for n in range(10):
            answered.append(act(url, f"k{round_}-{n}", 10 * round_ + n + 1, "warn").json()["effect_id"])
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with (tmp_path / "p.jsonl").open("ab") as file:
        file.write(b'{"n": 31, "half a li')  # killed in the middle of a line that nobody was answered for

    with Platform(data=tmp_path / "p.jsonl", secret="secret") as platform:
        assert [row["effect_id"] for row in ledger(platform.url)] == answered
        assert act(platform.url, "k2-9", 30, "warn").json()["effect_id"] == answered[-1]
        act(platform.url, "next", 31, "warn")
    with Platform(data=tmp_path / "p.jsonl", secret="secret") as platform:
        assert [row["n"] for row in ledger(platform.url)] == list(range(1, 32))


def calls(url: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = requests.get(f"{url}/v1/calls", timeout=2).json()["rows"]
    return rows


def test_it_books_each_call_also_one_that_does_nothing_again(platform: Platform) -> None:
    for _ in range(2):
        act(platform.url, "k1", 1, "ban")

    assert [(row["n"], row["what"], row["key"]) for row in calls(platform.url)] == [
        (1, "action", "k1"),
        (2, "action", "k1"),
    ]
    assert len(ledger(platform.url)) == 1


def test_a_platform_that_forgets_keys_does_it_again(platform: Platform) -> None:
    faults(platform.url, forget=1)
    for _ in range(2):
        act(platform.url, "k1", 1, "ban")

    assert [row["key"] for row in ledger(platform.url)] == ["k1", "k1"]


def test_a_lie_and_a_redirect_apply_nothing(platform: Platform) -> None:
    faults(platform.url, lie=1)
    lie = act(platform.url, "k1", 1, "ban")
    faults(platform.url, redirect=1)
    followed = act(platform.url, "k1", 1, "ban")

    assert (lie.status_code, lie.json()) == (200, {"error": "Something broke."})
    assert followed.json()["effect_id"] == "ef-inside"
    assert [row["what"] for row in calls(platform.url)] == ["action", "action", "inside"]
    assert ledger(platform.url) == []


def test_a_flood_and_a_stall_have_applied_it(platform: Platform) -> None:
    faults(platform.url, flood=1)
    flood = act(platform.url, "k1", 1, "ban")
    faults(platform.url, stall=1, stall_ms=100)
    begun = time.monotonic()
    stalled = act(platform.url, "k1", 1, "ban")

    assert len(flood.content) > 10 << 20
    assert stalled.json()["effect_id"] == flood.json()["effect_id"] == ledger(platform.url)[0]["effect_id"]
    assert time.monotonic() - begun >= 0.1


def test_an_answer_that_comes_twice_stands_before_the_next(platform: Platform) -> None:
    faults(platform.url, twice=1)
    host, port = platform.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        body = b'{"account": {"platform": "main", "id": "1"}, "kind": "ban"}'
        stamp = str(int(time.time()))
        mac = hmac.new(b"secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        head = f"POST /v1/actions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nIdempotency-Key: k\r\n"
        head += f"X-Account-Seq: 1\r\nX-Signature: t={stamp},v1={mac}\r\n\r\n"
        connection.sendall(head.encode() + body)
        heard, end = b"", time.monotonic() + 2
        while heard.count(b"HTTP/1.1 200") < 2 and time.monotonic() < end:
            heard += connection.recv(65536)

    assert heard.count(b"HTTP/1.1 200") == 2


def test_what_comes_late_is_applied_when_its_caller_has_gone(platform: Platform) -> None:
    faults(platform.url, late=1, stall_ms=2500)
    with pytest.raises(requests.Timeout):
        act(platform.url, "k1", 1, "ban")
    assert ledger(platform.url) == []

    end = time.monotonic() + 5
    while not ledger(platform.url) and time.monotonic() < end:
        time.sleep(0.05)

    assert [row["key"] for row in ledger(platform.url)] == ["k1"]


def test_a_429_asks_in_turn_for_what_it_was_told(platform: Platform) -> None:
    assert faults(platform.url, rate_429=1, retry_after=["7", {"date_in": 60}, "soon"]).status_code == 200

    said = [act(platform.url, "k1", 1, "ban").headers["Retry-After"] for _ in range(4)]

    assert (said[0], said[2], said[3]) == ("7", "soon", "7")
    assert said[1].endswith(" GMT")
    asked = [row["asked"] for row in calls(platform.url)]
    assert asked[0] == pytest.approx(time.time() + 7, abs=2)
    assert asked[1] == pytest.approx(time.time() + 60, abs=3)
    assert asked[2] is None


@pytest.mark.parametrize("wrong", ["5", [], [5], ["ü"], [{"date_in": "5"}], [{"in": 5}]])
def test_it_refuses_to_ask_for_what_no_header_holds(platform: Platform, wrong: Any) -> None:
    assert faults(platform.url, retry_after=wrong).status_code == 400


def test_reading_back_goes_wrong_for_us_alone(platform: Platform) -> None:
    faults(platform.url, lie=1, reads=1)
    where = f"{platform.url}/v1/accounts/main/48211"

    assert requests.get(where, headers={"User-Agent": "reeve"}, timeout=2).json() == {"error": "Something broke."}
    assert requests.get(where, timeout=2).json()["last_seq"] == 0
