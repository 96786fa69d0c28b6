"""Do the plain statements of the busiest path say what the ORM would?"""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from moderation.cases.models import Case, Evidence, Workflow
from portal.sql import ask, change, columns, insert, load
from tests.conftest import NOON
from tests.make import make_case, ship_settings, tell

pytestmark = pytest.mark.django_db


def test_it_inserts_what_save_would_and_knows_its_key(ada):
    case = make_case()
    row = insert(Evidence(case=case, collected_by=ada, collected_at=NOON, body=b"\x00'%s", digest=b"d" * 32))
    tell(row)

    there = Evidence.objects.get(pk=row.pk)
    assert (bytes(there.body), bytes(there.digest), there.collected_by) == (b"\x00'%s", b"d" * 32, ada)
    assert not row._state.adding


def test_it_refuses_what_a_constraint_refuses(ada):
    case = make_case()
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Evidence(case=case, collected_by=ada, collected_at=None, body=b"", digest=b""))


def test_it_loads_a_row_with_its_json_as_the_orm_does():
    ship_settings(now=NOON)
    [found] = ask(f"SELECT {columns(Workflow, 'w')} FROM moderation_workflow w WHERE risk_type = 'spam'", [])
    row, wanted = load(Workflow, found), Workflow.objects.get(risk_type="spam")

    assert row is not None
    assert {f.attname: getattr(row, f.attname) for f in Workflow._meta.concrete_fields} == {
        f.attname: getattr(wanted, f.attname) for f in Workflow._meta.concrete_fields
    }


def test_it_loads_nothing_where_an_outer_join_found_nothing():
    assert load(Workflow, [None] * len(Workflow._meta.concrete_fields)) is None


def test_it_changes_only_where_it_was_told_to():
    one, other = make_case(), make_case()
    assert change(Case, {"pending_for": "it's"}, "", "id = %s", [one.pk]) == 1
    tell(one)
    assert Case.objects.get(pk=one.pk).pending_for == "it's"
    assert Case.objects.get(pk=other.pk).pending_for == ""


def test_a_narrowed_set_does_not_move():
    case = make_case()
    with pytest.raises(RuntimeError, match="narrow"):
        Case.objects.filter(lane="minors").move(case, "decided")
