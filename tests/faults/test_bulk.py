"""Is each account of a group decision decided once, and undone or named? Small here; `make faults` runs 5,000."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_group_is_decided_on_once_and_undone_whoever_dies():
    words = [sys.executable, "-m", "tests.faults.bulk", "--accounts", "80", "--seed", "4", "--every", "5", "--json"]

    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    told = json.loads(played.stdout.splitlines()[-1]) if played.stdout else {"stderr": played.stderr[-2000:]}
    assert played.returncode == 0, told
    assert sum(told["killed"].values()) >= 1
    assert [line for line, (held, _) in told["holds"].items() if not held] == []
