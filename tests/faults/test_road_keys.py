"""Is no effect lost or doubled when the backend forgets its keys? Small."""

from __future__ import annotations

import pytest

from tests.faults.playing import assert_holds

ROUNDS = ("B7n",)


@pytest.mark.slow
@pytest.mark.parametrize("number", ROUNDS)
def test_every_invariant_holds_in_round(number: str) -> None:
    assert_holds(number)
