"""Is no effect lost or doubled when the backend forgets its keys, or an action kills who carries it out? Small."""

from __future__ import annotations

import pytest

from tests.faults.playing import assert_holds

ROUNDS = ("B7n", "B15")


@pytest.mark.slow
@pytest.mark.parametrize("number", ROUNDS)
def test_every_invariant_holds_in_round(number: str) -> None:
    assert_holds(number)
