"""Can anything that matters change without an event that names it? Real commits, as the application's role.

With `-s` it lists the roads that were tried and the words each was refused in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from moderation.bulk import actions as bulks
from moderation.cases import actions as cases
from moderation.cases.models import Case
from moderation.decisions import actions as decisions
from moderation.decisions.models import CapOpening
from moderation.enforcement.models import Backend, Enforcement, Finding
from moderation.insight import actions as insight
from moderation.insight.history import LogFilter
from moderation.insight.models import Export, ExportLink
from portal.audit.models import AuditEvent, Pending
from portal.people import actions as people
from portal.people.models import User
from portal.privacy import holding, revealing
from portal.privacy.models import VaultValue
from risk.strategy import actions as strategy
from tests import make
from tests.conftest import NOON, _empty_tables

from . import tricks
from .routes import ROUTES, ShellSaidNo, World, guarded, sql, viewed

assert tricks
TRIED: dict[str, str] = {}
PASSED = "WENT THROUGH"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Everything that is guarded, there through the real actions and committed; the routes below leave it as it is."""
    with django_db_blocker.unblock():
        _empty_tables()
        yield build()
        print(told())
        for one in connections.all():
            one.close()
        _empty_tables()


def build() -> World:
    make.ship_settings()
    system = User.objects.service("system")
    strategy.ship(by=system, now=NOON)
    ada, ben, pia = (people.create_user(name, by=system, now=NOON) for name in ("ada", "ben", "pia"))
    people.grant(pia, "privacy", by=system, now=NOON)
    people.grant(ada, "reviewer", by=system, now=NOON)
    people.grant(ben, "lead", by=system, now=NOON)
    people.issue_key(ada, by=ben, now=NOON, title="script")
    decision = make.make_decision(at="released", by=ada)
    ban = make.make_decision(at="proposed", by=ada)
    decisions.approve(ban, by=ben, now=NOON)
    passed_on = make.make_case(at="claimed", by=ada)
    cases.annotate(passed_on, by=ada, now=NOON, text="a word")
    cases.skip(passed_on, by=ada, now=NOON, reason="my neighbour")
    export = insight.request_export(LogFilter({}), formats=["csv"], purpose="a check", by=ben, now=timezone.now())
    value = VaultValue.objects.get(name="case.note")
    revealing.reveal(value, by=pia, now=NOON, purpose="authority", note="LR-031 of the court")
    holding.ask(
        value.subject_id, of=ben, reference="LR-031", reason="a court asks", confidential=False, by=pia, now=NOON
    )
    lena = people.create_user("lena", by=system, now=NOON)
    people.grant(lena, "lead", by=system, now=NOON)
    group(by=lena, agreed_by=ben)
    with transaction.atomic():
        make.tell(export)
        ExportLink.objects.create(digest=b"x", export=export, made_at=NOON, until=NOON)
        hour = {"opened_at": NOON, "until": NOON + timedelta(hours=1)}
        make.tell(CapOpening.objects.create(person=ada, opened_by=ben, outcome="ban", number=1, reason=uuid7(), **hour))
        action = Enforcement.objects.get(decision=ban)
        make.tell(Finding.objects.create(account_id=action.account_id, enforcement=action, kind="drift"))
    return World(User.objects.get(pk=ada.pk), make.make_case(), make.make_case(), decision)


def group(*, by: User, agreed_by: User) -> None:
    """A group decision of ten, agreed to."""
    ids = [make.make_row_account().pk for _ in range(10)]
    word = {
        "outcome": "warn",
        "reason_code": "bulk_messages",
        "note": "one text",
        "although": "no scores are made here",
    }
    bulk = bulks.propose(ids, by=by, now=NOON, risk_type="spam", typed=10, request_key="a-group", **word)
    bulks.approve(bulk, by=agreed_by, now=NOON)


def told() -> str:
    """What came of every road that was tried."""
    lines = [f"{number:4}  {road}: {words}" for number, (road, words) in enumerate(TRIED.items(), 1)]
    passed = sum(words == PASSED for words in TRIED.values())
    return "\n".join(["", *lines, f"{len(TRIED)} routes tried, {len(TRIED) - passed} refused, {passed} passed"])


