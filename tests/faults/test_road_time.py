"""Do measures end on time when clocks are wrong and nobody was there, and is a steady load kept? Small."""

from __future__ import annotations

import pytest

from tests.faults.playing import assert_holds

ROUNDS = ("B11", "B12", "B19")


@pytest.mark.slow
@pytest.mark.parametrize("number", ROUNDS)
def test_every_invariant_holds_in_round(number: str) -> None:
    assert_holds(number)
