"""By which tricks could the guard be led to look away? Each tries one; none may work."""

from __future__ import annotations

import threading
from typing import Any

import pgtrigger
from django.db import connection, connections, transaction

from moderation.cases.models import Case
from portal.audit.actions import record
from portal.audit.events import Event
from portal.people.models import Grant
from tests import make

from .routes import DENIED, World, route, sql, viewed

QUIETLY = "UPDATE moderation_case SET why = 'nobody said'"
FORGED = (
    "INSERT INTO portal_auditevent (id, xid, occurred_at, type, by, subjects, payload, payload_hash) "
    "SELECT gen_random_uuid(), n, now() + interval '1 hour', 'case.viewed', 'user:1', "
    "(SELECT array_agg('case:' || id) FROM moderation_case), '{}', '\\x00' FROM generate_series(%s, %s) AS n"
)


def change(*cases: Case) -> None:
    """A change of these cases that tells nobody."""
    Case.objects.filter(pk__in=[case.pk for case in cases]).update(why="nobody said")


def guard_of_cases() -> str:
    """What the trigger on cases, and the function behind it, is called."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'moderation_case'::regclass AND tgname ~ 'change_is_logged'"
        )
        return str(cursor.fetchone()[0])


def at_their_side(act: Any) -> None:
    """Do it on a connection of its own, to the end."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@route("an event of another case")
def _of_another(world: World) -> None:
    with transaction.atomic():
        viewed(world.other)
        change(world.case)


@route("one event for two cases, naming one")
def _one_for_two(world: World) -> None:
    with transaction.atomic():
        viewed(world.case)
        change(world.case, world.other)


@route("one event for all cases, naming the account")
def _by_account(world: World) -> None:
    with transaction.atomic():
        viewed(f"account:{world.case.account_id}", "cases:all", "case:%", "case:", f"CASE:{world.case.pk}")
        change(world.case)


@route("a certificate of retention for what it did not take away")
def _certificate(world: World) -> None:
    with transaction.atomic():
        viewed("retention:reveals_and_reads")
        sql("UPDATE portal_reveal SET verdict = 'in_order', reviewed_at = now(), reviewed_by_id = 1")


@route("a certificate of another rule of retention")
def _other_certificate(world: World) -> None:
    with transaction.atomic():
        viewed("retention:signals_raw")
        sql("DELETE FROM portal_reveal")


@route("a name that begins like it")
def _prefix(world: World) -> None:
    with transaction.atomic():
        viewed(f"case:{world.case.pk}0", f" case:{world.case.pk}", f"xcase:{world.case.pk}")
        change(world.case)


@route("an event that names it in its facts alone")
def _in_facts(world: World) -> None:
    with transaction.atomic():
        record(Event.CASE_VIEWED, by=world.case, of="user:1", now=make.NOON, case=world.case.audit_name)
        change(world.case)


@route("an event of the transaction before")
def _before(world: World) -> None:
    with transaction.atomic():
        viewed(world.case)
    change(world.case)


@route("an event of another connection")
def _elsewhere(world: World) -> None:
    def tell() -> None:
        with transaction.atomic():
            viewed(world.case)

    with transaction.atomic():
        change(world.case)
        at_their_side(tell)


@route("an event in a savepoint that is rolled back")
def _savepoint(world: World) -> None:
    with transaction.atomic():
        change(world.case)
        mark = transaction.savepoint()
        viewed(world.case)
        transaction.savepoint_rollback(mark)


@route("an event first, in a savepoint that is rolled back")
def _savepoint_first(world: World) -> None:
    with transaction.atomic():
        mark = transaction.savepoint()
        viewed(world.case)
        transaction.savepoint_rollback(mark)
        change(world.case)


@route("checked at once inside a savepoint that is rolled back")
def _checked_and_gone(world: World) -> None:
    with transaction.atomic():
        change(world.case)
        mark = transaction.savepoint()
        viewed(world.case)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # it passes here; what it relied on goes with the savepoint
        transaction.savepoint_rollback(mark)


@route("SET CONSTRAINTS ALL IMMEDIATE")
def _immediate(world: World) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE", QUIETLY)


@route("SET CONSTRAINTS ALL DEFERRED")
def _deferred(world: World) -> None:
    sql("SET CONSTRAINTS ALL DEFERRED", QUIETLY)


