"""What may the application's database role touch?

It owns nothing: reads and writes rows, and on the log only reads and inserts.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections

INSERT_ONLY = ("portal_auditevent",)


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
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            return
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name(role)}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name(role)}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name(role)}")
        tables = set(connection.introspection.table_names(cursor))
        for table in tables.intersection(INSERT_ONLY):
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {name(table)} FROM {name(role)}")
        if "django_migrations" in tables:
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {name(role)}")
