"""How does a test play a round of the road at its small size? In a process of its own, told in one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def assert_holds(number: str) -> None:
    """Play it, and fail with the lines that do not hold."""
    words = [sys.executable, "-m", "tests.faults.road", number, "--here", "--size", "small", "--seed", "3"]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)

    assert played.stdout, played.stderr[-3000:]
    told = json.loads(played.stdout.splitlines()[-1])
    assert told["holds"]
    wrong = {line: figures for line, (held, figures) in told["holds"].items() if not held}
    assert not wrong, wrong
    assert played.returncode == 0
