"""How does a test sit down at the desk? Signed in, with the shipped settings, and an eye on the number of queries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.make import make_case


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    """No look and no count of another test is remembered."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def at_desk() -> Callable[..., Client]:
    """A browser without script in which somebody is signed in."""

    def sit(user: Any) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sit


@pytest.fixture
def at_most() -> Callable[[int], contextlib.AbstractContextManager[Any]]:
    """`with at_most(12):` no more queries than that, whatever the number of rows."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    @contextlib.contextmanager
    def counted(limit: int) -> Iterator[CaptureQueriesContext]:
        with CaptureQueriesContext(connection) as queries:
            yield queries
        said = "\n".join(query["sql"][:160] for query in queries.captured_queries)
        assert len(queries) <= limit, f"{len(queries)} queries, at most {limit} are allowed:\n{said}"

    return counted


@pytest.fixture
def now() -> datetime:
    """The moment at which somebody sits down."""
    return timezone.now()


@pytest.fixture
def mine(ada: Any, now: datetime) -> Any:
    """A case that Ada holds."""
    return make_case(at="claimed", by=ada, now=now)
