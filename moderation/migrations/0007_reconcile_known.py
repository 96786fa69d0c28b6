"""Accounts that had actions before are compared as well, each with the backend of its newest action."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

KNOWN = """
UPDATE moderation_accountsequence s SET look_at = now(), backend_id = e.backend_id
FROM moderation_enforcement e, risk_account a
WHERE e.account_id = s.account_id AND e.seq = s.last AND a.id = s.account_id AND a.erased_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("moderation", "0006_reconcile"), ("risk", "0001_initial")]

    operations: ClassVar = [migrations.RunSQL(KNOWN, migrations.RunSQL.noop)]
