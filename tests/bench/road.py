"""How many actions a second does the road carry, with a backend that takes 50 ms?

    python -m tests.bench.road --rate 100 --seconds 60 --backlog 6000

Worker and dispatcher as shipped: first a steady load, then a backlog, with what each process used of the CPU. It is
round B19 of the fault suite with a size of one's own; nothing is asserted about clocks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.road.__main__ import play
from tests.faults.road.scene import scenes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="actions ordered a second")
    parser.add_argument("--seconds", type=int, default=30, help="for how long")
    parser.add_argument("--backlog", type=int, default=3000, help="actions that wait at once")
    asked = parser.parse_args()
    scene = scenes()["B19"]
    size = scene.full | {"rate": asked.rate, "seconds": asked.seconds, "backlog": asked.backlog}
    with tempfile.TemporaryDirectory(prefix="reeve-road-") as folder:
        run = play(scene, Path(folder), size=size, seed=1)
    for sentence, (_, figures) in list(run.holds.items())[:2]:
        print(f"  {sentence:<44} {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
