"""What is at the other end? A stand-in platform: the backend API of the contract, with faults on request.

Standard library only, so that it starts in no time and owes nothing to the code it tests.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import json
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from portal.local import owners
from portal.local.breakage import Breakage
from portal.local.callers import Calls
from portal.local.faults import AFTER, Faults
from portal.local.ledger import Ledger, Unacceptable
from portal.local.misbehaviour import misbehave

TOLERANCE = 300  # seconds a signature may be old, or early
LARGEST = 1 << 20


class Platform:
    """The platform with its ledger, on one port; in a thread for tests, or as a process."""

    def __init__(self, *, data: Path, secret: str, port: int = 0, demo: Path | None = None) -> None:
        self.ledger = Ledger(data)
        self.secret = secret.encode()
        self.faults, self.calls = Faults(), Calls()
        self.breakage = Breakage(self, demo) if demo else None
        self.port = port
        self.stopping = threading.Event()
        self.away_until = 0.0
        self._open()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        return self.__enter__()

    def serve(self) -> None:
        """Until stopped; while away the port is closed, and a call is refused."""
        while not self.stopping.is_set():
            self.server.serve_forever(poll_interval=0.05)
            self.server.server_close()
            self.server.drop_everybody()
            self.stopping.wait(max(0.0, self.away_until - time.monotonic()))
            if not self.stopping.is_set():
                self._open()

    def go_away(self, seconds: float) -> None:
        self.away_until = time.monotonic() + seconds
        threading.Thread(target=self.server.shutdown, daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        self.server.shutdown()
        if self.thread.ident:
            self.thread.join()
        self.server.server_close()
        self.ledger.close()

    def _open(self) -> None:
        self.server = Server(("127.0.0.1", self.port), Caller)
        self.server.platform = self
        self.port = self.server.server_address[1]


class Server(ThreadingHTTPServer):
    """One thread per connection; knows its open connections, to drop them when it goes away."""

    daemon_threads = True
    request_queue_size = 256
    platform: Platform

    def __init__(self, *arguments: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def server_bind(self) -> None:
        """Without the look-up of the host's name that the library does here."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def drop_everybody(self) -> None:
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that left in the middle is nothing to tell."""


class Caller(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "platform", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    @property
    def platform(self) -> Platform:
        return self.server.platform

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        parts = [unquote(part) for part in path.path.strip("/").split("/")]
        query = {key: values[-1] for key, values in parse_qs(path.query).items()}
        match parts:
            case ["v1", "accounts", platform, account]:
                self._account(platform, account)
            case ["v1", "ledger" | "calls" as book]:
                after = int(query["after"]) if query.get("after", "").isdigit() else 0
                self._json(200, {"rows": getattr(self.platform, book).after(after)})
            case ["inside", *_]:
                self._inside()
            case [""]:
                found = self.platform.ledger.newest(60, query.get("account", "").strip())
                self._page(owners.everybody(found, query, self.platform.breakage is not None))
            case ["accounts", platform, account]:
                self._page(owners.one(self.platform.ledger.holder(platform, account)))
            case ["style.css"]:
                self.send(200, owners.STYLE.encode(), "text/css; charset=utf-8")
            case _:
                self._json(404, {"error": "Nothing is here."})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        try:
            match parts:
                case ["v1", "actions"]:
                    self._action(body)
                case ["v1", "faults"]:
                    self._faults(_object(body))
                case ["inside", *_]:
                    self._inside()
                case ["v1", "accounts", platform, account, "gone"]:
                    status = _object(body).get("status", 410)
                    if status not in (404, 410, None):
                        raise Unacceptable(400, "status is 404, 410 or null.")
                    self.platform.ledger.mark_gone(platform, account, status)
                    self._json(200, {"gone": status})
                case ["v1", "accounts", platform, account, "hand"]:
                    self._json(200, self._other_hand(platform, account, _object(body)))
                case ["try", button] if self.platform.breakage and self._from_our_page():
                    self._redirect(f"/?said={self.platform.breakage.press(button)}")
                case _:
                    self._json(404, {"error": "Nothing is here."})
        except Unacceptable as no:
            self._json(no.status, no.body)

    # -- the backend API

    def _inside(self) -> None:
        """Where a redirect leads: nobody should come."""
        self.platform.calls.add("inside", path=self.path)
        self._json(200, {"effect_id": "ef-inside", "state": {}})

    def _account(self, platform: str, account: str) -> None:
        holder = self.platform.ledger.holder(platform, account)
        if holder.gone:
            self._json(holder.gone, {"error": "This account is gone."})
            return
        told = {"platform": platform, "id": account, "state": holder.state, "last_seq": holder.last_seq}
        ours = self.headers.get("User-Agent") == "reeve"  # who only looks on is told the truth
        fault = self.platform.faults.draw() if ours and self.platform.faults.reads else None
        booked = self.platform.calls.add("read", account=account, fault=fault) if ours else {}
        if fault:
            misbehave(self, fault, json.dumps(told).encode(), booked)
        else:
            self._json(200, told)

    def _action(self, body: bytes) -> None:
        self._check_signature(body)
        action = _object(body)
        key, seq = self.headers.get("Idempotency-Key", ""), self.headers.get("X-Account-Seq", "")
        account = action.get("account")
        if not key:
            raise Unacceptable(400, "Idempotency-Key is missing.")
        if not seq.isdigit():
            raise Unacceptable(400, "X-Account-Seq is missing or not a number.")
        if not isinstance(account, dict) or not all(isinstance(account.get(k), str) for k in ("platform", "id")):
            raise Unacceptable(400, "account.platform and account.id are missing.")
        if not isinstance(action.get("kind"), str):
            raise Unacceptable(400, "kind is missing.")
        if self.platform.faults.slow_seconds:
            time.sleep(self.platform.faults.slow_seconds)
        faults = self.platform.faults
        fault = faults.draw()
        booked = self.platform.calls.add("action", key=key, seq=int(seq), account=account["id"], fault=fault)
        if fault == "late":  # also when the caller has long gone
            time.sleep(faults.stall_seconds)
        elif fault and fault not in AFTER:
            misbehave(self, fault, b"", booked)
            return
        answer = json.dumps(self.platform.ledger.apply(key, int(seq), action, forget=faults.forget)).encode()
        if fault and fault != "late":
            misbehave(self, fault, answer, booked)
        else:
            self.send(200, answer, "application/json")

    def _check_signature(self, body: bytes) -> None:
        given = dict(part.partition("=")[::2] for part in self.headers.get("X-Signature", "").split(","))
        at, mac = given.get("t", ""), given.get("v1", "")
        right = hmac.new(self.platform.secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        if not at.isdigit() or not hmac.compare_digest(right.encode(), mac.encode()):
            raise Unacceptable(401, "The signature is missing or wrong.")
        if abs(time.time() - int(at)) > TOLERANCE:
            raise Unacceptable(401, "The signature is too old.")

    def _faults(self, wanted: dict[str, Any]) -> None:
        try:
            self.platform.faults.set(wanted)
        except ValueError as wrong:
            raise Unacceptable(400, str(wrong)) from None
        self._json(200, wanted)
        if wanted.get("away_s"):
            self.platform.go_away(float(wanted["away_s"]))

    def _other_hand(self, platform: str, account: str, told: dict[str, Any]) -> dict[str, Any]:
        """For tests: `{"set": {…}}` changes the state as somebody else would, `{"forget_after": n}` loses effects."""
        ledger, state, after = self.platform.ledger, told.get("set"), told.get("forget_after")
        if isinstance(state, dict) and state.keys() <= ledger.holder(platform, account).state.keys():
            ledger.other_hand(platform, account, state)
        elif isinstance(after, int):
            ledger.lose(platform, account, after)
        else:
            raise Unacceptable(400, "set is an object of known keys, or forget_after a number.")
        return ledger.holder(platform, account).state

    # -- the wire

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST:
            self.close_connection = True
            self._json(413, {"error": "That is too much."})
            return None
        return self.rfile.read(int(length))

    def _from_our_page(self) -> bool:
        return self.headers.get("Origin", self.platform.url) in (
            f"http://{self.headers.get('Host')}",
            self.platform.url,
        )

    def _json(self, status: int, told: dict[str, Any]) -> None:
        self.send(status, json.dumps(told, ensure_ascii=False).encode(), "application/json")

    def _page(self, html: str) -> None:
        policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        self.send(200, html.encode(), "text/html; charset=utf-8", ("Content-Security-Policy", policy))

    def _redirect(self, to: str) -> None:
        self.send(303, b"", "text/plain", ("Location", to))

    def send(self, status: int, body: bytes, kind: str, *headers: tuple[str, str]) -> None:
        """One whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")  # or the next call comes on a connection that is gone
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """The ledger is the log."""


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body or b"{}")
    except ValueError:
        raise Unacceptable(400, "The body is not JSON.") from None
    if not isinstance(told, dict):
        raise Unacceptable(400, "The body is not a JSON object.")
    return told


def main(arguments: list[str]) -> int:
    """As a process of its own."""
    parser = argparse.ArgumentParser(prog="portal.local.platform", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--demo", type=Path, help="demo.json of a running demo: shows the buttons that break things")
    told = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    secret = told.secret_file.read_text(encoding="utf-8").strip()
    try:
        platform = Platform(data=told.data, secret=secret, port=told.port, demo=told.demo)
    except OSError as error:
        print(f"The stand-in platform cannot open port {told.port}: {error.strerror}.", file=sys.stderr)
        return 1
    print(f"LISTENING {platform.url}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        platform.serve()
    platform.ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
