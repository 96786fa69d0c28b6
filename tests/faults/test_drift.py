"""Is every drift found and only our own loss healed? Small here; `make faults` runs it at full size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_drift_is_found_and_nothing_of_another_hand_is_healed():
    words = [sys.executable, "-m", "tests.faults.drift", "--accounts", "40", "--seed", "7", "--json"]

    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    told = json.loads(played.stdout.splitlines()[-1]) if played.stdout else {"stderr": played.stderr[-2000:]}
    assert played.returncode == 0, told
    assert set(told["injected"]) == {"none", "lost", "reverted", "foreign", "both"}
    assert [line for line, (held, _) in told["holds"].items() if not held] == []
