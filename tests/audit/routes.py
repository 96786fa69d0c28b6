"""By which roads could state change without an event? Each tries one; none may get through."""

from __future__ import annotations

import functools
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from asgiref.sync import async_to_sync
from django.apps import apps
from django.core import serializers
from django.db import connection, migrations, models, transaction
from django.db.migrations.state import ProjectState
from django.forms import modelform_factory

from moderation.cases.models import Case, Note, Queue, Workflow
from moderation.decisions.models import Decision, Policy
from moderation.enforcement.models import Enforcement, Finding, Notice
from portal.audit.actions import record
from portal.audit.events import Event
from portal.celery import app
from portal.people.models import Grant, ServiceKey, User
from risk.strategy.models import NamedList
from tests import make

ROOT = Path(__file__).resolve().parents[2]
UNNAMED = "without an event that names it"
DENIED = "permission denied|must be owner"


@dataclass
class World:
    """One of everything that is guarded; `case` and `other` are two cases that wait."""

    ada: User
    case: Case
    other: Case
    decision: Decision


Route = Callable[[World], Any]
ROUTES: dict[str, tuple[Route, str]] = {}


def route(name: str, refused: str = UNNAMED) -> Callable[[Route], Route]:
    """Keep a road under its name, with the words it is refused in."""

    def keep(act: Route) -> Route:
        assert name not in ROUTES
        ROUTES[name] = (act, refused)
        return act

    return keep


