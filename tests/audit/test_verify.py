"""Is a changed log found out, by whatever hand? Signing, refusing to sign, verifying."""

from __future__ import annotations

from datetime import timedelta, timezone
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from portal.audit import proving, signing
from portal.audit.actions import record
from portal.audit.events import Event
from portal.audit.models import AuditEvent, Checkpoint, Leaf
from tests.audit.test_seal import seal, write
from tests.conftest import NOON


def tamper(*statements: str) -> None:
    """As the owner of the database, with every trigger off."""
    with connections["owner"].cursor() as cursor:
        tables = ("portal_auditevent", "portal_leaf", "portal_checkpoint")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def grow(signer: signing.Signer, *sizes: int) -> None:
    for size in sizes:
        write(size)
        seal()
        signer.sign()


def verify() -> proving.Verdict:
    return proving.verify(proving.public_key())


@pytest.mark.parametrize("sizes", [(), (1,), (255, 1, 1), (300, 2, 212)])
def test_an_honest_log_is_sound(signer: signing.Signer, sizes: tuple[int, ...]) -> None:
    grow(signer, *sizes)

    verdict = verify()

    assert verdict.sound, verdict.why
    assert verdict.size == sum(sizes)
    assert verdict.waiting == 0


def test_an_event_with_quotes_and_another_zone_is_sound(signer: signing.Signer) -> None:
    with transaction.atomic():
        for by in ('user:"a"', "user:\\", "user:ü\n"):
            record(
                Event.CASE_VIEWED,
                by=by,
                of='case:"1"',
                now=NOON.astimezone(timezone(timedelta(hours=5.5))),
                n='","v":1}',
            )
    grow(signer, 1)

    assert verify().sound, verify().why


TAMPERINGS = {
    "an event edited": ("UPDATE portal_auditevent SET payload = payload || ' ' WHERE id = {event}", 3),
    "an event and its hash edited": (
        "UPDATE portal_auditevent SET payload = '{{\"a\":1}}', payload_hash = sha256('x') WHERE id = {event}", 3,
    ),
    "the type of an event changed": ("UPDATE portal_auditevent SET type = 'case.claimed' WHERE id = {event}", 3),
    "when it was written changed": (
        "UPDATE portal_auditevent SET occurred_at = occurred_at - interval '1 day' WHERE id = {event}", 3,
    ),
    "when it was done changed": (
        "UPDATE portal_auditevent SET told_at = told_at - interval '1 s' WHERE id = {event}", 3,
    ),
    "when it was done taken away": ("UPDATE portal_auditevent SET told_at = NULL WHERE id = {event}", 3),
    "who did it changed": ("UPDATE portal_auditevent SET by = 'user:2' WHERE id = {event}", 3),
    "whom it is about changed": ("UPDATE portal_auditevent SET subjects = ARRAY['case:2'] WHERE id = {event}", 3),
    "an event dropped": ("DELETE FROM portal_auditevent WHERE id = {event}", 3),
    "a leaf dropped": ("DELETE FROM portal_leaf WHERE index = 3", 3),
    "an event and its leaf dropped": (
        "DELETE FROM portal_auditevent WHERE id = {event}; DELETE FROM portal_leaf WHERE index = 3", 3,
    ),
    "the last leaf dropped": ("DELETE FROM portal_leaf WHERE index = 9", 9),
    "the end dropped, and the tree said to be shorter": (
        "DELETE FROM portal_leaf WHERE index > 6; UPDATE portal_tree SET size = 7", 7,
    ),
    "a leaf edited": ("UPDATE portal_leaf SET leaf = leaf || ' ' WHERE index = 3", 3),
    "a leaf made rubbish": ("UPDATE portal_leaf SET leaf = 'x' WHERE index = 3", 3),
    "two leaves swapped": (
        "UPDATE portal_leaf SET index = 100 WHERE index = 3; UPDATE portal_leaf SET index = 3 WHERE index = 4;"
        "UPDATE portal_leaf SET index = 4 WHERE index = 100", 3,
    ),
    "a tile edited": ("UPDATE portal_tile SET hashes = overlay(hashes placing '\\x00' from 40) WHERE level = 0", 1),
    "a tile made longer": ("UPDATE portal_tile SET hashes = hashes || sha256('x') WHERE level = 0", 10),
    "a tile made shorter": ("UPDATE portal_tile SET hashes = substring(hashes FOR 160) WHERE level = 0", 5),
    "a checkpoint edited": ("UPDATE portal_checkpoint SET note = replace(note, '10', '11') WHERE size = 10", 10),
    "a checkpoint made rubbish": ("UPDATE portal_checkpoint SET note = 'x' WHERE size = 10", 10),
    "a checkpoint moved": ("UPDATE portal_checkpoint SET size = 9 WHERE size = 10", 9),
}  # fmt: skip


