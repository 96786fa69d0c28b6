"""What is said to a backend about an action, and what can come of it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Meaning(StrEnum):
    """What an answer means for the action."""

    APPLIED = "applied"
    LATER = "later"
    NEVER = "never"
    UNSURE = "unsure"
    GONE = "gone"
    PAUSE = "pause"  # our own fault: the backend is paused, the action keeps


@dataclass(frozen=True)
class Call:
    """An action as a backend hears of it."""

    id: str
    seq: int
    platform: str
    account: str
    kind: str
    until: datetime | None = None
    scope: str = ""
    policy: str = ""
    reason_code: str = ""
    notice: Mapping[str, Any] | None = None  # template, version, language, text, appeal_url; empty: its text is erased
    repeat: bool = False  # may have been done before, so that `idempotent = "none"` must look first
    forgotten: bool = False  # first sent so long ago that the backend may not know the key any more

    @property
    def values(self) -> dict[str, Any]:
        """What templates may name."""
        until = self.until.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if self.until else None
        return {
            "platform": self.platform,
            "account": self.account,
            "kind": self.kind,
            "until": until,
            "scope": self.scope or None,
            "policy": self.policy or None,
            "reason_code": self.reason_code or None,
            "id": self.id,
            "seq": self.seq,
            "notice": self.notice or None,
            "notice_text": self.notice.get("text") if self.notice else None,
        }


@dataclass(frozen=True)
class Answer:
    """What came of a call. `why` is in our own words and safe for the log; `body` is the backend's and is not."""

    meaning: Meaning
    why: str
    body: str = ""
    effect_id: str = ""
    delivered_at: datetime | None = None  # of a notice, where the backend says so
    wait: int | None = None  # seconds the backend asked for
    status: int = 0  # of HTTP, where reading back was answered with no state
    unreached: bool = False  # counts against the backend: refused, timed out, or a gateway's error

    @property
    def detail(self) -> str:
        """What a person reads: our words, and for what was not applied the backend's."""
        return f"{self.why}: {self.body}"[:500] if self.body else self.why[:500]
