"""Do many random values keep their bytes, and is each planted flaw refused?

    python -m tests.faults.canonical --cases 1000000 --seed 1

Each value is written twice: by us, with Python's own JSON writer, and by a library made for RFC 8785; then it is read
back. Each is then given one flaw at a random place: a float, NaN, an integer beyond 2^53-1, a lone surrogate, bytes,
a key that is no text.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from typing import Any

import rfc8785

from portal.audit.canonical import NotCanonical, canonical

ALPHABET = 'aZ09 _-"\\/\x00\x07\n\x1f\x7f\u0080éß€\u200d\u202e\u2028\ufb33\ufeff\U0001f600\U000e0041'
FLAWS: tuple[Callable[[random.Random], Any], ...] = (
    lambda dice: dice.uniform(-9, 9),
    lambda dice: float("nan"),
    lambda dice: float("inf"),
    lambda dice: 2**53 + dice.randrange(2**60),
    lambda dice: -(2**53) - dice.randrange(2**60),
    lambda dice: "x" + chr(dice.randrange(0xD800, 0xE000)),
    lambda dice: b"bytes",
    lambda dice: {dice.randrange(9): "a key that is no text"},
    lambda dice: {chr(dice.randrange(0xD800, 0xE000)): 1},
)


def play(*, cases: int, seed: int) -> dict[str, int]:
    """Returns how many values were tried and differed, how many flaws were planted and got by."""
    dice = random.Random(seed)
    told = {"values": 0, "differ": 0, "flaws": 0, "accepted": 0}
    for _ in range(cases):
        value = {"facts": _value(dice, 4)}
        written = canonical(value)
        told["values"] += 1
        told["differ"] += written != rfc8785.dumps(value) or json.loads(written) != value
        told["flaws"] += 1
        try:
            canonical({"facts": _with(value["facts"], dice.choice(FLAWS)(dice), dice)})
            told["accepted"] += 1
        except NotCanonical:
            pass
    return told


def _value(dice: random.Random, depth: int) -> Any:
    kind = dice.randrange(7 if depth else 5)
    if kind == 5:
        return [_value(dice, depth - 1) for _ in range(dice.randrange(4))]
    if kind == 6:
        return {_text(dice): _value(dice, depth - 1) for _ in range(dice.randrange(4))}
    plain: tuple[Any, ...] = (None, dice.random() < 0.5, dice.randrange(-(2**53) + 1, 2**53), dice.randrange(-9, 9))
    return _text(dice) if kind == 4 else plain[kind]


def _text(dice: random.Random) -> str:
    return "".join(dice.choices(ALPHABET, k=dice.randrange(8)))


def _with(value: Any, flaw: Any, dice: random.Random) -> Any:
    """The value with the flaw somewhere in it."""
    if isinstance(value, list) and value and dice.random() < 0.7:
        at = dice.randrange(len(value))
        return [_with(item, flaw, dice) if index == at else item for index, item in enumerate(value)]
    if isinstance(value, dict) and value and dice.random() < 0.7:
        at = dice.choice(sorted(value))
        return {key: _with(item, flaw, dice) if key == at else item for key, item in value.items()}
    return dice.choice((flaw, [flaw], {"a": flaw}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    told = play(cases=asked.cases, seed=asked.seed)
    print(", ".join(f"{name} {n:,}" for name, n in told.items()))
    return 1 if told["differ"] or told["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
