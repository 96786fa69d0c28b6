"""Who works in a round? Several workers and dispatchers; who died is started again, as a supervisor would."""

from __future__ import annotations

from tests.faults.stage import Stage


class House:
    """`worker-1` …, `dispatcher-1` … of a stage."""

    def __init__(self, stage: Stage, *, workers: int, dispatchers: int) -> None:
        self.stage, self.revived = stage, 0
        self.names = [f"worker-{n}" for n in range(1, workers + 1)]
        self.names += [f"dispatcher-{n}" for n in range(1, dispatchers + 1)]
        for name in self.names:
            stage.start(name)

    def revive(self) -> None:
        """Start again who died."""
        for name in self.names:
            if self.stage.children[name].poll() is not None:
                self.revived += 1
                self.stage.start(name)
