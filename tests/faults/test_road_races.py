"""Is there one decision, one verdict, one effect when many come at once and drift is found? Small."""

from __future__ import annotations

import pytest

from tests.faults.playing import assert_holds

ROUNDS = ("B13", "B14", "B17", "B20")


@pytest.mark.slow
@pytest.mark.parametrize("number", ROUNDS)
def test_every_invariant_holds_in_round(number: str) -> None:
    assert_holds(number)
