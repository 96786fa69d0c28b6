"""Is no action lost, doubled or out of order, whatever goes wrong on the road? Small here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.road.scene import scenes

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("number", list(scenes()))
def test_every_invariant_holds_in_round(number):
    words = [sys.executable, "-m", "tests.faults.road", number, "--here", "--size", "small", "--seed", "3"]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert played.stdout, played.stderr[-3000:]
    told = json.loads(played.stdout.splitlines()[-1])
    assert told["holds"]
    assert {line: figures for line, (held, figures) in told["holds"].items() if not held} == {}
    assert played.returncode == 0
