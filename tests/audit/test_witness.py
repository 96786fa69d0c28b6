"""Does a witness sign one history of a log and no other, whoever asks, and however it is stopped?"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from portal.audit import note, tree, witness

ORIGIN = "log.example/reeve"
LOG = note.Signer(ORIGIN, Ed25519PrivateKey.generate())
KEY = note.Signer("witness.example/w1", Ed25519PrivateKey.generate(), note.WITNESS)
NOW = 1_800_000_000
ROOT = Path(__file__).resolve().parents[2]


class Log:
    """A log that grows, or a second view of it from some leaf on."""

    def __init__(self, size: int, *, other_from: int | None = None) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        names = [f"{n}{'!' if other_from is not None and n >= other_from else ''}" for n in range(size)]
        hashes = [tree.leaf_hash(name.encode()) for name in names]
        self.tiles |= tree.grow(0, hashes, self.read)
        self.size = size

    def read(self, level: int, index: int) -> bytes:
        return self.tiles.get((level, index), b"")

    def signed(self, size: int, *, key: note.Signer = LOG, origin: str = ORIGIN) -> str:
        text = note.Checkpoint(origin, size, tree.root(size, self.read)).text
        return str(note.Note(text, [key.sign(text)]))

    def request(self, old: int, size: int, **how: object) -> bytes:
        proof = tree.consistency(old, size, self.read) if 0 < old < size else []
        lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
        return f"old {old}\n{lines}\n{self.signed(size, **how)}".encode()


GROWN = Log(700)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[witness.Witness]:
    found = witness.Witness(KEY, [LOG.verifier], tmp_path / "state")
    yield found
    found.close()


def test_it_signs_what_continues_and_the_line_verifies(one: witness.Witness) -> None:
    for old, size in [(0, 5), (5, 5), (5, 256), (256, 257), (257, 700)]:
        answer = one.add_checkpoint(GROWN.request(old, size), at=NOW)
        assert answer.status == 200, answer
        whole = note.Note.parse(GROWN.signed(size) + answer.body)
        assert note.verify(whole, KEY.verifier)
        assert note.verify(whole, LOG.verifier)


def test_it_says_its_size_to_who_does_not_know_it(one: witness.Witness) -> None:
    one.add_checkpoint(GROWN.request(0, 300), at=NOW)

    for old in (0, 299, 301):
        answer = one.add_checkpoint(GROWN.request(old, 700), at=NOW)
        assert (answer.status, answer.body, answer.type) == (409, "300\n", "text/x.tlog.size")


def test_it_never_signs_a_second_view(one: witness.Witness) -> None:
    one.add_checkpoint(GROWN.request(0, 300), at=NOW)
    other = Log(700, other_from=299)

    assert one.add_checkpoint(other.request(300, 300), at=NOW).status == 409
    assert one.add_checkpoint(other.request(300, 700), at=NOW).status == 422
    assert one.add_checkpoint(other.request(0, 700), at=NOW).status == 409
    assert one.add_checkpoint(GROWN.request(300, 700), at=NOW).status == 200


FALSE = {
    "nothing": (b"", 400),
    "no note": (b"old 0\n\nx", 400),
    "no old size": (GROWN.request(0, 9).replace(b"old 0", b"old"), 400),
    "an old size with a zero before it": (GROWN.request(0, 9).replace(b"old 0", b"old 00"), 400),
    "a negative old size": (GROWN.request(0, 9).replace(b"old 0", b"old -1"), 400),
    "a line that is no hash": (GROWN.request(0, 9).replace(b"old 0\n", b"old 0\nAAAA\n"), 400),
    "64 lines of proof": (
        GROWN.request(0, 9).replace(b"old 0\n", b"old 0\n" + 64 * (base64.b64encode(bytes(32)) + b"\n")), 400,
    ),
    "bytes that are no text": (b"old 0\n\n\xff\xff", 400),
    "a greater old size": (GROWN.request(0, 9).replace(b"old 0", b"old 10"), 400),
    "a proof from nothing": (
        GROWN.request(0, 9).replace(b"old 0\n", b"old 0\n" + base64.b64encode(bytes(32)) + b"\n"), 422,
    ),
    "another log": (GROWN.request(0, 9, origin="other.example/log"), 404),
    "another key": (GROWN.request(0, 9, key=note.Signer(ORIGIN, Ed25519PrivateKey.generate())), 403),
    "a changed root": (
        GROWN.request(0, 9).replace(base64.b64encode(tree.root(9, GROWN.read)), base64.b64encode(bytes(32))), 403,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE)
def test_a_false_request_is_refused_and_remembered_nowhere(one: witness.Witness, name: str) -> None:
    body, status = FALSE[name]

    assert one.add_checkpoint(body, at=NOW).status == status
    assert one.memory[ORIGIN].seen is None


def test_a_clock_that_went_back_signs_nothing(one: witness.Witness) -> None:
    one.add_checkpoint(GROWN.request(0, 9), at=NOW)

    assert one.add_checkpoint(GROWN.request(9, 10), at=NOW - 3600).status == 503


def test_a_restart_keeps_what_was_seen(tmp_path: Path) -> None:
    first = witness.Witness(KEY, [LOG.verifier], tmp_path)
    with pytest.raises(witness.CannotWitness, match="Another witness"):
        witness.Witness(KEY, [LOG.verifier], tmp_path)
    first.add_checkpoint(GROWN.request(0, 9), at=NOW)
    first.close()

    again = witness.Witness(KEY, [LOG.verifier], tmp_path)
    assert again.add_checkpoint(GROWN.request(0, 9), at=NOW).body == "9\n"
    again.close()


def test_one_file_set_back_or_edited_or_gone_is_seen_at_the_start(tmp_path: Path) -> None:
    first = witness.Witness(KEY, [LOG.verifier], tmp_path)
    kept = []
    for old, size in [(0, 9), (9, 20), (20, 30)]:
        first.add_checkpoint(GROWN.request(old, size), at=NOW)
        memory = first.memory[ORIGIN]
        kept.append((memory.ahead.read_bytes(), memory.behind.read_bytes()))
    first.close()

    def starts(ahead: bytes | None, behind: bytes | None) -> bool:
        for path, content in ((memory.ahead, ahead), (memory.behind, behind)):
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        try:
            witness.Witness(KEY, [LOG.verifier], tmp_path).close()
        except witness.CannotWitness:
            return False
        return True

    (a0, b0), (_, b1), (a2, b2) = kept
    assert starts(a2, b2)
    assert starts(a2, b1), "what a crash between the two leaves"
    assert not starts(a2, b0)
    assert not starts(a0, b2)
    assert not starts(a2, None)
    assert not starts(None, b2)
    assert not starts(a2, b2.replace(b'"size": 30', b'"size": 31'))
    assert not starts(b"{}", b2)


def test_two_views_asked_for_at_once_never_both_win(tmp_path: Path) -> None:
    for turn in range(20):
        found = witness.Witness(KEY, [LOG.verifier], tmp_path / str(turn))
        found.add_checkpoint(GROWN.request(0, 9), at=NOW)
        bodies = [log.request(9, size) for log in (GROWN, Log(50, other_from=9)) for size in (49, 50)]
        gate, answers = threading.Barrier(len(bodies)), []

        def ask(body: bytes, gate=gate, found=found, answers=answers) -> None:
            gate.wait()
            answers.append(found.add_checkpoint(body, at=NOW).status)

        threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found.close()
        assert sorted(answers) == [200, 409, 409, 409]


# --- as a process, on a machine that has nothing of ours but this code and the public key of the log


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    (tmp_path / "log.vkey").write_text(LOG.verifier.vkey)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = start(tmp_path, port)
    yield child, port
    child.kill()
    child.communicate()


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    """A witness where Django, Celery and our settings cannot be had."""
    words = (
        "import sys; sys.modules.update(dict.fromkeys(['django', 'celery', 'psycopg2', 'portal.settings']));"
        "from portal.audit import witness; sys.exit(witness.main())"
    )
    line = [
        sys.executable, "-c", words, "--log-key", str(folder / "log.vkey"), "--name", "witness.example/w1",
        "--state", str(folder / "state"), "--listen", f"127.0.0.1:{port}",
    ]  # fmt: skip
    bare = {name: value for name, value in os.environ.items() if "URL" not in name and "DJANGO" not in name}
    child = subprocess.Popen(line, cwd=ROOT, env=bare, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    said = child.stdout.readline()
    assert said.startswith("witness witness.example/w1+"), said + child.stdout.read()
    return child


def call(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    told = answer.status, answer.read().decode(), answer.headers["Content-Type"]
    connection.close()
    return told


def test_it_serves_without_our_database_and_settings_and_survives_a_kill(process, tmp_path: Path) -> None:
    child, port = process
    key = note.Verifier.parse(call(port, "GET", "/")[1].strip())
    assert key.vkey == (tmp_path / "state" / "witness.vkey").read_text().strip()
    status, line, _ = call(port, "POST", "/add-checkpoint", GROWN.request(0, 9))
    assert status == 200
    assert note.verify(note.Note.parse(GROWN.signed(9) + line), key)

    child.send_signal(signal.SIGKILL)
    child.wait()
    again = start(tmp_path, port)
    try:
        assert call(port, "GET", "/")[1].strip() == key.vkey
        assert call(port, "POST", "/add-checkpoint", GROWN.request(0, 9)) == (409, "9\n", "text/x.tlog.size")
        assert call(port, "POST", "/add-checkpoint", GROWN.request(9, 12))[0] == 200
    finally:
        again.kill()
        again.communicate()


def test_it_bears_with_callers_that_do_not_keep_to_the_form(process) -> None:
    _, port = process
    assert call(port, "POST", "/elsewhere", b"x")[0] == 404
    assert call(port, "GET", "/add-checkpoint")[0] == 404
    assert call(port, "POST", "/add-checkpoint", b"", **{"Content-Length": "99999999"})[0] == 413
    assert call(port, "POST", "/add-checkpoint", b"x" * (witness.LARGEST + 1))[0] == 413
    assert call(port, "POST", "/add-checkpoint", iter([b"x"]))[0] == 411  # in chunks, with no length
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(witness.AT_ONCE + 8)]
    for one in idle:
        one.close()
    assert call(port, "POST", "/add-checkpoint", b"old 0\n")[0] == 400


def test_a_lost_key_is_not_made_again_for_a_witness_that_has_signed(tmp_path: Path) -> None:
    found = witness.Witness(
        witness.key_from(tmp_path / "key", name="w.example", state=tmp_path), [LOG.verifier], tmp_path
    )
    found.add_checkpoint(GROWN.request(0, 9), at=NOW)
    found.close()
    (tmp_path / "key").unlink()

    with pytest.raises(witness.CannotWitness, match="bring it back"):
        witness.key_from(tmp_path / "key", name="w.example", state=tmp_path)


def test_its_private_key_is_kept_for_its_owner_and_comes_back_as_it_was(tmp_path: Path) -> None:
    made = witness.key_from(tmp_path / "key", name="w.example", state=tmp_path)

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert witness.key_from(tmp_path / "key", name="", state=tmp_path).verifier == made.verifier
    with pytest.raises(witness.CannotWitness, match="not this witness"):
        witness.key_from(tmp_path / "key", name="other.example", state=tmp_path)
    with pytest.raises(note.BadNote):
        note.Signer.parse(made.secret.replace("w.example", "v.example"))
    assert hashlib.sha256(made.secret.encode()).hexdigest() not in made.verifier.vkey
