"""Who else saw this log? A witness signs checkpoints beside the log, and only one that continues what it signed last.

It needs no Django, no database and no setting of the log, only the log's public key: it belongs on a machine that
those who run the log cannot reach (C2SP tlog-witness over HTTP, one Ed25519 key, cosignature/v1).

    python -m portal.audit.witness --log-key log.vkey --name witness.example/w1 --state DIR --listen 127.0.0.1:7391
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import fcntl
import hashlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import durable, note, tree

LARGEST = 32 * 1024  # bytes of a request: 63 lines of proof and a checkpoint with many signatures
PROOF_LINES = 63
PATIENCE = 5  # seconds for the next bytes of a caller
LIFETIME = 60.0  # seconds of a connection, whatever it does
AT_ONCE = 32  # connections
CLOCK_SLACK = 300  # seconds that the clock may run behind what was signed last
SIZE_TYPE = "text/x.tlog.size"


class CannotWitness(RuntimeError):
    """Why this witness does not serve, in one sentence."""


@dataclass(frozen=True)
class Seen:
    """What was signed last for a log."""

    origin: str
    size: int
    root: bytes
    at: int  # seconds since 1970


@dataclass(frozen=True)
class Answer:
    """What a caller is told."""

    status: int
    body: str
    type: str = "text/plain; charset=utf-8"


class Memory:
    """What was signed last for one log, in two files that are written one after the other.

    They may differ by the one step that a crash leaves. Any other difference means that one of them was set back, and
    the witness refuses to serve. Both set back together cannot be told from here: that shows where an earlier
    cosignature was kept, and the log's own signer raises an alarm for it.
    """

    def __init__(self, folder: Path, origin: str) -> None:
        name = hashlib.sha256(origin.encode()).hexdigest()[:32]
        self.origin = origin
        self.ahead, self.behind = folder / f"{name}.seen", folder / f"{name}.state"
        self.lock = threading.Lock()
        self.seen = self._load()

    def keep(self, now: Seen) -> None:
        """On the disk, in both files, when this returns; raises OSError and remembers nothing where it cannot be."""
        before = {"size": self.seen.size, "root": self.seen.root.hex()} if self.seen else None
        told = {"origin": now.origin, "size": now.size, "root": now.root.hex(), "at": now.at}
        durable.write(self.ahead, json.dumps(told | {"before": before}).encode())
        durable.write(self.behind, json.dumps(told).encode())
        self.seen = now

    def _load(self) -> Seen | None:
        ahead, behind = self._read(self.ahead), self._read(self.behind)
        if ahead is None and behind is None:
            return None
        before = ahead.pop("before", None) if ahead else None
        state = {part: behind[part] for part in ("size", "root")} if behind else None
        if ahead is None or (ahead != behind and before != state):
            raise CannotWitness(
                f"{self.ahead} and {self.behind} do not belong together: one was set back, edited or taken away. "
                "Nothing is signed; if that cannot be mended, retire this witness and its key."
            )
        return Seen(self.origin, ahead["size"], bytes.fromhex(ahead["root"]), ahead["at"])

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if told["origin"] != self.origin or not isinstance(told["size"], int) or len(told["root"]) != 64:
                raise ValueError
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise CannotWitness(f"{path} cannot be read: it is not what this witness wrote.") from None
        return told


class Witness:
    """The key, the logs it looks at, and what it signed last for each; one per folder, by a lock."""

    def __init__(self, key: note.Signer, logs: Iterable[note.Verifier], folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock: IO[str] = (folder / "lock").open("a")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            raise CannotWitness(f"Another witness works with {folder}.") from None
        self.key = key
        self.logs: dict[str, list[note.Verifier]] = {}
        for log in logs:
            self.logs.setdefault(log.name, []).append(log)
        self.memory = {origin: Memory(folder, origin) for origin in self.logs}

    def close(self) -> None:
        """Let another one in."""
        self.lock.close()

    def add_checkpoint(self, body: bytes, *, at: int) -> Answer:
        """Sign a checkpoint that continues the last one; `at` is the time, in seconds since 1970."""
        try:
            old, proof, signed = _parsed(body)
            told = note.Checkpoint.parse(signed.text)
        except (note.BadNote, UnicodeDecodeError) as error:
            return Answer(400, f"{error}\n")
        if told.origin not in self.logs:
            return Answer(404, "this witness does not know that log\n")
        if not any(note.verify(signed, key) for key in self.logs[told.origin]):
            return Answer(403, "not signed by a key of that log\n")
        if old > told.size:
            return Answer(400, "the old size is greater than that of the checkpoint\n")
        memory = self.memory[told.origin]
        with memory.lock:  # comparing and keeping are one step: no two views can both be next
            return self._continue(memory, old, proof, told, signed.text, at)

    def _continue(
        self, memory: Memory, old: int, proof: list[bytes], told: note.Checkpoint, text: str, at: int
    ) -> Answer:
        seen = memory.seen or Seen(told.origin, 0, tree.EMPTY_ROOT, 0)
        if old != seen.size or (old == told.size and told.root != seen.root):
            return Answer(409, f"{seen.size}\n", SIZE_TYPE)
        if not (proof == [] if old in (0, told.size) else _continues(seen, told, proof)):
            return Answer(422, "the proof does not lead from the last checkpoint to this one\n")
        if at < seen.at - CLOCK_SLACK:
            return Answer(503, "the clock of this witness is behind what it signed last\n")
        try:
            memory.keep(Seen(told.origin, told.size, told.root, at))
        except OSError as error:
            return Answer(500, f"what was seen cannot be kept: {error.strerror}\n")
        return Answer(200, str(self.key.sign(text, at=at)))


def _continues(seen: Seen, told: note.Checkpoint, proof: list[bytes]) -> bool:
    return tree.check_consistency(seen.size, told.size, seen.root, told.root, proof)


def _parsed(body: bytes) -> tuple[int, list[bytes], note.Note]:
    """Old size, consistency proof and signed checkpoint of a request."""
    head, blank, rest = body.decode().partition("\n\n")
    first, *lines = head.split("\n")
    found = re.fullmatch(r"old (0|[1-9][0-9]{0,18})", first)
    if not found or not blank:
        raise note.BadNote("a request is: old SIZE, lines of proof, an empty line, a signed checkpoint")
    if len(lines) > PROOF_LINES:
        raise note.BadNote(f"a proof has at most {PROOF_LINES} lines")
    return int(found[1]), [_hash(line) for line in lines], note.Note.parse(rest)


def _hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != tree.HASH:
        raise note.BadNote("a line of a proof is the base64 of 32 bytes")
    return found


class Server(ThreadingHTTPServer):
    """A few connections at once, each for a limited time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        self.places = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, Caller)

    def server_bind(self) -> None:
        """Without the look-up of the host's name that the library does here."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Whoever finds no place is not waited with."""
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(LIFETIME, _hang_up, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that left in the middle is nothing to tell."""


class Caller(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    timeout = PATIENCE
    server: Server

    def do_POST(self) -> None:
        """`POST /add-checkpoint`."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self._answer(Answer(404, "there is POST /add-checkpoint\n"), last=True)
        elif not re.fullmatch(r"[0-9]{1,9}", length):
            self._answer(Answer(411, "say how long the request is\n"), last=True)
        elif int(length) > LARGEST:
            self._answer(Answer(413, f"a request has at most {LARGEST} bytes\n"), last=True)
        else:
            body = self.rfile.read(int(length))
            self._answer(self.server.witness.add_checkpoint(body, at=int(time.time())))

    def do_GET(self) -> None:
        """`GET /`: the public key of this witness."""
        vkey = self.server.witness.key.verifier.vkey
        self._answer(Answer(200, f"{vkey}\n") if self.path == "/" else Answer(404, "there is GET /\n"))

    def _answer(self, answer: Answer, *, last: bool = False) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(body)))
        if last:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        if last:
            _hear_out(self.connection)

    def log_message(self, *_: Any) -> None:
        """The state says what was signed; calls are not written down."""


