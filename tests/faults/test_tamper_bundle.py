"""Is every tampering found, and its place named? `make faults` plays 10,000 of them, and 5,000 omissions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_tampering_is_caught_and_no_honest_bundle_is():
    sizes = ["--random", "300", "--omissions", "200", "--honest", "20", "--logs", "2", "--seed", "1"]
    words = [sys.executable, "-m", "tests.faults.tamper_bundle", *sizes]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)

    assert played.returncode == 0, played.stdout + played.stderr[-2000:]
    assert "77 of 77 caught" in played.stdout
    assert "300 of 300 caught" in played.stdout
    assert "200 of 200 caught" in played.stdout
    assert "20 made, 0 false alarms" in played.stdout
