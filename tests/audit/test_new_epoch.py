"""Does the log go on after its database was set back, and does an auditor see exactly what was lost?"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.audit import bundle, epochs, note, origin, proving, signing, witness, witnessing
from portal.audit.events import Event
from portal.audit.models import AuditEvent, Checkpoint
from portal.audit.standing import standing
from tests.audit.set_back import Copies
from tests.audit.test_bundle import check, make, read
from tests.audit.test_seal import seal, write
from tests.audit.test_verify import grow

SAID = ("--reason=The disk of the database died; restored to noon.", "--ticket=OPS-4711")


@pytest.fixture
def copies(real_commits: None) -> Iterator[Copies]:
    found = Copies()
    yield found
    found.drop()


def test_the_drill_after_a_restore(signer: signing.Signer, copies: Copies, tmp_path: Path) -> None:
    begun = time.monotonic()
    grow(signer, 3, 297)
    copies.take("noon")
    grow(signer, 40, 60)
    saved = tmp_path / "saved"
    saved.write_text(Checkpoint.objects.get(size=400).note)
    early = tmp_path / "early"
    early.write_text(Checkpoint.objects.get(size=3).note)
    old = signing.Signed(signer.key.name, 400, bytes(Checkpoint.objects.get(size=400).root))
    kept_root = bytes(Checkpoint.objects.get(size=300).root)

    copies.restore("noon")
    write(7)  # the portal went on before anybody looked
    seal()
    signer.close()

    # the signer refuses, and that is seen
    with pytest.raises(CommandError, match="307 leaves, and 400 were signed"):
        call_command("signer", "--once")
    assert "the signer refused" in standing().failing[0]

    # somebody opens an epoch; only the statement itself lets the signer sign again
    out = StringIO()
    call_command("new_epoch", *SAID, stdout=out)
    assert f"signed before  400 leaves, root {old.root.hex()}" in out.getvalue()
    assert f"still there    300 leaves, root {kept_root.hex()}" in out.getvalue()
    call_command("signer", "--once")
    assert Checkpoint.objects.latest("size").size == 300, "its first event has no place yet"
    assert proving.public_key().name == "reeve.local/log", "no key is given away that has signed nothing"
    seal()
    call_command("signer", "--once")
    grow_again = signing.Signer()
    grow(grow_again, 20, 5)
    grow_again.close()

    # new checkpoints verify under the new name, old ones under the old; nothing fails any more
    key = proving.public_key()
    assert key.name == "reeve.local/log/epoch-2"
    verdict = proving.verify(key)
    assert (verdict.sound, verdict.why, verdict.origin, verdict.waiting) == (True, "", key.name, 0)
    assert standing().failing == []
    first = AuditEvent.objects.get(type=Event.LOG_EPOCH_OPENED)
    assert first.leaf.index == 308, "after the user that states it, made on first use"
    assert "The disk" not in bytes(first.payload).decode()

    # an auditor with a checkpoint from before sees what became of it
    call_command("verify_audit", "--saved", str(early), stdout=out)
    assert "the saved checkpoint of 3 leaves is the beginning of this log" in out.getvalue()
    with pytest.raises(CommandError) as lost:
        call_command("verify_audit", "--saved", str(saved), stdout=StringIO())
    assert f"400 leaves ({old.root.hex()}) is no part of this log. reeve.local/log/epoch-2 states so" in str(lost.value)
    assert "OPS-4711" in str(lost.value)
    assert f"300 of them ({kept_root.hex()}) are surely still there. Lost or replaced: leaves 300 to 399" in str(
        lost.value
    )
    assert time.monotonic() - begun < 900


def test_a_loss_that_nobody_stated_is_told_as_such(signer: signing.Signer, copies: Copies, tmp_path: Path) -> None:
    grow(signer, 5)
    copies.take("noon")
    grow(signer, 5)
    saved = note.Note.parse(Checkpoint.objects.get(size=10).note)
    copies.restore("noon")

    with pytest.raises(epochs.NoEpoch, match="nothing in it says why"):
        epochs.compare(saved, signer.key.verifier)


def test_no_epoch_is_opened_while_the_signer_does_not_refuse(signer: signing.Signer) -> None:
    grow(signer, 5)
    with pytest.raises(CommandError, match="Another signer works"):
        call_command("new_epoch", *SAID)
    signer.close()
    with pytest.raises(CommandError, match="does not refuse"):
        call_command("new_epoch", *SAID)
    with pytest.raises(CommandError, match="ticket of letters"):
        call_command("new_epoch", "--reason=x", "--ticket=Ada Lovelace")
    assert not AuditEvent.objects.filter(type=Event.LOG_EPOCH_OPENED).exists()


def test_set_back_again_it_goes_on_a_second_time(signer: signing.Signer, copies: Copies) -> None:
    grow(signer, 5)
    copies.take("noon")
    for epoch in (2, 3):
        grow(signer, 5)
        copies.restore("noon")
        signer.close()
        call_command("new_epoch", *SAID, stdout=StringIO())
        seal()
        signer = signing.Signer()
        signer.sign()
        verdict = proving.verify(proving.public_key())
        assert (verdict.why, verdict.origin) == ("", f"reeve.local/log/epoch-{epoch}")
    signer.close()
    facts = json.loads(bytes(AuditEvent.objects.get(type=Event.LOG_EPOCH_OPENED).payload))["facts"]
    assert facts["before"]["origin"] == "reeve.local/log/epoch-2"
    assert facts["before"]["size"] == 12  # 5, the system user, the epoch, 5


def test_set_back_again_before_the_new_epoch_signed_anything(signer: signing.Signer, copies: Copies) -> None:
    grow(signer, 5)
    copies.take("noon")
    grow(signer, 5)
    signer.close()
    for _ in range(2):
        copies.restore("noon")
        call_command("new_epoch", *SAID, "--yes", stdout=StringIO())
    facts = json.loads(bytes(AuditEvent.objects.get(type=Event.LOG_EPOCH_OPENED).payload))["facts"]
    assert (facts["before"]["size"], facts["origin"]) == (10, "reeve.local/log/epoch-3")


def test_a_lost_record_is_followed_by_an_epoch_that_says_so(signer: signing.Signer) -> None:
    grow(signer, 5)
    (signer.folder / "signed.json").unlink()
    signer.close()
    call_command("new_epoch", *SAID, stdout=StringIO())
    seal()
    call_command("signer", "--once")

    facts = json.loads(bytes(AuditEvent.objects.get(type=Event.LOG_EPOCH_OPENED).payload))["facts"]
    assert (facts["before"]["by"], facts["before"]["size"]) == ("database", 5)
    assert proving.verify(proving.public_key()).sound


def test_an_epoch_that_no_event_opened_is_not_sound(signer: signing.Signer, settings: Any) -> None:
    grow(signer, 5)
    signer.keep(signing.Signed("reeve.local/log/epoch-2", 5, signer.record().root), epoch=2)
    signer.begin(2)
    grow(signer, 5)

    verdict = proving.verify(proving.public_key())
    assert (verdict.position, "another log, epoch or size" in verdict.why) == (10, True)


def test_a_key_of_an_epoch_that_the_log_never_reached_finds_it_out(signer: signing.Signer) -> None:
    grow(signer, 5)
    later = note.Verifier("reeve.local/log/epoch-2", signer.key.verifier.public)

    assert "nothing here was signed as reeve.local/log/epoch-2" in proving.verify(later).why


def test_a_witness_signs_the_new_epoch_once_it_is_given_its_key(signer: signing.Signer, tmp_path: Path) -> None:
    key = witness.key_from(tmp_path / "key", name="w1", state=tmp_path)
    second = note.Verifier("reeve.local/log/epoch-2", signer.key.verifier.public)
    grow(signer, 5)
    signer.close()
    call_command("new_epoch", *SAID, "--yes", stdout=StringIO())
    seal()
    call_command("signer", "--once")
    told = Checkpoint.objects.latest("size").note
    for keys, status in (([signer.key.verifier], 404), ([signer.key.verifier, second], 200)):
        one = witness.Witness(key, keys, tmp_path / "state")
        assert one.add_checkpoint(f"old 0\n\n{told}".encode(), at=1).status == status
        one.close()
    assert witnessing.published(Checkpoint.objects.latest("size")) == told


@pytest.mark.slow
def test_the_signer_refuses_every_older_point(signer: signing.Signer, copies: Copies) -> None:
    dice = random.Random(13)
    for n in range(6):
        grow(signer, dice.randint(1, 300))
        copies.take(str(n))
    grow(signer, 1)
    for n in dice.sample(range(6), 6):
        copies.restore(str(n))
        assert "were signed" in signer.refusal()
        with pytest.raises(signing.RefusesToSign):
            signer.sign()
        while Checkpoint.objects.latest("size").size and standing().size <= signer.record().size:
            write(200, of="case:2")  # grown past what was signed, it is still no continuation
            seal()
        assert "are not those that were signed" in signer.refusal()


def test_names_of_epochs_are_read_as_they_are_written() -> None:
    for name, base, epoch in [
        ("log.example/a", "log.example/a", 1),
        ("log.example/a/epoch-2", "log.example/a", 2),
        ("log.example/a/epoch-17", "log.example/a", 17),
        ("log.example/a/epoch-1", "log.example/a/epoch-1", 1),
        ("log.example/a/epoch-02", "log.example/a/epoch-02", 1),
    ]:
        assert (origin.base(name), origin.epoch(name)) == (base, epoch)
        assert origin.name(base, epoch) == name


def test_a_bundle_of_the_new_epoch_holds_for_its_key_and_covers_the_old_leaves(signer: signing.Signer) -> None:
    grow(signer, 5, 5)
    signer.close()
    call_command("new_epoch", *SAID, "--yes", stdout=StringIO())
    seal()
    signer = signing.Signer()
    signer.sign()

    for scope in (bundle.Scope("range"), bundle.Scope("subject", "case:1")):
        data = make(signer, scope)
        check(data)
        manifest = json.loads(read(data, "manifest.json"))
        assert (manifest["origin"], manifest["counts"]["leaves"] >= 10) == ("reeve.local/log/epoch-2", True)
    signer.close()