# In a log of 600 leaves with checkpoints at 300 and 600: where is the first bad one, when more than one thing fits?
FINER = {
    "a leaf in the second tile": ("UPDATE portal_leaf SET leaf = leaf || ' ' WHERE index = 400", 400),
    "a leaf and its hash in a whole tile": (
        "UPDATE portal_leaf SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), ':1}', ':2}'), 'UTF8')"
        " WHERE index = 310;"
        "UPDATE portal_tile SET hashes = overlay(hashes placing sha256('\\x00'::bytea || (SELECT leaf FROM portal_leaf"
        " WHERE index = 310)) from 54 * 32 + 1) WHERE level = 0 AND idx = 1", 300,
    ),
    "the hash of a leaf in the last tile": (
        "UPDATE portal_tile SET hashes = overlay(hashes placing '\\x00' from 257) WHERE level = 0 AND idx = 2", 520,
    ),
    "a tile above": ("UPDATE portal_tile SET hashes = overlay(hashes placing '\\x00' from 33) WHERE level = 1", 300),
    "a head": ("UPDATE portal_head SET n = n + 1", 599),
    "a head of nobody": ("INSERT INTO portal_head VALUES ('\\x00112233445566778899aabbccddeeff', 1, 2)", 600),
    "a hash too many": ("UPDATE portal_tile SET hashes = hashes || sha256('') WHERE level = 0 AND idx = 2", 600),
    "a leaf of rubbish with its hash": (
        "UPDATE portal_leaf SET leaf = 'x' WHERE index = 299;"
        "UPDATE portal_tile SET hashes = overlay(hashes placing sha256('\\x0078') from 1377)"
        " WHERE level = 0 AND idx = 1",
        299,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FINER)
def test_the_first_bad_place_is_the_leaf_itself(signer: signing.Signer, name: str) -> None:
    grow(signer, 300, 300)
    statements, position = FINER[name]
    tamper(*statements.split(";"))

    verdict = verify()
    assert (verdict.sound, verdict.position) == (False, position), verdict.why


def test_an_event_left_out_by_who_seals_is_found_by_the_counts(signer: signing.Signer) -> None:
    grow(signer, 3)
    tamper("UPDATE portal_head SET n = n + 1 WHERE n = 3")  # a sequencer that counts what it does not seal
    grow(signer, 300)
    tamper("UPDATE portal_leaf SET leaf = 'x' WHERE index = 200")

    verdict = verify()
    assert (verdict.position, "out of the count" in verdict.why) == (3, True)


def test_an_event_beside_the_tree_is_counted(signer: signing.Signer) -> None:
    grow(signer, 3)
    tamper(
        "INSERT INTO portal_auditevent (id, type, by, subjects, payload, payload_hash) "
        "VALUES (gen_random_uuid(), 'case.viewed', 'user:1', ARRAY['case:1'], '{}', '\\x00')",
    )

    assert verify().unplaced == 1
    with pytest.raises(CommandError, match="1 events have no place"):
        call_command("verify_audit", stdout=StringIO())


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_change_by_the_owner_is_found_and_its_place_named(signer: signing.Signer, name: str) -> None:
    grow(signer, 4, 6)
    statement, position = TAMPERINGS[name]
    tamper(statement.format(event=f"'{Leaf.objects.get(index=3).event_id}'"))

    verdict = verify()

    assert not verdict.sound
    if position is not None:
        assert verdict.position == position, verdict.why


def test_a_log_signed_by_another_key_is_not_sound(signer: signing.Signer, tmp_path: Path) -> None:
    grow(signer, 3)
    other = signing.Signer(tmp_path / "other")

    assert not proving.verify(other.key.verifier).sound
    other.close()


def test_the_signer_refuses_a_log_that_was_set_back(signer: signing.Signer) -> None:
    grow(signer, 5, 5)
    tamper(
        "DELETE FROM portal_leaf WHERE index > 4",
        "DELETE FROM portal_checkpoint WHERE size > 5",
        "UPDATE portal_tree SET size = 5",
        "UPDATE portal_tile SET hashes = substring(hashes FOR 160)",
    )

    with pytest.raises(signing.RefusesToSign, match="5 leaves, and 10 were signed"):
        signer.sign()
    write(9)
    tamper("DELETE FROM portal_head")
    seal()
    with pytest.raises(signing.RefusesToSign, match="first 10 leaves are not those"):
        signer.sign()


def test_the_signer_refuses_a_rewritten_tree(signer: signing.Signer) -> None:
    grow(signer, 5)
    write(2)
    seal()
    tamper("UPDATE portal_tile SET hashes = overlay(hashes placing '\\x00' from 1)")

    with pytest.raises(signing.RefusesToSign, match="first 5 leaves are not those"):
        signer.sign()
    assert Checkpoint.objects.count() == 1


def test_the_signer_refuses_without_its_own_record(signer: signing.Signer) -> None:
    grow(signer, 5)
    (signer.folder / "signed.json").unlink()
    write(1)
    seal()

    with pytest.raises(signing.RefusesToSign, match=r"record in .* is gone"):
        signer.sign()


def test_a_signer_killed_between_its_record_and_the_table_goes_on(signer: signing.Signer) -> None:
    grow(signer, 5)
    tamper("DELETE FROM portal_checkpoint")

    signer.sign()

    assert verify().sound


def test_there_is_one_signer(signer: signing.Signer) -> None:
    with pytest.raises(signing.AnotherSigns, match="Another signer"):
        signing.Signer()


def test_the_command_names_the_checkpoint_or_the_first_bad_position(signer: signing.Signer) -> None:
    grow(signer, 5)
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "sound up to checkpoint 5" in out.getvalue()

    tamper(f"DELETE FROM portal_auditevent WHERE id = '{AuditEvent.objects.get(leaf__index=2).pk}'")
    with pytest.raises(CommandError, match="not sound at 2"):
        call_command("verify_audit")
