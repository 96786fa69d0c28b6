"""Does the log stay whole when who writes, seals, signs and keeps it is killed? `make faults` does it 100 times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_forks():
    words = [sys.executable, "-m", "tests.faults.kill_log", "--kills", "8", "--seed", "1", "--json"]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    told = json.loads(played.stdout.splitlines()[-1]) if played.stdout else {"stderr": played.stderr[-2000:]}
    assert played.returncode == 0, told
    assert sum(told["died"].values()) == 8
    assert "postgres" in told["died"]
    assert [line for line, (held, _) in told["holds"].items() if not held] == []
