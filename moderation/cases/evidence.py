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
                    "told": told(signal["data"]),
                }
                for signal in list(signals)[:MOST_SIGNALS]
            ],
            "pointed": list(pointed),
        }
    )


def digest(body: bytes) -> bytes:
    """SHA-256 of the canonical bytes."""
    return hashlib.sha256(b"reeve/evidence/v1\n" + body).digest()


def told(data: Any) -> str:
    """SHA-256, in hex, of what a signal said: as sorted JSON, for it may hold decimals, which the log refuses."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def features(snapshot: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the features a score was made from, their names in order."""
    return hashlib.sha256(json.dumps(dict(sorted(snapshot.items()))).encode()).hexdigest()