def sql(*statements: str, params: Any = None) -> None:
    """Statements in one transaction, as the application's role."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, params)


def viewed(*things: Any) -> None:
    """An event that names these."""
    first, *others = things
    record(Event.CASE_VIEWED, by="user:1", of=first, also=others, now=make.NOON)


def guarded() -> list[Any]:
    """The models whose rows the database guards."""
    return [model for model in apps.get_models() if hasattr(model, "logged_as")]


# A change of each guarded table in plain SQL; those that never change at all are only deleted.
CHANGES = {
    "moderation_backend": "paused_why = 'x'",
    "moderation_case": "rank = rank - 1, priority = priority + 1",
    "moderation_decision": "approval_why = 'x'",
    "moderation_enforcement": "expires_at = now()",
    "moderation_export": "path = '/etc/passwd'",
    "moderation_exportlink": "until = now() + interval '9 years'",
    "moderation_finding": "taken_at = now()",
    "moderation_note": "text = gen_random_uuid()",
    "moderation_policy": "strikes = 0",
    "moderation_queue": "role = 'reviewer', title = title || '!'",
    "moderation_reasoncode": "label = CASE label WHEN 'none' THEN 'positive' ELSE 'none' END",
    "moderation_routingrule": "must_review = NOT must_review",
    "moderation_skip": "at = at - interval '1 day'",
    "moderation_workflow": "approval = '{}', notice = 'x'",
    "portal_grant": "role = 'admin'",
    "portal_hold": "confidential = confidential, review_at = now() + interval '9 years'",
    "portal_reveal": "reviewed_at = now(), verdict = 'in_order', reviewed_by_id = 1",
    "portal_servicekey": "scopes = ARRAY['people.manage']",
    "portal_user": "password = 'md5$x'",
    "portal_vaultkey": "wrapped = NULL, destroyed_at = now()",
    "risk_namedlist": "entries = '{}'",
    "risk_standing": "strikes = strikes + 9",
    "risk_strategy": "lane = 'safety'",
    "risk_version": "review = 100",
}
# Who points at whom: without these rows the table can be emptied, as far as keys go.
POINT_AT = {"moderation_enforcement": ("moderation_attempt", "moderation_finding", "moderation_notice")}


def emptied(table: str) -> Route:
    """A road that deletes all rows of a table; those that point at them are deleted and named."""

    def act(world: World) -> None:
        with transaction.atomic():
            told = Notice.objects.values_list("decision_id", flat=True)
            viewed("case:0", *Finding.objects.all(), *(f"decision:{pk}" for pk in told))
            sql(*(f"DELETE FROM {other}" for other in POINT_AT.get(table, ())), f"DELETE FROM {table}")

    return act


for _table, _change in CHANGES.items():
    road = functools.partial(lambda text, world: sql(text), f"UPDATE {_table} SET {_change}")
    route(f"UPDATE {_table}", refused=f"of {_table}: changed {UNNAMED}")(road)
for _table in (
    "moderation_approval", "moderation_capopening", "moderation_enforcement", "moderation_exportlink",
    "moderation_note", "moderation_skip", "portal_hold", "portal_reveal", "portal_grant", "portal_servicekey",
    "risk_namedlist", "risk_rule", "risk_standing",
):  # fmt: skip
    route(f"DELETE FROM {_table}", refused=f"of {_table}: deleted {UNNAMED}")(emptied(_table))


@route("DELETE FROM moderation_finding")
def _findings(world: World) -> None:
    sql("DELETE FROM moderation_finding")


@route("evidence thrown away")
def _evidence(world: World) -> None:
    sql("INSERT INTO moderation_evidence (case_id, collected_by_id, collected_at, body, digest) "
        "SELECT case_id, collected_by_id, now(), 'other', digest FROM moderation_evidence")  # fmt: skip


@route("save()")
def _save(world: World) -> None:
    case = Case.objects.get(pk=world.case.pk)
    case.due_at = make.later(days=99)
    case.save()


@route("save(update_fields)")
def _save_fields(world: World) -> None:
    user = User.objects.get(pk=world.ada.pk)
    user.is_active = False
    user.save(update_fields=["is_active"])


@route("set_password() and save()")
def _password(world: World) -> None:
    user = User.objects.get(pk=world.ada.pk)
    user.set_password("a password nobody told of")
    user.save()


@route("QuerySet.update()")
def _update(world: World) -> None:
    Case.objects.filter(pk=world.case.pk).update(due_at=make.later(days=99))


@route("QuerySet.update() of all rows")
def _update_all(world: World) -> None:
    Case.objects.update(why="nobody said")


@route("the table's own move()")
def _move(world: World) -> None:
    assert Case.objects.move(world.case, Case.Status.WITHDRAWN, ended_at=make.NOON)


@route("a move of a decision")
def _move_decision(world: World) -> None:
    assert Decision.objects.move(world.decision, Decision.Status.REVERSED, ended_at=make.NOON)


@route("a move of an action")
def _move_action(world: World) -> None:
    action = Enforcement.objects.get(decision=world.decision)
    assert Enforcement.objects.move(action, Enforcement.Status.CANCELLED, settled_at=make.NOON)


@route("bulk_update()")
def _bulk_update(world: World) -> None:
    cases = list(Case.objects.all())
    for case in cases:
        case.why = "nobody said"
    Case.objects.bulk_update(cases, ["why"])


@route("bulk_create()")
def _bulk_create(world: World) -> None:
    Grant.objects.bulk_create([Grant(user=world.ada, role="admin", granted_by=User.objects.get(username="ben"))])


@route("bulk_create(update_conflicts)")
def _bulk_upsert(world: World) -> None:
    flow = Workflow.objects.get(risk_type="spam")
    flow.approval = {}
    Workflow.objects.bulk_create([flow], update_conflicts=True, update_fields=["approval"], unique_fields=["risk_type"])


@route("create()")
def _create(world: World) -> None:
    Policy.objects.create(code="NEW-9", version=1, title="Anything", text="", public="")


@route("get_or_create()")
def _get_or_create(world: World) -> None:
    User.objects.get_or_create(username="mallory")


@route("update_or_create()")
def _update_or_create(world: World) -> None:
    NamedList.objects.update_or_create(name="shorteners", version=1, defaults={"entries": []})


@route("delete() of a row")
def _delete(world: World) -> None:
    Note.objects.all()[0].delete()


@route("QuerySet.delete()")
def _delete_all(world: World) -> None:
    ServiceKey.objects.all().delete()


@route("a form of an admin's page")
def _form(world: World) -> None:
    queue = Queue.objects.get(slug="spam")
    given = models_as_form(queue) | {"capacity": 1}
    form = modelform_factory(Queue, fields="__all__")(given, instance=queue)
    assert form.is_valid(), form.errors
    form.save()


def models_as_form(row: models.Model) -> dict[str, Any]:
    """A row as a form would send it."""
    return {field.name: getattr(row, field.attname) for field in row._meta.fields}


@route("a fixture that is loaded")
def _fixture(world: World) -> None:
    text = serializers.serialize("json", [Queue.objects.get(slug="spam")]).replace('"capacity": ', '"capacity": 9')
    with transaction.atomic():
        for row in serializers.deserialize("json", text):
            row.save()


@route("a Celery task")
def _task(world: World) -> None:
    @app.task(name="tests.unlogged")  # type: ignore[untyped-decorator]
    def late(pk: int) -> None:
        Case.objects.filter(pk=pk).update(why="nobody said")

    try:
        late.apply(kwargs={"pk": world.case.pk}, throw=True)
    finally:
        app.tasks.unregister("tests.unlogged")


def address() -> str:
    """Where the application's role finds the database of this test."""
    name = connection.settings_dict["NAME"]
    return re.sub(r"(@[^/]*)/[^?]+", rf"\1/{name}", os.environ["DATABASE_URL"])


