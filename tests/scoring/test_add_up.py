"""How do points add up? Groups, caps, decay, floors, trust; the rows always sum to raw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from risk.scoring.score import Hit, Plan, Points, band, score, shares, summed

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLAN = Plan(severity=60, review=50)


def hit(
    key: str,
    group: str,
    points: int,
    *,
    half: float | None = None,
    floor: int | None = None,
    ago: float = 0,
    holds: bool = True,
) -> Hit:
    return Hit(Points(key, group, points, half, floor), NOW - timedelta(days=ago), holds)


def test_it_caps_a_group_at_thirty_and_shares_the_loss_by_largest_remainder() -> None:
    result = score(PLAN, [hit("a", "identity", 20), hit("b", "identity", 18), hit("c", "graph", 15)], now=NOW)

    assert {row.rule: row.points for row in result.rows} == {"a": 16, "b": 14, "c": 15}
    assert (result.raw, result.shown, result.band, result.urgency, result.opens) == (45, 45, "watch", 270, False)


def test_it_keeps_the_sum_below_zero_and_cuts_only_what_is_shown() -> None:
    result = score(PLAN, [hit("t", "trust", -15), hit("u", "trust", -30)], now=NOW)

    assert (result.raw, result.shown, result.band) == (-40, 0, "low")


def test_it_leaves_trust_out_where_the_version_says_so() -> None:
    result = score(Plan(0, 50, trust=False), [hit("t", "trust", -40), hit("a", "content", 30)], now=NOW)

    assert result.raw == 30


def test_it_fades_by_half_after_each_half_life_once_a_rule_does_not_hold() -> None:
    fading = [
        hit("a", "velocity", 30, half=1, ago=1, holds=False),
        hit("b", "content", 20, half=14, ago=28, holds=False),
    ]

    result = score(PLAN, fading, now=NOW)

    assert {row.rule: row.points for row in result.rows} == {"a": 15, "b": 5}


def test_it_forgets_a_declared_fact_that_no_longer_holds() -> None:
    assert score(PLAN, [hit("a", "identity", 20, ago=1, holds=False)], now=NOW).rows == ()


def test_it_lifts_the_sum_to_the_floor_of_a_rule_that_holds_and_says_which() -> None:
    result = score(PLAN, [hit("a", "content", 30, floor=50), hit("t", "trust", -15)], now=NOW)

    assert result.raw == 50
    assert {row.rule: (row.points, row.lifted) for row in result.rows} == {"a": (65, 35), "t": (-15, 0)}


def test_it_lets_a_floor_go_with_the_rule_that_set_it() -> None:
    result = score(PLAN, [hit("a", "content", 30, half=14, floor=50, ago=14, holds=False)], now=NOW)

    assert result.raw == 15


def test_it_names_the_bands_by_the_types_own_review_line() -> None:
    assert [band(points, 30) for points in (24, 25, 30, 69, 70, 85)] == [
        "low",
        "watch",
        "review",
        "review",
        "high",
        "critical",
    ]
    assert band(45, 50) == "watch"


def test_it_opens_a_case_for_a_verdict_of_eighty_whatever_the_review_line() -> None:
    assert summed(PLAN, 80, opens_at=80).opens
    assert not summed(PLAN, 79, opens_at=80).opens


@given(st.lists(st.floats(-60, 60), max_size=12), st.integers(1, 60))
def test_shares_always_add_up_to_the_clipped_and_rounded_sum(values: list[float], cap: int) -> None:
    parts = shares(values, -cap, cap)

    assert len(parts) == len(values)
    assert abs(sum(parts) - min(cap, max(-cap, sum(values)))) <= 0.5 + 1e-6


GROUPS = ("identity", "graph", "content", "trust")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(GROUPS), st.integers(-50, 50), st.none() | st.floats(0.01, 200),
            st.none() | st.integers(0, 100), st.floats(0, 400), st.booleans(),
        ),
        max_size=15,
    ),
    st.dictionaries(st.sampled_from(GROUPS), st.integers(1, 60)),
)  # fmt: skip
def test_the_rows_add_up_to_raw_exactly_whatever_fires(told: list, caps: dict[str, int]) -> None:
    hits = [
        hit(f"r{at}", group, -abs(points) if group == "trust" else points, half=half, floor=floor, ago=ago, holds=holds)
        for at, (group, points, half, floor, ago, holds) in enumerate(told)
    ]

    result = score(Plan(60, 50, caps), hits, now=NOW)

    assert sum(row.points for row in result.rows) == result.raw
    assert result.shown == min(100, max(0, result.raw))
    for group in GROUPS:
        total = sum(row.points - row.lifted for row in result.rows if row.group == group)
        assert total <= (0 if group == "trust" else caps.get(group, 30))
