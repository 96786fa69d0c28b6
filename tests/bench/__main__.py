"""Which figures are there? `make bench` prints all tables: pages by size, intake and scoring, effects and how many a
second, what the proof of the log costs, and exports.

python -m tests.bench --sizes 10000,100000 --rounds 50
"""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args()
    pages = [sys.executable, "-m", "tests.bench.pages", "--sizes", asked.sizes, "--rounds", str(asked.rounds)]
    risk = [sys.executable, "-m", "tests.bench.risk"]
    effect = [sys.executable, "-m", "tests.bench.effect", "--rounds", str(asked.rounds)]
    road = [sys.executable, "-m", "tests.bench.road"]
    prove = [sys.executable, "-m", "tests.bench.prove"]
    audited = [sys.executable, "-m", "tests.bench.audited"]
    exports = [sys.executable, "-m", "tests.bench.exports"]
    every = (pages, risk, effect, road, audited, prove, exports)
    return max(subprocess.run(words, check=False).returncode for words in every)


if __name__ == "__main__":
    sys.exit(main())