class ShellSaidNo(Exception):
    """What `manage.py shell` printed as it failed."""


@route("manage.py shell", refused=UNNAMED)
def _shell(world: World) -> None:
    text = "from portal.people.models import User; User.objects.update(undo_seconds=60)"
    words = [sys.executable, "-W", "ignore", "manage.py", "shell", "-c", text]
    run = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"DATABASE_URL": address()}, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise ShellSaidNo(run.stderr)


@route("INSERT … ON CONFLICT")
def _upsert(world: World) -> None:
    sql("INSERT INTO moderation_backend (name, paused_why, window_calls, window_failures) VALUES ('platform', '', 0, 0)"
        " ON CONFLICT (name) DO UPDATE SET paused_why = 'x'")  # fmt: skip


@route("INSERT … SELECT")
def _insert(world: World) -> None:
    sql("INSERT INTO portal_servicekey (user_id, title, prefix, digest, scopes, created_by_id, created_at) "
        "SELECT user_id, 'x', 'rv_', '\\x01', scopes, created_by_id, now() FROM portal_servicekey LIMIT 1")  # fmt: skip


@route("MERGE")
def _merge(world: World) -> None:
    sql("MERGE INTO moderation_case c USING (SELECT 1) AS one (n) ON c.id = c.id "
        "WHEN MATCHED THEN UPDATE SET why = 'nobody said'")  # fmt: skip


@route("COPY")
def _copy(world: World) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.copy_expert(
            "COPY portal_grant (user_id, role, granted_by_id, granted_at) FROM STDIN",
            io.StringIO(f"{world.ada.pk}\tadmin\t{User.objects.get(username='ben').pk}\t2026-11-20\n"),
        )


@route("a change inside a SELECT")
def _cte(world: World) -> None:
    sql("WITH done AS (UPDATE moderation_policy SET strikes = 0 RETURNING 1) SELECT count(*) FROM done")


@route("a DO block")
def _block(world: World) -> None:
    sql("DO $$ BEGIN UPDATE moderation_case SET why = 'nobody said'; EXCEPTION WHEN OTHERS THEN NULL; END $$")


@route("a function of one's own")
def _function(world: World) -> None:
    sql("CREATE FUNCTION pg_temp.quiet() RETURNS void LANGUAGE sql AS $$ UPDATE moderation_case SET why = 'x' $$",
        "SELECT pg_temp.quiet()")  # fmt: skip


@route("a cursor's current row")
def _cursor(world: World) -> None:
    sql("DECLARE here CURSOR FOR SELECT * FROM moderation_case FOR UPDATE", "FETCH here",
        "UPDATE moderation_case SET why = 'x' WHERE CURRENT OF here")  # fmt: skip


@route("a prepared statement")
def _prepared(world: World) -> None:
    sql("PREPARE quiet AS UPDATE moderation_case SET why = $1", "EXECUTE quiet ('x')", "DEALLOCATE quiet")


@route("without a transaction block")
def _autocommit(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE moderation_case SET why = 'x'")


@route("changed and changed back, twice over")
def _there_and_back(world: World) -> None:
    sql("UPDATE moderation_case SET why = 'x'", "UPDATE moderation_case SET why = ''",
        "UPDATE moderation_case SET why = 'y'")  # fmt: skip


@route("raw()")
def _raw(world: World) -> None:
    list(Case.objects.raw("UPDATE moderation_case SET why = 'x' RETURNING *"))


@route("aupdate()")
def _async(world: World) -> None:
    async_to_sync(Case.objects.filter(pk=world.case.pk).aupdate)(why="nobody said")


@route("the driver, past Django")
def _driver(world: World) -> None:
    with closing(psycopg2.connect(address())) as other, other, other.cursor() as cursor:
        cursor.execute("UPDATE moderation_case SET why = 'x'")


@route("the operation of a migration, as the application")
def _migration(world: World) -> None:
    change = migrations.RunSQL("UPDATE moderation_policy SET strikes = 0")
    with connection.schema_editor() as editor:
        change.database_forwards("moderation", editor, ProjectState(), ProjectState())