def _hear_out(connection: socket.socket) -> None:
    """Throw away what a caller still sends, up to twice a request: closed at once, it would never read its answer.

    RFC 9112, 9.6.
    """
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        left = 2 * LARGEST
        while left > 0 and (more := connection.recv(min(left, 8192))):
            left -= len(more)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def key_from(path: Path, *, name: str, state: Path) -> note.Signer:
    """The key of this witness; made at the first start, and never again for a folder that has seen something."""
    try:
        key = note.Signer.parse(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        if any(state.glob("*.state")) or any(state.glob("*.seen")):
            raise CannotWitness(f"{path} is gone, and {state} remembers what it signed: bring it back.") from None
        if not name:
            raise CannotWitness(f"There is no key at {path} yet: give --name, such as witness.example/w1.") from None
        key = note.Signer(name, Ed25519PrivateKey.generate(), note.WITNESS)
        note.Verifier.parse(key.verifier.vkey)  # refuses a name that no note can carry
        durable.write(path, f"{key.secret}\n".encode())
    if key.kind != note.WITNESS or (name and name != key.name):
        raise CannotWitness(f"The key in {path} is that of {key.name}, kind {key.kind}: not this witness.")
    return key


def _logs(files: Iterable[Path], *, wait: float) -> list[note.Verifier]:
    """The public keys of the logs; a file that is not there yet is waited for."""
    until, found = time.monotonic() + wait, []
    for file in files:
        while not file.is_file() and time.monotonic() < until:
            time.sleep(0.2)
        found += [note.Verifier.parse(line) for line in file.read_text(encoding="utf-8").split()]
    return found


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError("an address is HOST:PORT")
    return host or "127.0.0.1", int(port)


def main(arguments: list[str] | None = None, *, program: str = "python -m portal.audit.witness") -> int:
    """Serve until stopped. Exit 2 with one sentence when it may not."""
    parser = argparse.ArgumentParser(prog=program, description="Sign the checkpoints of logs beside them.")
    parser.add_argument("--log-key", type=Path, action="append", required=True, help="a file with public keys of logs")
    parser.add_argument("--state", type=Path, required=True, help="the folder of what it signed last; on its own disk")
    parser.add_argument("--key", type=Path, help="its private key, made at the first start (default: STATE/key)")
    parser.add_argument("--name", default="", help="the name it signs under; for the first start")
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 7391), help="HOST:PORT (127.0.0.1:7391)")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait for the files of --log-key")
    asked = parser.parse_args(arguments)
    try:
        asked.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = key_from(asked.key or asked.state / "key", name=asked.name, state=asked.state)
        durable.write(asked.state / "witness.vkey", f"{key.verifier.vkey}\n".encode())
        server = Server(asked.listen, Witness(key, _logs(asked.log_key, wait=asked.wait), asked.state))
    except (CannotWitness, note.BadNote, OSError) as why:
        print(f"{program}: {why}", file=sys.stderr)
        return 2
    print(f"witness {key.verifier.vkey} at {server.server_name}:{server.server_port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
