"""Does a hold beat erasure and retention in every order? `make faults` plays 10,000 acts."""

from __future__ import annotations

import pytest

from portal.privacy import holding
from tests.faults.hold_model import ACTS, play


@pytest.mark.django_db
def test_every_order_of_acts_is_as_the_model_says():
    done = play(200, seed=3)

    assert {act.removesuffix(" refused") for act in done} == set(ACTS)
    for act in ("agree", "keep_on", "release", "erase", "erase refused"):
        assert done[act] > 0, act


@pytest.mark.django_db
def test_the_model_notices_a_hold_that_does_not_hold(monkeypatch):
    monkeypatch.setattr(holding, "objections", lambda account: [])

    with pytest.raises(AssertionError, match="was erased"):
        play(200, seed=3)
