"""How is a test's log sealed and signed? By hand, without the two processes that do it."""

from __future__ import annotations

from pathlib import Path

from moderation.insight.history import lanes_of
from portal.audit import sealing, signing


class Provers:
    """The sequencer and the signer of a test; `prove` is how an export waits for them. Needs real commits."""

    def __init__(self, folder: Path) -> None:
        self.signer = signing.Signer(folder)

    def prove(self, _seconds: float = 0.0) -> None:
        """Give everything its place, and sign."""
        while sealing.seal(lanes=lanes_of):
            pass
        self.signer.sign()

    def close(self) -> None:
        """Let go of the key."""
        self.signer.close()
