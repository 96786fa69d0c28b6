"""How does the stand-in platform answer wrongly? Each fault that was drawn, on the wire of the caller it met."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.local.platform import Caller

HOLD = 30  # seconds a call that times out is held
FLOOD = 10 << 20  # bytes
AGAIN = 0.02  # seconds after which every other answer that comes twice comes again


def misbehave(caller: Caller, fault: str, answer: bytes, booked: dict[str, Any]) -> None:
    """Answer as the fault wants it. `answer` is what would have been said; what was asked for is `booked`."""
    caller.close_connection = fault != "twice"
    faults = caller.platform.faults
    if fault == "error_500":
        caller.send(500, b'{"error": "Something broke."}', "application/json")
    elif fault == "rate_429":
        booked["asked"], said = _asked(faults.ask())
        booked["said_at"], booked["said"] = time.time(), said
        caller.send(429, b'{"error": "Too many calls."}', "application/json", ("Retry-After", said))
    elif fault == "lie":
        caller.send(200, b'{"error": "Something broke."}', "application/json")
    elif fault == "redirect":
        caller.send(307, b"", "text/plain", ("Location", f"{caller.platform.url}/inside/{booked['n']}"))
    elif fault == "garbage":
        caller.send(200, b'{"effect_id": "ef-', "application/json")
    elif fault == "flood":
        told = json.loads(answer) | {"more": "x" * FLOOD}
        caller.send(200, json.dumps(told).encode(), "application/json")
    elif fault == "twice":
        caller.send(200, answer, "application/json")
        time.sleep(AGAIN * (booked["n"] % 2))
        caller.send(200, answer, "application/json")
    elif fault == "stall":
        select.select([caller.connection], [], [], faults.stall_seconds)  # readable: the caller has left
        caller.send(200, answer, "application/json")
    elif fault == "reset":
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        caller.connection.sendall(head.encode() + answer[: len(answer) // 2])
        caller.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.connection.close()  # with linger 0: a reset, not a farewell
    else:
        select.select([caller.connection], [], [], HOLD)


def _asked(ask: Any) -> tuple[float | None, str]:
    """When the caller may come again, in seconds since the epoch, if that can be read; and the header that says so."""
    now = datetime.now(UTC)
    if isinstance(ask, dict):
        at = (now + timedelta(seconds=ask["date_in"])).replace(microsecond=0)
        return at.timestamp(), format_datetime(at, usegmt=True)
    if re.fullmatch(r" *-?[0-9]+ *", ask):
        return now.timestamp() + int(ask), ask
    return None, ask
