"""Is the log one when two seal it or two sign it? `make faults` lets them race 500 times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_two_at_once_do_not_fork_the_log():
    words = [sys.executable, "-m", "tests.faults.race_log", "--races", "10", "--seed", "3", "--json"]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    told = json.loads(played.stdout.splitlines()[-1]) if played.stdout else {"stderr": played.stderr[-2000:]}
    assert played.returncode == 0, told
    assert set(told["kinds"].values()) == {2}
    assert told["kept out by the lock"] >= 2
    assert told["sizes signed"] > 10
    assert (told["sizes with two roots"], told["wrong"]) == (0, [])
