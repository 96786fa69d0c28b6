"""Is nothing that was answered lost, doubled or unlogged, whoever dies? `make faults` kills a hundred times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .kill_house import ACTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_what_was_answered_is_there_once_and_in_the_log():
    words = [sys.executable, "-m", "tests.faults.kill_house", "--kills", str(len(ACTS)), "--seed", "1", "--json"]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)

    told = json.loads(played.stdout.splitlines()[-1]) if played.stdout else {"stderr": played.stderr[-2000:]}
    assert played.returncode == 0, (told, played.stderr[-2000:])
    assert told["died"] == dict.fromkeys(ACTS, 1)
    assert [line for line, (held, _) in told["holds"].items() if not held] == []
