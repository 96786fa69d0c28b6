"""Does the shipped verifier know what is sound from what is not, and say so of any rubbish without falling over?"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from portal.audit import note, verifier
from portal.audit.canonical import canonical
from tests.bench import verify as bench

# RFC 8032, 7.1: public key, message, signature
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_it_agrees_with_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert verifier.ed25519(key, text, signed)
    assert not verifier.ed25519(key, text + b"x", signed)
    for at in (0, 31, 32, 63):
        assert not verifier.ed25519(key, text, signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :])
    scalar = int.from_bytes(signed[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    assert not verifier.ed25519(key, text, signed[:32] + scalar.to_bytes(32, "little")), "a second form of it"


def test_it_agrees_with_another_implementation() -> None:
    for number in range(40):
        private = Ed25519PrivateKey.generate()
        public, text = private.public_key().public_bytes_raw(), b"%d" % number * number
        signed = private.sign(text)
        assert verifier.ed25519(public, text, signed)
        assert not verifier.ed25519(public, text + b" ", signed)
        assert not verifier.ed25519(Ed25519PrivateKey.generate().public_key().public_bytes_raw(), text, signed)


@pytest.mark.parametrize("raw", [b"", b"\xff" * 32, b"\x02" + b"\x00" * 31, b"\x01" + b"\x00" * 30 + b"\x80"])
def test_what_is_no_point_of_the_curve_signs_nothing(raw: bytes) -> None:
    assert not verifier.ed25519(raw, b"", b"\x00" * 64)


# --- A bundle made up without a database ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    path = tmp_path_factory.mktemp("made") / "bundle.zip"
    vkey = bench.make(path, 600)
    return path.read_bytes(), vkey


def files(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        return {name: whole.read(name) for name in whole.namelist()}


def packed(content: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, one in content.items():
            whole.writestr(name, one)
    out.seek(0)
    return out


def test_the_made_up_events_are_canonical() -> None:
    made = bench.Made(8)
    for index in range(8):
        for raw in made.event(index, "case.claimed", [f"case:{index}", "account:x"], {"n": index}):
            assert canonical(json.loads(raw)) == raw


def test_a_made_up_bundle_is_sound(made: tuple[bytes, str]) -> None:
    data, vkey = made
    verdict = verifier.verify(io.BytesIO(data), vkey)
    assert (verdict.code, verdict.why) == (0, "")
    assert "600 events are here and unchanged" in "\n".join(verdict.lines)


def test_it_is_verified_in_little_memory_by_its_own_program(tmp_path: Path) -> None:
    vkey = bench.make(tmp_path / "x.zip", 5_000)
    _, _, peak, code, words = bench.verified(tmp_path / "x.zip", vkey)
    assert (code, words.splitlines()[-1]) == (0, "SOUND")
    assert peak < 64


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 4095, 4096, 4097])
def test_odd_sizes_are_sound(tmp_path: Path, size: int) -> None:
    vkey = bench.make(tmp_path / "x.zip", size)
    verdict = verifier.verify(tmp_path / "x.zip", vkey)
    assert (verdict.code, verdict.why) == (0, "")


# --- Rubbish ----------------------------------------------------------------------------------------------------------


def answer(given: Any, key: str | None = None) -> verifier.Verdict:
    verdict = verifier.verify(given, key)
    assert verdict.code in (1, 2)
    assert verdict.why
    assert "Traceback" not in verdict.why
    return verdict


@pytest.mark.parametrize("raw", [b"", b"x", b"PK\x03\x04", b"PK\x05\x06" + b"\x00" * 18, b"\x00" * 1000])
def test_what_is_no_zip_cannot_be_told(raw: bytes) -> None:
    assert answer(io.BytesIO(raw)).code == 2


def test_a_truncated_bundle_is_not_sound(made: tuple[bytes, str]) -> None:
    data, vkey = made
    for share in range(0, 100, 7):
        answer(io.BytesIO(data[: len(data) * share // 100]), vkey)


def test_a_flipped_byte_anywhere_never_passes_for_other_content(made: tuple[bytes, str]) -> None:
    data, vkey = made
    whole = files(data)
    for at in range(0, len(data), len(data) // 150):
        raw = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        if verifier.verify(io.BytesIO(raw), vkey).code == 0:  # a time or a right of the zip, not what it holds
            assert files(raw) == whole


STRANGE = {
    "null": b"null", "a list": b"[]", "a number": b"1", "no JSON": b"{", "deep": b"[" * 100_000, "NaN": b"NaN",
    "twice the same key": b'{"v": 1, "v": 1}', "a lone surrogate": b'{"format": "\\ud800"}', "no text": b"\xff\xfe",
    "nothing": b"", "a huge number": b"1" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("name", ["manifest.json", "proofs/heads.json", "proofs/checkpoints.json", "events.jsonl"])
def test_strange_json_is_answered_with_a_sentence(made: tuple[bytes, str], name: str, strange: bytes) -> None:
    data, vkey = made
    answer(packed({**files(data), name: strange}), vkey)


@pytest.mark.parametrize("value", [None, [], {}, "x", -1, 2**70, 1.5, True])
def test_a_manifest_of_other_types_is_answered_with_a_sentence(made: tuple[bytes, str], value: Any) -> None:
    data, vkey = made
    whole = files(data)
    manifest = json.loads(whole["manifest.json"])
    for name in manifest:
        if manifest[name] != value:
            told = verifier.dumped({**manifest, name: value}).encode()
            answer(packed({**whole, "manifest.json": told}), vkey)
    for name in ("kind", "start", "end"):
        told = verifier.dumped({**manifest, "scope": {**manifest["scope"], name: value}}).encode()
        answer(packed({**whole, "manifest.json": told}), vkey)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a\\b", "proofs/../x", "C:x", "proofs/a/b", "x\n", ".hidden", "a" * 200]
)
def test_a_path_out_of_the_bundle_is_refused(made: tuple[bytes, str], name: str) -> None:
    data, vkey = made
    assert answer(packed({**files(data), name: b""}), vkey).code == 2


def test_two_files_of_one_name_are_refused(made: tuple[bytes, str]) -> None:
    data, vkey = made
    out = packed(files(data))
    with zipfile.ZipFile(out, "a") as whole, pytest.warns(UserWarning, match="Duplicate name"):
        whole.writestr("events.jsonl", b"")
    assert answer(out, vkey).code == 2


def test_a_bomb_is_not_unpacked(made: tuple[bytes, str]) -> None:
    data, vkey = made
    raw = packed({**files(data), "manifest.json": b" " * (64 << 20)}).getvalue()
    assert "far too large" in answer(io.BytesIO(raw), vkey).why
    at = raw.index(b"PK\x01\x02")  # the first entry says that it is four gigabytes
    lie = raw[: at + 24] + struct.pack("<I", 0xFFFFFFF0) + raw[at + 28 :]
    answer(io.BytesIO(lie), vkey)


def test_a_line_without_an_end_is_bounded(made: tuple[bytes, str]) -> None:
    data, vkey = made
    assert "longer than" in answer(packed({**files(data), "events.jsonl": b"A" * (3 << 20)}), vkey).why


def test_a_missing_file_is_named(made: tuple[bytes, str]) -> None:
    data, vkey = made
    whole = files(data)
    proofs = {f"proofs/{index}.tlog-proof" for index in (0, 300, 600)}  # of one for each leaf
    for name in [name for name in whole if not name.endswith(".tlog-proof") or name in proofs]:
        verdict = answer(packed({other: one for other, one in whole.items() if other != name}), vkey)
        assert name in verdict.why or name in ("README.txt", "verify.py")


def test_what_it_prints_is_fit_for_a_terminal(made: tuple[bytes, str], capsys: pytest.CaptureFixture[str]) -> None:
    data, _ = made
    whole = files(data)
    manifest = json.loads(whole["manifest.json"])
    told = {**manifest, "why": "\x1b[2Jgone‮", "asked_by": "ada\nSOUND"}
    path = packed({**whole, "manifest.json": verifier.dumped(told).encode()})
    lines = verifier.verify(path, None).lines
    assert all(re.fullmatch(r"[^\x00-\x1f\x7f‮]*", line) for line in lines)


# --- Keys and witnesses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "x", "a+b+c", "bench/log+00000000+" + "A" * 44, "x" * 10_000, "\n\n"])
def test_what_is_no_key_is_refused(made: tuple[bytes, str], text: str) -> None:
    assert answer(io.BytesIO(made[0]), text).code == 2


def test_another_key_is_not_the_key(made: tuple[bytes, str]) -> None:
    other = note.Signer("bench/log", Ed25519PrivateKey.generate()).verifier.vkey
    assert answer(io.BytesIO(made[0]), other).code == 1


def test_without_a_key_it_says_that_it_took_the_one_inside(made: tuple[bytes, str]) -> None:
    verdict = verifier.verify(io.BytesIO(made[0]))
    assert verdict.code == 0
    assert "THE KEY WAS TAKEN FROM THE BUNDLE ITSELF" in "\n".join(verdict.lines)
    assert made[1] in "\n".join(verdict.lines)


def witnessed(data: bytes, *witnesses: note.Signer) -> io.BytesIO:
    """The same bundle, its checkpoint signed by these as well: before it is closed, as the log would."""
    whole = files(data)
    old = whole["checkpoint.txt"].decode()
    text = note.Note.parse(old).text
    new = old + "".join(str(one.sign(text, at=1_780_000_000 + at)) for at, one in enumerate(witnesses))
    whole = {name: one.replace(old.encode(), new.encode()) for name, one in whole.items()}
    sums = {name: verifier.hashlib.sha256(one).hexdigest() for name, one in whole.items() if name != "SHA256SUMS"}
    whole["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    return packed(whole)


def test_k_of_n_witnesses_are_demanded(made: tuple[bytes, str]) -> None:
    data, vkey = made
    w1, w2, w3 = (note.Signer(f"w{n}.example", Ed25519PrivateKey.generate(), note.WITNESS) for n in (1, 2, 3))
    keys = [one.verifier.vkey for one in (w1, w2, w3)]

    def code(given: io.BytesIO, need: int | None, among: list[str]) -> int:
        return verifier.verify(given, vkey, among, need).code

    both = witnessed(data, w1, w2)
    assert code(both, 2, keys) == 0
    assert code(both, None, keys[:2]) == 0
    assert code(both, 3, keys) == 1
    assert code(both, None, keys) == 1
    assert code(both, 1, keys[2:]) == 1
    assert code(both, 2, [keys[0], keys[0]]) == 2, "one witness is not two"
    assert code(io.BytesIO(data), 1, keys) == 1
    assert code(both, 1, [vkey]) == 2, "the log is no witness of itself"


def test_a_false_cosignature_does_not_count(made: tuple[bytes, str]) -> None:
    data, vkey = made
    one = note.Signer("w.example", Ed25519PrivateKey.generate(), note.WITNESS)
    other = note.Signer("w.example", Ed25519PrivateKey.generate(), note.WITNESS)
    good = one.sign(note.Note.parse(files(data)["checkpoint.txt"].decode()).text, at=5)
    later = note.Signature(good.name, good.key_id, struct.pack(">Q", 6) + good.signature[8:])

    class Fixed:
        def sign(self, text: str, *, at: int) -> note.Signature:
            return later

    assert verifier.verify(witnessed(data, Fixed()), vkey, [one.verifier.vkey], 1).code == 1  # type: ignore[arg-type]
    assert verifier.verify(witnessed(data, other), vkey, [one.verifier.vkey], 1).code == 1