def standing() -> dict[str, str]:
    """Every guarded table as it stands, told by its owner."""
    found = {}
    with connections["owner"].cursor() as cursor:
        for model in guarded():
            table = model._meta.db_table
            cursor.execute(f"SELECT count(*) || ' ' || md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            found[table] = cursor.fetchone()[0]
    return found


def test_there_is_something_of_everything(world: World) -> None:
    assert [table for table, rows in standing().items() if not rows] == []


def test_more_than_fifty_routes_are_tried() -> None:
    assert len(ROUTES) >= 50


@pytest.mark.parametrize("name", ROUTES)
def test_nothing_changes_without_an_event_that_names_it(world: World, name: str) -> None:
    act, refused = ROUTES[name]
    before = standing()
    TRIED[name] = PASSED

    with pytest.raises((DatabaseError, psycopg2.Error, ShellSaidNo), match=refused) as said:
        act(world)

    TRIED[name] = re.search(f"[^\n]*({refused})[^\n]*", str(said.value))[0].strip()
    connection.close()  # whatever the session was told goes with it
    assert standing() == before


def test_the_refusal_says_what_and_what_to_do(world: World) -> None:
    with pytest.raises(DatabaseError) as refused:
        Case.objects.filter(pk=world.case.pk).update(why="x")

    said = str(refused.value)
    assert f"case:{world.case.pk} of moderation_case: changed without an event that names it" in said
    assert "Write through the action that records an event" in said


# --- What goes through --------------------------------------------------------------------------------------------


def test_it_lets_through_what_an_event_names(real_commits: None) -> None:
    case, other = make.make_case(), make.make_case()
    with transaction.atomic():
        Case.objects.filter(pk__in=[case.pk, other.pk]).update(why="told")
        viewed(case, other)  # before or after, in one event or two

    assert Case.objects.filter(why="told").count() == 2


def test_it_lets_through_an_event_inside_a_savepoint_that_is_kept(real_commits: None) -> None:
    case = make.make_case()
    with transaction.atomic():
        Case.objects.filter(pk=case.pk).update(why="told")
        with transaction.atomic():
            viewed(case)

    assert Case.objects.get(pk=case.pk).why == "told"


def test_what_keeps_a_process_going_needs_no_event(real_commits: None, person: Any) -> None:
    ben = person("ben", "lead")
    export = insight.request_export(LogFilter({}), formats=["csv"], purpose="a check", by=ben, now=timezone.now())
    make.ship_settings()
    written = AuditEvent.objects.count()

    Export.objects.filter(pk=export.pk).update(beat_at=timezone.now(), done=7, total=9)
    Backend.objects.update(window_at=timezone.now(), window_calls=3, open_until=timezone.now())
    User.objects.filter(pk=ben.pk).update(last_login=timezone.now())

    assert Export.objects.get().done == 7
    assert AuditEvent.objects.count() == written


def test_saving_what_has_not_changed_needs_no_event(real_commits: None) -> None:
    case = make.make_case()

    Case.objects.get(pk=case.pk).save()


def test_the_owner_may_where_they_say_so_and_not_otherwise(real_commits: None) -> None:
    case = make.make_case()
    owner = connections["owner"]

    with pytest.raises(DatabaseError, match="without an event"), owner.cursor() as cursor:
        cursor.execute("UPDATE moderation_case SET why = 'repaired'")
    with owner.cursor() as cursor:
        cursor.execute("SET reeve.unlogged = 'a repair'")
        cursor.execute("UPDATE moderation_case SET why = 'repaired'")
        cursor.execute("RESET reeve.unlogged")

    assert Case.objects.get(pk=case.pk).why == "repaired"


def test_after_migrations_the_owner_is_held_again(real_commits: None) -> None:
    from portal.grants import hold_the_guards, let_the_owner_migrate

    make.make_case()
    let_the_owner_migrate(using="owner")
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE moderation_case SET why = 'migrated'")
        hold_the_guards(using="owner")
        with pytest.raises(DatabaseError, match="without an event"):
            cursor.execute("UPDATE moderation_case SET why = 'again'")


# --- What the guard relies on -------------------------------------------------------------------------------------


def test_the_writer_says_neither_which_transaction_nor_when(real_commits: None) -> None:
    with transaction.atomic():
        sql("INSERT INTO portal_auditevent (id, xid, occurred_at, type, by, subjects, payload, payload_hash) VALUES "
            "(gen_random_uuid(), 1, '2001-01-01', 'case.viewed', 'user:1', '{case:1}', '{}', '\\x00')")  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute("SELECT xid = pg_current_xact_id()::text::bigint FROM portal_auditevent")
            (ours,) = cursor.fetchone()

    assert ours
    assert (timezone.now() - AuditEvent.objects.get().occurred_at).total_seconds() < 60


def test_no_temporary_table_keeps_an_event_from_the_tree(real_commits: None) -> None:
    with transaction.atomic():
        sql("CREATE TEMP TABLE portal_pending (event_id uuid) ON COMMIT DROP")
        viewed("case:1")

    assert Pending.objects.count() == AuditEvent.objects.count() == 1


def test_the_probe_is_one_of_an_index(real_commits: None) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_auditevent (id, type, by, subjects, payload, payload_hash) "
            "SELECT gen_random_uuid(), 'case.viewed', 'user:1', ARRAY['case:' || n], '{}', '\\x00' "
            "FROM generate_series(1, 20000) AS n"
        )
        cursor.execute("ANALYZE portal_auditevent")
        cursor.execute(
            "EXPLAIN SELECT 1 FROM portal_auditevent e WHERE e.xid = pg_current_xact_id()::text::bigint "
            "AND 'case:1' = ANY (e.subjects)"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "event_by_transaction" in plan
