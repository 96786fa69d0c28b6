"""Does PostgreSQL forget the values of an erased account that it kept for its planner?"""

from __future__ import annotations

import pytest
from django.db import connections

from portal.privacy import erasure
from tests.faults.leftovers import found_in_tables
from tests.make import NOON
from tests.privacy.world import planted, ship, tell

TABLES = ("risk_account", "risk_signal")


def remembered(name: str) -> list[str]:
    return [place for place in found_in_tables([planted(name)]) if "(statistics)" in place]


@pytest.fixture
def pia(real_commits, person):
    """The samples as autovacuum takes them, with kara among them."""
    ship()
    pia = person("pia", "privacy")
    for name in ("kara", "milo", "nils"):
        tell(name)
    with connections["owner"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ANALYZE {table}")
    assert remembered("kara")
    return pia


def erase(name, *, by, **more):
    asked = {"legal_basis": "objection", "ticket": "REQ-1"} | more
    return erasure.erase("main", planted(name)["id"], by=by, now=NOON, **asked)


def test_they_go_with_the_erasure(pia):
    erase("kara", by=pia)

    assert remembered("kara") == []
    assert remembered("milo")


def test_with_many_they_go_after_the_last(pia):
    erase("kara", by=pia, one_of_many=True)
    erase("nils", by=pia, one_of_many=True)
    assert remembered("kara")

    erasure.forget_samples()

    assert remembered("kara") + remembered("nils") == []
