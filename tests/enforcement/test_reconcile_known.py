"""Are accounts that had actions before an upgrade compared as well?"""

from __future__ import annotations

from importlib import import_module

from django.db import connection

from moderation.enforcement.models import AccountSequence
from risk.intake.models import Account


def test_known_accounts_are_due_at_their_newest_backend_and_erased_ones_never(ordered):
    known, erased = ordered("suspend"), ordered("suspend")
    ordered("label", account=known.account)
    Account.objects.filter(pk=erased.account_id).update(erased_at=erased.ordered_at)
    AccountSequence.objects.update(look_at=None, backend=None)

    with connection.cursor() as cursor:
        cursor.execute(import_module("moderation.migrations.0007_reconcile_known").KNOWN)

    assert AccountSequence.objects.get(pk=known.account_id).backend_id == "platform"
    assert AccountSequence.objects.get(pk=known.account_id).look_at is not None
    assert AccountSequence.objects.get(pk=erased.account_id).look_at is None
