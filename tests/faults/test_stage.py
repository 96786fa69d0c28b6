"""Does nothing stay behind when a round is itself killed?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from .stage import ROOT, dead, until

STAGE = """
import sys
from pathlib import Path
from tests.faults.stage import Stage

stage = Stage(Path(sys.argv[1]))
stage.prepare()
stage.start("dispatcher")
servers = stage.servers.postgres, stage.servers.valkey
print(*(child.pid for child in (*servers, *stage.children.values())), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_round_that_is_killed_takes_everything_with_it(tmp_path):
    words = [sys.executable, "-c", STAGE, str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as played:
        started = [int(pid) for pid in played.stdout.readline().split()]
        lived = [pid for pid in started if not dead(pid)]
        played.kill()

    assert len(started) == len(lived) == 4
    assert until(lambda: all(dead(pid) for pid in started), within=60)
