"""What may the application's database role touch?

It owns nothing: reads and writes rows, and on the log only reads and inserts.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections

INSERT_ONLY = ("portal_auditevent", "portal_pending")
READ_ONLY = (
    "portal_leaf", "portal_tile", "portal_tree", "portal_head", "portal_checkpoint", "portal_cosignature",
    "portal_alarm",
)  # fmt: skip
# What the two processes that prove the log may do, and nothing beside it.
OTHERS: dict[str, dict[str, tuple[str, ...]]] = {
    "sequencer": {
        "SELECT": (
            "portal_auditevent", "portal_pending", *READ_ONLY, "moderation_case", "moderation_decision",
            "moderation_enforcement", "risk_standing", "portal_hold",
        ),
        "INSERT": ("portal_leaf", "portal_tile", "portal_head", "portal_alarm"),
        "UPDATE": ("portal_pending", "portal_tile", "portal_tree", "portal_head"),
        "DELETE": ("portal_pending",),
    },
    "signer": {
        "SELECT": (
            "portal_tile", "portal_tree", "portal_leaf", "portal_checkpoint", "portal_cosignature", "portal_alarm",
        ),
        "INSERT": ("portal_checkpoint", "portal_cosignature", "portal_alarm"),
    },
}  # fmt: skip


def grant(*, using: str, **_sent: Any) -> None:
    """After migrations ran as the owner, give the application's role its rights again.

    Nothing to do where both are one role.
    """
    role = str(settings.DATABASES["default"].get("USER") or "")
    owner = str(settings.DATABASES["owner"].get("USER") or "")
    if using != "owner" or role == owner:
        return
    connection = connections[using]
    name = connection.ops.quote_name
    with connection.cursor() as cursor:
        if not _there(cursor, role):
            return
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name(role)}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name(role)}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name(role)}")
        tables = set(connection.introspection.table_names(cursor))
        for table in tables.intersection(INSERT_ONLY):
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {name(table)} FROM {name(role)}")
        for table in tables.intersection(READ_ONLY):
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {name(table)} FROM {name(role)}")
        if "django_migrations" in tables:
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {name(role)}")
        for alias, rights in OTHERS.items():
            other = str(settings.DATABASES[alias].get("USER") or "")
            if other in (owner, role) or not _there(cursor, other):
                continue
            cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name(other)}")
            for right, named in rights.items():
                granted = ", ".join(name(table) for table in named if table in tables)
                if granted:
                    cursor.execute(f"GRANT {right} ON {granted} TO {name(other)}")


def let_the_owner_migrate(*, using: str, **_sent: Any) -> None:
    """Before migrations: what they change in rows needs no event (see `portal.guards.logged`).

    It counts for who owns the tables, on this connection, until `hold_the_guards()`.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SET reeve.unlogged = 'migrate'")


def hold_the_guards(*, using: str, **_sent: Any) -> None:
    """After migrations: the guards hold again, and nobody can ask them to look away.

    django-pgtrigger gives each trigger a door: whoever sets `pgtrigger.ignore` passes it. The role of the application
    may set it too, so here the function behind that door says no, always.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("RESET reeve.unlogged")
        if "portal_auditevent" not in connections[using].introspection.table_names(cursor):
            return
        cursor.execute(
            "CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name NAME) RETURNS BOOLEAN "
            "LANGUAGE sql IMMUTABLE AS 'SELECT false'"
        )


def _there(cursor: Any, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    return cursor.fetchone() is not None
