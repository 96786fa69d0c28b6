"""What did the reviewer say? A decision as it was sent: its form, and the fingerprint that knows it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

from portal.privacy.lookup import stamp

from .effects import OUTCOMES, SCOPES

LONGEST_NOTE = 10_000


@dataclass(frozen=True)
class Word:
    """What somebody concluded, before it is anybody's decision."""

    outcome: str
    reason_code: str
    policy: str = ""
    note: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    until: datetime | None = None
    scope: str = ""
    notify: bool = True  # whether the account holder may be told

    def fingerprint(self, *, case: int, version: int) -> bytes:
        """A keyed hash over all of it: the same key with another fingerprint is a mistake, not a repetition."""
        parts = [
            case, version, self.outcome, self.reason_code, self.policy, self.note, sorted(self.answers.items()),
            list(self.evidence), self.until.timestamp() if self.until else None, self.scope,
        ]  # fmt: skip
        parts += [] if self.notify else ["not told"]
        return stamp("word", json.dumps(parts, ensure_ascii=True).encode())

    def malformed(self, *, now: datetime) -> str | None:
        """Why this is not a well-formed decision, whatever the case."""
        effect = OUTCOMES.get(self.outcome)
        if effect is None:
            return f"There is no outcome “{self.outcome}”. There are: {', '.join(OUTCOMES)}."
        name = effect.says.lower()
        if effect.until == "must" and self.until is None:
            return f"“{effect.says}” needs an end: say until when."
        if effect.until == "no" and self.until is not None:
            return f"“{effect.says}” takes no end; leave “until” out."
        if self.until is not None and self.until <= now:
            return "The end lies in the past; say a later one."
        if effect.scope and self.scope not in SCOPES:
            return f"Say what to {name}: one of {', '.join(SCOPES)}."
        if not effect.scope and self.scope:
            return f"“{effect.says}” takes no scope; leave “scope” out."
        return f"A note has at most {LONGEST_NOTE:,} characters." if len(self.note) > LONGEST_NOTE else None