@route("an event written ahead for the transactions to come")
def _forged(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (number,) = cursor.fetchone()
        cursor.execute(FORGED, [number, number + 50])
    change(world.case)


@route("a policy under another name")
def _renamed(world: World) -> None:
    with transaction.atomic():
        viewed("policy:NEW-1")
        sql("UPDATE moderation_policy SET code = 'NEW-1' WHERE code = 'SPM-1.1'")


@route("a risk type under another name")
def _retyped(world: World) -> None:
    with transaction.atomic():
        viewed("risk_type:new")
        sql("UPDATE risk_strategy SET risk_type = 'new' WHERE risk_type = 'spam'")


@route("pgtrigger.ignore()")
def _ignored(world: World) -> None:
    with pgtrigger.ignore(), transaction.atomic():
        change(world.case)


@route("SET pgtrigger.ignore for the session")
def _ignored_all(world: World) -> None:
    sql("SELECT set_config('pgtrigger.ignore', (SELECT array_agg(tgname::text)::text FROM pg_trigger), true)", QUIETLY)


@route("the owner's word in the application's mouth")
def _owners_word(world: World) -> None:
    sql("SET LOCAL reeve.unlogged = 'migrate'", QUIETLY)


@route("a log of one's own, in front of the real one")
def _shadow(world: World) -> None:
    sql(
        "CREATE TEMP TABLE portal_auditevent ON COMMIT DROP AS SELECT pg_current_xact_id()::text::bigint AS xid, "
        "now() AS occurred_at, (SELECT array_agg('case:' || id) FROM moderation_case) AS subjects",
        "SET LOCAL search_path = pg_temp, public",
        QUIETLY,
    )


@route("a catalogue of one's own, in which one owns the tables")
def _catalogue(world: World) -> None:
    sql(
        "SET LOCAL reeve.unlogged = 'migrate'",
        "CREATE TEMP TABLE pg_class ON COMMIT DROP AS SELECT oid, relname, current_user::regrole::oid AS relowner "
        "FROM pg_catalog.pg_class",
        "SET LOCAL search_path = pg_temp, pg_catalog, public",
        QUIETLY,
    )


@route("a type of one's own, called text, that keeps one letter")
def _shortened(world: World) -> None:
    connection.close()  # a session that has not asked the guard yet reads it anew
    with transaction.atomic():
        sql('CREATE DOMAIN pg_temp.text AS "char"')
        viewed("c", "case:")
        change(world.case)


@route("a type of one's own, called text, as the event is stamped")
def _misstamped(world: World) -> None:
    connection.close()
    raised = "UPDATE portal_grant SET role = 'admin'"
    with transaction.atomic():  # first the guard is read as it should be
        viewed(*Grant.objects.all())
        sql(raised, "SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)
    sql("CREATE DOMAIN pg_temp.text AS pg_catalog.varchar(1)")
    with transaction.atomic():
        viewed(*Grant.objects.all())  # would be stamped with the first digit of this transaction, and of the next
    sql(raised)


@route("session_replication_role", refused=DENIED)
def _replica(world: World) -> None:
    sql("SET session_replication_role = 'replica'", QUIETLY)


@route("ALTER TABLE … DISABLE TRIGGER", refused=DENIED)
def _disable(world: World) -> None:
    sql("ALTER TABLE moderation_case DISABLE TRIGGER USER", QUIETLY)


@route("DROP TRIGGER", refused=DENIED)
def _drop(world: World) -> None:
    sql(f"DROP TRIGGER {guard_of_cases()} ON moderation_case", QUIETLY)


@route("another function behind the trigger", refused=DENIED)
def _replaced(world: World) -> None:
    nothing = "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    sql(f"CREATE OR REPLACE FUNCTION public.{guard_of_cases()}() RETURNS trigger {nothing}", QUIETLY)


@route("another function behind pgtrigger's door", refused=DENIED)
def _door(world: World) -> None:
    sql("CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name NAME) RETURNS boolean "
        "LANGUAGE sql AS 'SELECT true'", QUIETLY)  # fmt: skip


@route("TRUNCATE", refused=DENIED)
def _truncate(world: World) -> None:
    sql("TRUNCATE moderation_case CASCADE")


@route("DROP TABLE", refused=DENIED)
def _drop_table(world: World) -> None:
    sql("DROP TABLE moderation_skip")


@route("SET ROLE to the owner", refused=DENIED)
def _role(world: World) -> None:
    sql("DO $$ BEGIN EXECUTE format('SET ROLE %I', (SELECT tableowner FROM pg_tables "
        "WHERE tablename = 'moderation_case')); END $$", QUIETLY)  # fmt: skip


@route("the event taken out again", refused=DENIED)
def _taken_out(world: World) -> None:
    with transaction.atomic():
        viewed(world.case)
        change(world.case)
        sql("DELETE FROM portal_auditevent WHERE xid = pg_current_xact_id()::text::bigint")


@route("the role of migrations, which did not say so")
def _owner(world: World) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE moderation_policy SET strikes = 0")


@route("the role of the sequencer", refused=DENIED)
def _sequencer(world: World) -> None:
    with connections["sequencer"].cursor() as cursor:
        cursor.execute("UPDATE moderation_case SET why = 'x'")


@route("the role of the signer", refused=DENIED)
def _signer(world: World) -> None:
    with connections["signer"].cursor() as cursor:
        cursor.execute("UPDATE portal_user SET is_active = false")


@route("a view of one's own")
def _view(world: World) -> None:
    sql("CREATE TEMP VIEW mine AS SELECT * FROM moderation_case", "UPDATE mine SET why = 'x'")


@route("a trigger of one's own")
def _trigger(world: World) -> None:
    sql("CREATE TEMP TABLE bell (n int)",
        "CREATE FUNCTION pg_temp.rung() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE public.moderation_case SET why = 'x'; RETURN NEW; END $$",
        "CREATE TRIGGER rung AFTER INSERT ON bell FOR EACH ROW EXECUTE FUNCTION pg_temp.rung()",
        "INSERT INTO bell VALUES (1)")  # fmt: skip
