"""Do signed notes and checkpoints hold to their specification, and are false ones refused?"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from portal.audit import note

# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
LOG = note.Signer("log.example/reeve", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = note.Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(32)), kind=note.WITNESS)
CHECKPOINT = note.Checkpoint("log.example/reeve", 20, b"\x07" * 32)


def test_it_verifies_a_note_that_another_implementation_signed():
    key = note.Verifier.parse(VKEY)
    assert key.vkey == VKEY
    assert note.verify(note.Note.parse(TEXT), key)
    assert str(note.Note.parse(TEXT)) == TEXT
    assert not note.verify(note.Note.parse(TEXT.replace("answer", "Answer")), key)


def test_a_signed_checkpoint_comes_back_as_it_was():
    signed = str(note.Note(CHECKPOINT.text, [LOG.sign(CHECKPOINT.text)]))
    found = note.Note.parse(signed)
    assert note.verify(found, LOG.verifier)
    assert note.Checkpoint.parse(found.text) == CHECKPOINT
    assert not note.verify(found, note.Signer("log.example/reeve", Ed25519PrivateKey.generate()).verifier)


def test_a_witness_signs_the_time_too():
    line = WITNESS.sign(CHECKPOINT.text, at=1_700_000_000)
    both = note.Note(CHECKPOINT.text, [LOG.sign(CHECKPOINT.text), line])
    assert note.verify(both, WITNESS.verifier)
    assert note.verify(both, LOG.verifier)
    later = note.Signature(line.name, line.key_id, (1_700_000_001).to_bytes(8, "big") + line.signature[8:])
    assert not note.verify(note.Note(CHECKPOINT.text, [later]), WITNESS.verifier)


def test_a_false_line_beside_a_true_one_is_refused():
    true = LOG.sign(CHECKPOINT.text)
    false = note.Signature(true.name, true.key_id, b"\x00" * 64)
    assert not note.verify(note.Note(CHECKPOINT.text, [true, false]), LOG.verifier)


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n\n", "a\n\n— b\n", "a\n\n— b ?\n", "a\n\n— b AAAA\n", "a\x00\n\n— b AAAAAAAA\n"]
)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(note.BadNote):
        note.Note.parse(text)


@pytest.mark.parametrize("text", ["", "a\n", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n", "\n1\nAAAA\n"])
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(note.BadNote):
        note.Checkpoint.parse(text)


@pytest.mark.parametrize(
    "vkey", ["", "a", "a+b+c", VKEY.replace("c74f", "c74e"), VKEY.replace("+AR", "+BR"), VKEY[:-4]]
)
def test_what_is_no_key_is_refused(vkey):
    with pytest.raises(note.BadNote):
        note.Verifier.parse(vkey)
