"""What lay on the table? Canonical bytes of it, with commitments instead of values, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from portal.audit.canonical import canonical

MOST_SIGNALS = 100  # the newest ones; keeps a body well under the 64 KiB of an event


def body(
    *,
    case: Mapping[str, Any],
    score: Mapping[str, Any] | None,
    signals: Iterable[Mapping[str, Any]],
    pointed: Iterable[str] = (),
) -> bytes:
    """The canonical bytes: the case, its score with reasons, the newest signals by digest, what was pointed at."""
    return canonical(
        {
            "v": 1,
            "case": dict(case),
            "score": dict(score) if score else None,
            "signals": [
                {
                    "name": signal["name"],
                    "kind": signal["kind"],
                    "at": signal["at"],
                    "told": hashlib.sha256(_stable(signal["data"])).hexdigest(),
                }
                for signal in list(signals)[:MOST_SIGNALS]
            ],
            "pointed": list(pointed),
        }
    )


def digest(body: bytes) -> bytes:
    """SHA-256 of the canonical bytes."""
    return hashlib.sha256(b"reeve/evidence/v1\n" + body).digest()


def _stable(data: Any) -> bytes:
    """The same bytes for the same data: a signal may hold decimals, which canonical JSON here refuses."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
