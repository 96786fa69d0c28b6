"""Is an action ever lost, doubled or out of order, whatever goes wrong on the road to the backend?

    python -m tests.faults.road                       # every round, full size
    python -m tests.faults.road B1 B3 --size small --seed 7
    python -m tests.faults.road B1 --set actions=500 --set kills=5

Plays each round in a process of its own, checks the invariants I1 to I8 over the database, the platform's ledger and
the history of what was answered, and prints a table. Exit 0 when every line holds. The same seed breaks the same
things in the same order. With `--keep FOLDER` the histories and logs stay there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .history import History
from .scene import Run, Scene, scenes

ROOT = Path(__file__).resolve().parents[3]


def play(scene: Scene, folder: Path, *, size: dict[str, Any], seed: int) -> Run:
    """One round, in this process; the servers are ended whatever comes."""
    run = Run(folder, seed, size, History(folder / "history.jsonl"))
    try:
        scene.play(run)
    finally:
        for stage in run.stages:
            stage.stop()
        run.history.close()
    return run


def show(scene: Scene, told: dict[str, Any]) -> None:
    """The table of one round."""
    size = ", ".join(f"{name} {value}" for name, value in told["size"].items())
    print(f"{scene.number} {scene.title} ({size}), {told['seconds']:.0f} s, seed {told['seed']}")
    for sentence, (held, figures) in told["holds"].items():
        print(f"  {'ok ' if held else 'NOT'}  {sentence:<46} {figures}")
    sys.stdout.flush()


def apart(number: str, asked: argparse.Namespace) -> dict[str, Any]:
    """One round in a process of its own: what it told, or what it died of."""
    words = [sys.executable, "-m", "tests.faults.road", number, "--here", "--size", asked.size, "--seed"]
    words += [str(asked.seed), *(word for one in asked.set for word in ("--set", one))]
    words += ["--keep", str(asked.keep)] if asked.keep else []
    played = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    lines = played.stdout.splitlines()
    try:
        told: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        why = f"ended with {played.returncode}: {' '.join(lines[-3:])}"
        told = {"size": {}, "seconds": 0.0, "seed": asked.seed, "holds": {"the round was played": (False, why)}}
    return told


def here(scene: Scene, asked: argparse.Namespace) -> int:
    """Play one round in this process and tell of it in one line of JSON."""
    size = dict(scene.small if asked.size == "small" else scene.full)
    for one in asked.set:
        name, _, value = one.partition("=")
        size[name] = json.loads(value)
    with tempfile.TemporaryDirectory(prefix="reeve-road-") as name:
        folder, begun = Path(name), time.monotonic()
        try:
            run = play(scene, folder, size=size, seed=asked.seed)
        finally:
            keep(folder, asked.keep / scene.number if asked.keep else None)
        told = {"size": size, "seconds": time.monotonic() - begun, "seed": asked.seed, "holds": run.holds}
        sound = bool(run.holds) and all(held for held, _ in run.holds.values())
        if not sound:
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}", *log.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
    print(json.dumps(told))
    return 0 if sound else 1


def keep(folder: Path, kept: Path | None) -> None:
    """Histories and logs, also of a round that broke off."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        for file in (*folder.glob("*.log"), *folder.glob("*.jsonl")):
            shutil.copy(file, kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", help="B1 B2 …; every one when none is named")
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="one part of the size, as JSON"
    )
    parser.add_argument("--keep", type=Path, help="where histories and logs stay")
    parser.add_argument("--here", action="store_true", help="one round in this process, told as one line of JSON")
    asked = parser.parse_args()
    known = scenes()
    numbers = asked.numbers or list(known)
    if unknown := [number for number in numbers if number not in known]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    if asked.here:
        return here(known[numbers[0]], asked)
    failed = []
    for number in numbers:
        told = apart(number, asked)
        show(known[number], told)
        failed += [number] if not all(held for held, _ in told["holds"].values()) else []
    print(f"{len(numbers) - len(failed)} of {len(numbers)} rounds hold" + (f"; not {', '.join(failed)}" * bool(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
