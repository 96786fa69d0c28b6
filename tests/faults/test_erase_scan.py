"""Is nothing left after an erasure? `make faults` asks it of 1,000 accounts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.leftovers import Words, forms

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_nothing_of_erased_accounts_can_be_read_and_every_proof_holds():
    words = [sys.executable, "-m", "tests.faults.erase_scan", "--accounts", "20", "--seed", "2", "--json"]
    played = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)

    lines = [line for line in played.stdout.splitlines() if line.startswith("{")]
    assert lines, played.stderr[-3000:]
    assert [line for line, (held, _) in json.loads(lines[-1]).items() if not held] == []
    assert played.returncode == 0


@pytest.mark.parametrize(
    "written",
    [
        "said Nm Zqarov ü here".encode(), b"x" + "Nm Zqarov ü".encode().hex().encode() + b"y",
        json.dumps({"name": "Nm Zqarov ü"}).encode(), json.dumps(json.dumps({"n": "Nm Zqarov ü"})).encode(),
        "NM ZQAROV Ü".casefold().encode(),
    ],
)  # fmt: skip
def test_a_value_is_found_however_it_is_written(written):
    assert Words([{"id": "x", "name": "Nm Zqarov ü"}]).within(written) == {"name of x"}


def test_base64_is_found_wherever_the_value_begins():
    import base64

    for lead in range(9):
        body = base64.b64encode(b"p" * lead + b"Nm Zqarov the first" + b"q" * 5)
        assert any(form in body for form in forms("Nm Zqarov the first")), lead
