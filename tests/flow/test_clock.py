"""Does a machine whose clock is wrong decide anything by it? The time is the database's, asked for now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from portal import clock

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_asked", None)


def there() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    return told


def test_it_is_the_databases_time() -> None:
    for _ in range(3):
        before = there()
        assert (before - clock.now()).total_seconds() < 0.05
        assert clock.now() <= there()


def test_it_does_not_look_at_the_clock_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(1999, 1, 1, tzinfo=UTC))

    assert clock.now().year == there().year


def test_it_counts_on_by_the_steady_clock_and_asks_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    first, asked = clock.now(), []
    monkeypatch.setattr(clock, "_ask", lambda: asked.append(1) or (steady(), first))
    steady = time.monotonic
    with django_assert_num_queries(0):
        clock.now()
    assert not asked

    monkeypatch.setattr(time, "monotonic", lambda: steady() + clock.ASK_EVERY + 1)
    clock.now()
    assert asked == [1]


def test_it_goes_on_while_the_database_is_away_but_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Iterator[None]:
        raise OperationalError("away")

    first = clock.now()
    with monkeypatch.context() as broken:
        broken.setattr(clock, "_ask", away)
        broken.setattr(clock, "ASK_EVERY", -1.0)
        assert clock.now() >= first
        broken.setattr(clock, "_asked", None)
        with pytest.raises(OperationalError):
            clock.now()


def test_nothing_else_asks_the_machine() -> None:
    """But the demo and the servers of one machine, which have no other clock."""
    rooms = [path for room in ("portal", "moderation", "risk") for path in (ROOT / room).rglob("*.py")]
    asking = [str(path.relative_to(ROOT)) for path in rooms if "timezone.now" in path.read_text()]
    assert [name for name in asking if not name.startswith("portal/local/") and "/migrations/" not in name] == []
