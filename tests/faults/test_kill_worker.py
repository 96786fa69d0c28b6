"""Is nothing lost and nothing doubled when things die? Small here; `make faults` runs it at full size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# name: decisions, acts, more options
ROUNDS = {
    "workers die": ("60", "3", "worker,worker,pool"),
    "the dispatcher dies": ("40", "2", "dispatcher"),
    "the broker is emptied": ("40", "3", "flush"),
    "there is no broker": ("40", "0", "worker", "--no-broker"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDS)
def test_each_effect_happens_exactly_once_when(name):
    decisions, kills, acts, *more = ROUNDS[name]
    words = [
        sys.executable,
        "-m",
        "tests.faults.kill_worker",
        "--decisions",
        decisions,
        "--kills",
        kills,
        "--acts",
        acts,
    ]
    played = subprocess.run(
        [*words, *more, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    told = json.loads(played.stdout.splitlines()[-1]) if played.stdout else {"stderr": played.stderr[-2000:]}
    assert played.returncode == 0, told
    assert told["done"] == int(kills)
    assert [line for line, (held, _) in told["holds"].items() if not held] == []
