"""Is it said at once when the log waits too long, when its signer refuses, when an event is taken out of it?"""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.utils import DatabaseError
from django.test import Client

from portal.audit import signing
from portal.audit.models import Alarm, AuditEvent, Leaf, Tree
from portal.audit.standing import standing
from tests.audit.test_seal import seal, write
from tests.audit.test_verify import grow, tamper


def later(seconds: int) -> None:
    """Everything was written that much earlier."""
    tamper(
        f"UPDATE portal_auditevent SET occurred_at = occurred_at - interval '{seconds} s'",
        f"UPDATE portal_checkpoint SET created_at = created_at - interval '{seconds} s'",
    )


def test_all_is_well_where_everything_is_sealed_and_signed(signer: signing.Signer) -> None:
    assert standing().failing == []
    grow(signer, 7)
    later(300)

    now = standing()
    assert (now.failing, now.size, now.signed, now.waiting) == ([], 7, 7, 0)
    told = now.told(datetime.now(UTC))
    assert told["state"] == "well"
    assert told["last_checkpoint_seconds"] > 299
    assert told["last_seal_seconds"] < 60


def test_events_that_wait_too_long_are_said_and_then_their_signature(signer: signing.Signer) -> None:
    grow(signer, 2)
    write(3)
    assert standing().failing == []
    later(61)
    assert "3 events wait to be sealed, one for 61 s" in standing().failing[0]

    seal()
    assert "leaves from 2 on wait to be signed for 61 s" in standing().failing[0]
    signer.sign()
    assert standing().failing == []


def test_an_event_taken_out_before_it_was_sealed_leaves_its_number(signer: signing.Signer) -> None:
    events = write(3)
    tamper(f"DELETE FROM portal_auditevent WHERE id = '{events[1].pk}'")
    assert seal() == 2
    signer.sign()

    assert Alarm.objects.get().about == str(events[1].pk)
    assert "was taken out of the log before it had its place" in standing().failing[0]
    with pytest.raises(CommandError, match="sound, but not whole: 1 alarms"):
        call_command("verify_audit")
    call_command("verify_audit", "--known-gone=1", stdout=StringIO())
    for database in ("default", "sequencer", "signer", "owner"):
        for statement in ("DELETE FROM portal_alarm", "UPDATE portal_alarm SET about = ''"):
            with pytest.raises(DatabaseError), connections[database].cursor() as cursor:
                cursor.execute(statement)


def test_the_last_waiting_event_taken_out_is_told_too(real_commits: None) -> None:
    events = write(1)
    tamper(f"DELETE FROM portal_auditevent WHERE id = '{events[0].pk}'")

    assert seal() == 0
    assert Alarm.objects.get().about == str(events[0].pk)


def test_a_refusal_is_kept_until_there_is_a_new_checkpoint(signer: signing.Signer) -> None:
    grow(signer, 5, 5)
    signer.close()
    record = signer.folder / "signed.json"
    kept = record.read_text()
    record.write_text(kept.replace('"size": 10', '"size": 12'))
    for _ in range(2):
        with pytest.raises(CommandError, match="10 leaves, and 12 were signed") as refused:
            call_command("signer", "--once")
        assert refused.value.returncode == 3
    assert Alarm.objects.get().kind == "refused"
    assert "the signer refused at" in standing().failing[0]

    record.write_text(kept)
    write(1)
    seal()
    call_command("signer", "--once")
    assert standing().failing == []


def test_a_second_signer_is_sent_away_and_no_refusal_is_told(signer: signing.Signer) -> None:
    with pytest.raises(CommandError, match="Another signer") as sent:
        call_command("signer", "--once")
    assert sent.value.returncode == 1
    assert not Alarm.objects.exists()


def test_readyz_and_metrics_say_how_the_log_stands(signer: signing.Signer, client: Client) -> None:
    grow(signer, 4)
    write(2)
    later(100)
    answer: Any = client.get("/readyz")

    assert answer.status_code == 200, "pages go on"
    assert answer.json()["log"]["state"] == "failing"
    assert answer.json()["log"]["waiting"] == 2
    lines = client.get("/metrics").content.decode().splitlines()
    assert {"reeve_log_failing 1.0", "reeve_log_waiting 2.0", "reeve_log_leaves 4.0"} <= set(lines)


def test_sealing_says_when(real_commits: None) -> None:
    write(1)
    seal()
    assert Tree.objects.get().sealed_at
    assert AuditEvent.objects.count() == Leaf.objects.count() == 1
