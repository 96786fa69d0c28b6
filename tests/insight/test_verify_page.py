"""Does the page say green only where a check found it so, and red where the log was changed?"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from moderation.insight import actions, dropped, pulse, tasks, verifying
from moderation.insight.models import LogCheck
from portal.audit import proving, reading, signing
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.audit.test_seal import seal, write
from tests.audit.test_verify import tamper


@pytest.fixture
def signer(real_commits: None, tmp_path: Any, settings: Any) -> Any:
    settings.SIGNER_DIR = tmp_path / "signer"
    one = signing.Signer()
    yield one
    one.close()


def words_of(client: Client) -> str:
    page = client.get(reverse("log-verify")).content.decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def checked(client: Client) -> LogCheck:
    """Press the button, and let the worker come."""
    assert client.post(reverse("log-check")).status_code == 302
    check = LogCheck.objects.get(ended_at__isnull=True)
    tasks.check_log(check_id=str(check.pk))
    check.refresh_from_db()
    return check


def test_it_is_green_up_to_a_named_checkpoint(signer, signed_in, vera):
    write(300)
    seal()
    signed = signer.sign()
    write(3)
    seal()
    client = signed_in(vera)
    assert "Nobody has checked it yet." in words_of(client)

    check = checked(client)

    assert check.sound
    words = words_of(client)
    assert f"Sound up to {signed.size} leaves" in words
    assert signed.root.hex() in words
    assert "3 later leaves waited" in words
    assert "for vera" in words
    assert hashlib.sha256(proving.public_key().public).hexdigest() in words.replace(" ", "")
    event = AuditEvent.objects.get(type="log.verified")
    assert (event.by, event.subjects) == (vera.audit_name, ["log:reeve.local/log"])
    assert b'"verdict":"sound"' in bytes(event.payload)


def test_it_is_red_with_the_first_bad_position_and_says_it_aloud(signer, signed_in, vera):
    events = write(10)
    seal()
    signer.sign()
    tamper(f"UPDATE portal_auditevent SET type = 'case.claimed' WHERE id = '{sorted(e.pk for e in events)[3]}'")
    client = signed_in(vera)

    check = checked(client)

    assert (check.sound, check.position is None) == (False, False)
    words = words_of(client)
    assert "NOT SOUND" in words
    assert f"First bad position: leaf {check.position}." in words
    assert "was changed" in words
    assert "Sound up to" not in words
    assert b'"verdict":"not sound"' in bytes(AuditEvent.objects.get(type="log.verified").payload)


def test_it_is_red_when_an_event_stands_beside_the_tree(signer, signed_in, vera):
    write(10)
    seal()
    signer.sign()
    write(2)
    tamper("DELETE FROM portal_pending")  # so that they will never have a place
    client = signed_in(vera)

    check = checked(client)

    assert (check.sound, check.position) == (False, None)
    words = words_of(client)
    assert "The log is not whole." in words
    assert "2 events have no place and wait for none" in words
    assert "First bad position" not in words
    assert b'"position"' not in bytes(AuditEvent.objects.get(type="log.verified").payload)


def test_without_a_key_it_says_nothing_either_way(real_commits, settings, tmp_path, signed_in, vera):
    settings.SIGNER_DIR = tmp_path / "nowhere"
    write(3)
    seal()

    check = checked(signed_in(vera))

    assert check.sound is None
    words = words_of(signed_in(vera))
    assert "came to no verdict" in words
    assert "AUDIT_VKEY" in words


def test_a_check_that_breaks_off_is_no_verdict_and_is_not_asked_for_ever(signer, signed_in, vera, monkeypatch):
    write(3)

    def breaks(*_args: Any, **_more: Any) -> None:
        raise KeyError("k")

    monkeypatch.setattr(proving, "verify", breaks)
    check = checked(signed_in(vera))

    assert (check.sound, check.why) == (None, "The check broke off: KeyError.")


def test_one_check_goes_on_at_a_time(signer, vera):
    barrier, got = threading.Barrier(4), []

    def ask() -> None:
        barrier.wait(20)
        try:
            actions.ask_check(by=vera, now=timezone.now())
            got.append("mine")
        except Refused:
            got.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == ["mine", "refused", "refused", "refused"]


def test_it_is_taken_over_from_a_worker_that_fell_silent(signer, vera):
    write(3)
    seal()
    signer.sign()
    check = actions.ask_check(by=vera, now=timezone.now())
    long_ago = timezone.now() - actions.BEAT_LOST - timedelta(seconds=1)
    assert actions.start_check(check, now=long_ago)

    assert verifying.run(check.pk, clock=timezone.now)
    assert not verifying.run(check.pk, clock=timezone.now)

    check.refresh_from_db()
    assert check.sound


def test_it_shows_how_far_the_walk_is_and_stops_when_another_took_it_over(signer, vera, monkeypatch):
    write(40)
    seal()
    signer.sign()
    monkeypatch.setattr(reading, "PAGE", 10)
    monkeypatch.setattr(pulse, "EVERY", 0.01)
    check = actions.ask_check(by=vera, now=timezone.now())
    seen: list[int] = []
    progress = pulse.Pulse.progress

    def watched(one: Any, done: int, total: int) -> None:
        seen.append(done)
        progress(one, done, total)
        if done == 20:
            elsewhere(lambda: wait_for(check, done=20))
            elsewhere(lambda: LogCheck.objects.filter(pk=check.pk).update(lease_token=uuid4()))
            assert wait(lambda: one.lost)

    monkeypatch.setattr(pulse.Pulse, "progress", watched)

    assert verifying.run(check.pk, clock=timezone.now) is False

    assert seen == [10, 20, 30]
    check.refresh_from_db()
    assert check.ended_at is None


def wait(until: Callable[[], Any]) -> Any:
    begun = time.monotonic()
    while not (found := until()) and time.monotonic() < begun + 20:
        time.sleep(0.01)
    return found


def wait_for(check: LogCheck, *, done: int) -> None:
    assert wait(lambda: LogCheck.objects.filter(pk=check.pk, done=done).exists())


def elsewhere(act: Callable[[], Any]) -> None:
    """On another connection: this one is in the snapshot of the walk."""

    def do() -> None:
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(do).result(30)


def test_it_is_checked_by_itself_once_a_day(signer, monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr(tasks.check_log, "delay", lambda check_id: rung.append(check_id))
    tasks.sweep()
    assert not LogCheck.objects.exists()  # nothing is signed yet
    write(1)
    seal()
    signer.sign()

    tasks.sweep()
    tasks.sweep()

    check = LogCheck.objects.get()
    assert check.asked_by.username == "system"
    assert rung == [str(check.pk)]


# --- A bundle that is dropped, the key, the program -------------------------------------------------------------------


@pytest.mark.django_db
def test_who_may_not_read_the_log_gets_none_of_it(signed_in, cleo):
    client = signed_in(cleo)

    for name in ("log-verify", "log-key", "log-verifier"):
        assert client.get(reverse(name)).status_code == 403
    for name in ("log-check", "bundle-check"):
        assert client.post(reverse(name)).status_code == 403


def drop(client: Client, body: bytes) -> Any:
    return client.post(reverse("bundle-check"), {"bundle": SimpleUploadedFile("x.zip", body)})


def test_rubbish_that_is_dropped_cannot_be_told(signer, signed_in, vera):
    words = drop(signed_in(vera), b"PK\x03\x04 rubbish").content.decode()

    assert "It cannot be told" in words
    assert "CANNOT TELL" in words


def test_what_is_too_large_is_refused_before_it_is_kept(signer, signed_in, vera, settings):
    settings.UPLOAD_BYTES = 1000
    client = signed_in(vera)
    client.raise_request_exception = False

    assert drop(client, b"x" * 1001).status_code == 413
    assert drop(client, b"x" * (2 << 20)).status_code in (400, 413)


def test_a_verifier_that_runs_away_is_stopped_by_its_leash(signer, signed_in, vera, monkeypatch, tmp_path):
    monkeypatch.setattr(dropped, "SECONDS", 2)
    for number, line in enumerate(("x = bytearray(3 << 30)", "while True: pass", "print('x' * (2 << 20), flush=True)")):
        greedy = tmp_path / f"greedy{number}.py"
        greedy.write_text(line)
        monkeypatch.setattr(dropped, "VERIFIER", greedy)

        page = drop(signed_in(vera), b"x").content.decode()

        assert "It cannot be told" in page, line
        assert "NOT sound" not in page


def test_a_few_are_checked_at_a_time(signer, signed_in, vera):
    with dropped.AT_ONCE, dropped.AT_ONCE:
        assert drop(signed_in(vera), b"x").status_code == 409


def test_the_key_and_the_program_can_be_taken(signer, signed_in, vera, tmp_path):
    client = signed_in(vera)

    key = client.get(reverse("log-key"))
    program = b"".join(client.get(reverse("log-verifier")).streaming_content)

    assert key.content.decode().strip() == proving.public_key().vkey
    (tmp_path / "verify.py").write_bytes(program)
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "verify.py"), "--help"], capture_output=True, check=True
    )
    assert b"--key" in done.stdout
