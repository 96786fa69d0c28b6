"""When is the next try, and when is it over?"""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from moderation.enforcement.schedule import next_try, retry_after
from tests.conftest import NOON


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (10, 300), (5_000_000, 300)]
)
def test_it_waits_somewhere_up_to_a_bound_that_doubles(attempt, longest):
    for draw, seconds in ((0.0, 0), (0.5, longest / 2), (1.0, longest)):
        at = next_try(attempt, first_sent_at=NOON, now=NOON, draw=draw)

        assert at == NOON + timedelta(seconds=seconds)


def test_it_gives_up_after_23_hours():
    late = NOON + timedelta(hours=23)

    assert next_try(9, first_sent_at=NOON, now=late, draw=0.5) is not None
    assert next_try(9, first_sent_at=NOON, now=late + timedelta(seconds=1), draw=0.5) is None


def test_it_never_comes_back_before_it_was_asked_to():
    for draw in (0.0, 0.4, 1.0):
        at = next_try(1, first_sent_at=NOON, now=NOON, draw=draw, wait=30)

        assert NOON + timedelta(seconds=30) <= at <= NOON + timedelta(seconds=31)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        (" 7 ", 7),
        ("0", 1),
        ("-5", 1),
        ("1000000000", 3600),
        (format_datetime(NOON + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOON - timedelta(days=1), usegmt=True), 1),
        (format_datetime(NOON + timedelta(days=9), usegmt=True), 3600),
        ("Fri, 20 Nov 2026 12:01:00 -0000", 60),
        (None, None),
        ("", None),
        ("soon", None),
        ("12.5", None),
        ("٥", None),
        ("9" * 5000, None),
        ("Fri, 99 Nov 2026 99:99:99 GMT", None),
    ],
)
def test_it_reads_what_it_was_asked(header, seconds):
    assert retry_after(header, now=NOON) == seconds


def test_it_rounds_a_date_up_so_as_not_to_be_early():
    header = format_datetime(NOON + timedelta(seconds=10), usegmt=True)

    assert retry_after(header, now=NOON + timedelta(milliseconds=500)) == 10
