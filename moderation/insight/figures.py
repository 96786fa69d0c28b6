"""What do counts say, and how sure are they? Shares with intervals, percentiles out of buckets, hours of work. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from portal.wording import number

Z95 = 1.959964  # two-sided 95 %
BUCKET_RATIO = 1.05  # a bucket of waiting times is 5 % wide: percentiles are right to 2.5 %


@dataclass(frozen=True)
class Share:
    """`k` of `n` as a number between 0 and 1, with its 95 % interval by Wilson. Nothing counted has no share."""

    k: int
    n: int
    point: float | None
    low: float | None
    high: float | None

    @property
    def words(self) -> str:
        return "–" if self.point is None else f"{100 * self.point:.0f} %"

    @property
    def interval(self) -> str:
        if self.low is None or self.high is None:
            return "nothing to count yet"
        return f"{100 * self.low:.0f}–{100 * self.high:.0f} %"


def share(k: int, n: int) -> Share:
    """The share of `k` in `n` and its Wilson interval: honest also where n is small or the share is 0 or 1.

    Where `k` is not among the `n` (reversals of older decisions outnumber those made) there is no share either.
    """
    if n <= 0 or k > n:
        return Share(k, n, None, None, None)
    p = k / n
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return Share(k, n, p, max(0.0, middle - half), min(1.0, middle + half))


def bucket(seconds: float) -> int:
    """The bucket a waiting time falls in; the SQL of the rollups computes the same."""
    return math.floor(math.log(max(seconds, 0.0) + 1.0) / math.log(BUCKET_RATIO))


def middle_of(number: int) -> float:
    """Seconds in the middle of a bucket."""
    return max(0.0, math.pow(BUCKET_RATIO, number + 0.5) - 1.0)


def percentile(buckets: Iterable[tuple[int, int]], q: float) -> float | None:
    """The waiting time in seconds that a share `q` of all stayed within, from (bucket, count) pairs."""
    ordered = sorted(buckets)
    total = sum(count for _, count in ordered)
    if total == 0:
        return None
    left = math.ceil(q * total)
    for where, count in ordered:
        left -= count
        if left <= 0:
            return middle_of(where)
    return None


def hours(seconds: float) -> str:
    """Work as hours: "16.6 h"; below one hour in minutes."""
    return f"{number(seconds / 3600, places=1)} h" if seconds >= 3600 else f"{round(seconds / 60)} min"
