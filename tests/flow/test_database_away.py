"""What does somebody hear while the database is away? That it is, and never that something was done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connection

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def away(db, client):
    """A client whose requests find every statement failing as one does on a lost connection."""
    client.raise_request_exception = False

    def ask(
        path: str, error: type[Exception] = OperationalError, cause: Exception | None = None, **headers: str
    ) -> Any:
        def fail(*_: Any) -> None:
            raise error("server closed the connection unexpectedly") from cause

        with connection.execute_wrapper(fail):
            return client.get(path, headers=headers)

    return ask


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
def test_a_program_hears_503_as_a_problem_and_when_to_ask_again(away, error):
    answer = away("/api/v1/cases", error, Authorization="Bearer rv_any")

    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "5"
    assert answer.json()["status"] == 503
    assert "same Idempotency-Key" in answer.json()["detail"]


def test_a_person_sees_a_page_that_says_so(away, client):
    client.cookies["session"] = "of-somebody"

    answer = away("/")

    assert answer.status_code == 503
    assert "The database does not answer." in answer.content.decode()


def test_what_fails_because_it_is_away_says_so_too(away):
    answer = away("/api/v1/cases", RuntimeError, OperationalError("gone"), Authorization="Bearer rv_any")

    assert answer.status_code == 503


def test_other_errors_stay_our_fault(away):
    for error in (ValueError, ProgrammingError):
        answer = away("/api/v1/cases", error, Authorization="Bearer rv_any")

        assert answer.status_code == 500


def test_the_web_alone_waits_no_longer_than_ten_seconds_for_a_lock():
    ask = "import {}; from django.conf import settings; print(settings.DATABASES['default']['OPTIONS']['options'])"

    def options(module: str) -> str:
        told = {k: v for k, v in os.environ.items() if k != "DATABASE_LOCK_SECONDS"}
        words = [sys.executable, "-c", ask.format(module)]
        return subprocess.run(words, cwd=ROOT, env=told, capture_output=True, text=True, check=True).stdout

    assert "lock_timeout=10s" in options("portal.wsgi")
    assert "lock_timeout" not in options("portal.celery")
