"""May this connection be made, and how long may a call take? Sockets that know both."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
import time
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_METADATA = ipaddress.ip_address("fd00:ec2::254")
_here = threading.local()


class ForbiddenAddress(Exception):
    """The name led to an address that is nobody's backend."""


def refuse_strange(address: str) -> None:
    """Private addresses are normal here; link-local ones (where clouds keep secrets), multicast and none are not."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip == _METADATA:
        raise ForbiddenAddress(f"{address} is no address of a backend")


class _Watched:
    """A connection that checks whom it reached before it says a word, and can be cut off when the time is up."""

    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            refuse_strange(connected.getpeername()[0])
        except ForbiddenAddress:
            connected.close()
            raise
        _here.sock = connected
        return connected

    def request(self, *arguments: Any, **named: Any) -> None:
        _here.sock = self.sock  # None until connected
        super().request(*arguments, **named)  # type: ignore[misc]
        _here.sock = self.sock


class _Plain(_Watched, HTTPConnection): ...


class _Secure(_Watched, HTTPSConnection): ...


class _PlainPool(HTTPConnectionPool):
    """A connection carries one call: an answer that came twice would be taken for that of the next one."""

    ConnectionCls = _Plain

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()
        super()._put_conn(conn)


class _SecurePool(_PlainPool, HTTPSConnectionPool):
    ConnectionCls = _Secure  # type: ignore[assignment]


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def session() -> requests.Session:
    """This thread's session: no proxies, no password files, no retries of its own, no connection kept for later."""
    if getattr(_here, "pid", None) != os.getpid():
        made = requests.Session()
        made.trust_env = False
        made.headers.clear()
        made.headers.update({"User-Agent": "reeve", "Accept": "application/json", "Accept-Encoding": "identity"})
        made.headers["Connection"] = "close"
        made.mount("http://", _Adapter(max_retries=0, pool_maxsize=2))
        made.mount("https://", _Adapter(max_retries=0, pool_maxsize=2))
        _here.pid, _here.session = os.getpid(), made
    found: requests.Session = _here.session
    return found


class Deadline:
    """Within it a call ends by a time, whatever drips in: a guard thread shuts the socket of who is late."""

    _late: ClassVar[dict[int, Deadline]] = {}
    _lock: ClassVar = threading.Lock()
    _guarded_by: ClassVar[tuple[int, threading.Thread] | None] = None

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.passed = False

    def __enter__(self) -> Deadline:
        _here.sock = None
        self.holder = _here.__dict__  # this thread's own, reachable from the guard
        with Deadline._lock:
            Deadline._late[id(self)] = self
            if Deadline._guarded_by is None or Deadline._guarded_by[0] != os.getpid():
                guard = threading.Thread(target=Deadline._guard, name="call-deadlines", daemon=True)
                Deadline._guarded_by = (os.getpid(), guard)
                guard.start()
        return self

    def __exit__(self, *_: object) -> None:
        with Deadline._lock:
            Deadline._late.pop(id(self), None)

    def cut(self) -> None:
        """End the call: whoever reads from the socket finds it closed."""
        self.passed = True
        if sock := self.holder.get("sock"):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _guard() -> None:
        while True:
            time.sleep(0.25)
            with Deadline._lock:
                late = [one for one in Deadline._late.values() if one.until <= time.monotonic()]
            for one in late:
                one.cut()
