"""Is no action lost, doubled or out of order when the backend misbehaves or says wait? Small."""

from __future__ import annotations

import pytest

from tests.faults.playing import assert_holds

ROUNDS = ("B7", "B9")


@pytest.mark.slow
@pytest.mark.parametrize("number", ROUNDS)
def test_every_invariant_holds_in_round(number: str) -> None:
    assert_holds(number)
