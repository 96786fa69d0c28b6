"""Are shares, intervals and percentiles right?"""

from __future__ import annotations

import random

import pytest

from moderation.insight.figures import bucket, hours, middle_of, percentile, share


def test_it_gives_the_wilson_interval_of_the_sampling_rule():
    assert share(22, 22).low == pytest.approx(0.851, abs=0.001)
    assert share(73, 73).low == pytest.approx(0.950, abs=0.001)
    assert share(8, 10).low == pytest.approx(0.490, abs=0.001)
    assert share(8, 10).high == pytest.approx(0.943, abs=0.001)


def test_it_has_no_share_of_nothing():
    nothing = share(0, 0)

    assert nothing.point is None
    assert nothing.words == "–"
    assert nothing.interval == "nothing to count yet"


def test_it_stays_between_nothing_and_all():
    for n in (1, 2, 5, 1000):
        assert share(0, n).low == pytest.approx(0)
        assert share(n, n).high == pytest.approx(1)


def test_it_finds_percentiles_to_two_and_a_half_per_cent():
    draw = random.Random(7)
    seconds = sorted(draw.lognormvariate(7, 1.5) for _ in range(5001))
    counts: dict[int, int] = {}
    for one in seconds:
        counts[bucket(one)] = counts.get(bucket(one), 0) + 1

    for q in (0.5, 0.95):
        exact = seconds[int(q * len(seconds))]
        assert percentile(counts.items(), q) == pytest.approx(exact, rel=0.05)


def test_it_has_no_percentile_of_nothing():
    assert percentile([], 0.5) is None


def test_it_keeps_zero_at_zero():
    assert bucket(0) == 0
    assert middle_of(0) < 0.1


def test_it_says_work_in_hours():
    assert hours(59_760) == "16.6 h"
    assert hours(600) == "10 min"
