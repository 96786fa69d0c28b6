"""Does it hold on the oldest PostgreSQL that real houses run? The migrations, the races and the hill again, on 16."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLDER = "16"
OF_THIS_RUN = ("DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL", "DATA_DIR", "PYTEST_CURRENT_TEST")


@pytest.mark.slow
@pytest.mark.skipif("RUN_BY_OLDER" in os.environ, reason="this run is the one on the older PostgreSQL")
def test_the_hill_and_the_races_hold_on_postgresql_16():
    environment = {name: value for name, value in os.environ.items() if name not in OF_THIS_RUN}
    environment |= {"REEVE_TEST_POSTGRES": OLDER, "RUN_BY_OLDER": "yes"}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        "not whatever",
        "tests/race",
        "tests/flow",
    ]

    run = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
