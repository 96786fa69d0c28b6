"""Does the log stand when any one step of who seals and who signs goes wrong? `make faults` does each 100 times."""

from __future__ import annotations

import random

import pytest

from .step_names import KINDS, STEPS
from .steps_log import play


@pytest.mark.slow
def test_no_step_that_fails_forks_the_log_or_leaves_a_gap(real_commits: None) -> None:
    dice = random.Random(4)
    chosen = {step: [dice.choice(KINDS)] for step in STEPS}

    bad = play([1], kinds=chosen.__getitem__)

    assert len(bad) == len(STEPS) >= 15
    assert {name for name, n in bad.items() if n} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_steps_where_an_answer_can_be_lost(real_commits: None, kind: str) -> None:
    steps = ("sequencer commits", "signer writes the checkpoint", "signer renames signed.json")

    assert sum(play([7], steps=steps, kinds=lambda _step: [kind]).values()) == 0
