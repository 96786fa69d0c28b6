"""Are the counts that were stated for bundles counted again, however many names there are?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from portal.audit import chains, counted, heads


def log(leaves: int, *, seed: int) -> list[tuple[int, list[dict[str, Any]]]]:
    """Who each leaf names, numbered as the sequencer does."""
    dice, last = random.Random(seed), dict[str, tuple[int, int]]()
    told = []
    for index in range(leaves):
        named = []
        for tag in {dice.randrange(9 + leaves // 3) for _ in range(dice.randint(1, 3))}:
            name = random.Random(tag).randbytes(16).hex()
            n, before = last.get(name, (0, -1))
            named.append({"k": name, "n": n + 1, "p": before})
            last[name] = (n + 1, index)
        told.append((index, named))
    return told


def stated(leaves: list[tuple[int, list[dict[str, Any]]]], index: int, size: int) -> counted.Statement:
    """What `heads.py`, which makes the statements, says of the first `size` leaves."""
    last = {one["k"]: (one["n"], at) for at, named in leaves[:size] for one in named}
    found = heads.of_counts(size, [(bytes.fromhex(tag), *one) for tag, one in last.items()])
    return counted.Statement(index, size, len(found), found.root.hex())


@pytest.mark.parametrize("at_once", [1, 7, 40, 10_000])
def test_they_are_those_of_the_map_in_any_number_of_parts(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(counted, "AT_ONCE", at_once)
    leaves = log(120, seed=at_once)
    good = [stated(leaves, index, size) for index, size in [(0, 0), (9, 1), (50, 50), (51, 50), (110, 97), (120, 120)]]

    assert counted.first_wrong(good, lambda: iter(leaves), names=150) is None
    for at, change in [(1, {"entries": 99}), (3, {"root": "00" * 32}), (5, {"size": 119})]:
        bad = [*good[:at], replace(good[at], **change), *good[at + 1 :]]
        assert counted.first_wrong(bad, lambda: iter(leaves), names=150) == good[at].index


@pytest.mark.parametrize("at_once", [10, 10_000])
def test_a_broken_count_is_found_by_the_sums_and_then_by_name(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(chains, "AT_ONCE", at_once)
    dice = random.Random(5)
    for seed in range(60):
        leaves = log(100, seed=seed)
        where = dice.randrange(5, 100)
        one = dice.choice(leaves[where][1])
        n, before = one["n"], one["p"]
        one["n"], one["p"] = dice.choice([(n + 1, where - 1), (n, where - 2), (n + 2, before), (n + 1, before)])
        if (one["n"], one["p"]) == (n, before):
            continue
        sums = chains.Chains()
        last: dict[str, tuple[int, int]] = {}

        def named(leaves: list[Any] = leaves) -> Iterator[Any]:
            return iter(leaves)

        found = None
        for index, told in leaves:
            try:
                sums.take(index, told)
            except chains.Broken as broken:
                found = broken.position
                break
            last |= {one["k"]: (one["n"], index) for one in told}
        if found is not None:
            assert found == where
            continue
        wrong = sums.left((tag, *end) for tag, end in last.items())
        assert chains.first_broken(named, 100, wrong) == where
        assert chains.first_broken(named, 100) == where


def test_a_counter_that_is_off_is_named_by_its_last_leaf() -> None:
    leaves = log(100, seed=1)
    last = {one["k"]: (one["n"], index) for index, named in leaves for one in named}
    tag = leaves[40][1][0]["k"]

    for change, position in [((tag, 77, 3), last[tag][1]), (("ab" * 16, 1, 2), 100)]:
        told = {**last, change[0]: change[1:]}
        sums = chains.Chains()
        for index, named in leaves:
            sums.take(index, named)
        wrong = sums.left((one, *end) for one, end in told.items())
        assert wrong == {change[0][:3]}
        assert chains.first_broken(lambda: iter(leaves), 100, wrong) is None
        heads_told = [(one, *end) for one, end in told.items()]
        assert chains.odd_head(lambda: iter(leaves), lambda told=heads_told: iter(told), 100, wrong) == position
