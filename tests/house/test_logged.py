"""Does the database guard everything that has a name in the log? Guarded, or listed here with the reason why not."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import models

from portal.privacy.models import VaultKey
from risk.intake.models import Account

OURS = ("portal", "risk", "moderation")

# What has a name in the log or a status, and changes without an event that names the row.
NOT_GUARDED = {
    "risk.Account": "intake brings accounts up to date by the thousand: one event per delivery, with its digest",
    "risk.Batch": "written once per delivery, in the transaction of its event signals.accepted; it decides nothing",
    "risk.Score": "scoring writes them in batches: one event per batch, with its digest; a score alone does nothing",
    "risk.Signal": "as accounts: one event per delivery, whose digest names every signal",
}
# Parts of something else, whose name they go by; a part not listed here and not guarded changes freely.
PARTS = {
    "moderation.AccountSequence": "the last number given: its action is named; what a look found: drift.found tells",
    "moderation.Acknowledgement": "policy.acknowledged tells it; it only lets its own reader claim again",
    "moderation.Attempt": "a try of an action, whose own change is named in the same transaction",
    "moderation.Draft": "what somebody has not said yet",
    "moderation.LogCheck": "a walk over the log; what it found is told at its end, and anybody may walk again",
    "moderation.HourlyRollup": "counted from the rest, and counted again at will",
    "portal.Alarm": "written by the roles that prove the log",
    "portal.AuditEvent": "is the log",
    "portal.Checkpoint": "written by the signer's role alone, never changed",
    "portal.Cosignature": "written by the signer's role alone",
    "portal.Head": "written by the sequencer's role alone",
    "portal.Leaf": "written by the sequencer's role alone, never changed",
    "portal.Pending": "the queue of the sequencer",
    "portal.RetentionRun": "figures of a run; what it deleted has its certificates in the log",
    "portal.Tile": "written by the sequencer's role alone",
    "portal.Tree": "written by the sequencer's role alone",
    "portal.VaultValue": "a value without its key says nothing; the act that keeps it carries the commitment",
    "risk.Feed": "how far a list of reports was read; what came of it is told by signals.accepted",
    "risk.Link": "as accounts",
    "risk.Reason": "a part of a score",
    "risk.SignalKind": "kinds.published tells of all shipped kinds at once",
}


def tables() -> list[Any]:
    """Our models."""
    return [model for app in OURS for model in apps.get_app_config(app).get_models()]


def title(model: Any) -> str:
    return f"{model._meta.app_label}.{model._meta.object_name}"


def is_guarded(model: Any) -> bool:
    return hasattr(model, "logged_as")


def test_every_table_is_guarded_or_says_why_not() -> None:
    open_ones = {title(model) for model in tables() if not is_guarded(model)}

    assert open_ones == set(NOT_GUARDED) | set(PARTS), "guard it with @logged, or say here why not"


def test_what_is_named_in_the_log_or_has_a_status_is_no_mere_part() -> None:
    weighty = {
        title(model)
        for model in tables()
        if hasattr(model, "audit_name") or any(field.name == "status" for field in model._meta.fields)
    }

    assert weighty & set(PARTS) == set()


@pytest.mark.parametrize("model", [model for model in tables() if is_guarded(model)], ids=title)
def test_the_guard_asks_for_the_name_that_actions_give(model: Any) -> None:
    """The name of a row as the trigger makes it is the row's `audit_name`; of a part, the name of its whole."""
    kind, column = model.logged_as
    field = next(field for field in model._meta.fields if field.column == column)
    if model is VaultKey:
        row = Account(id=_some(field))
        assert (row.audit_name, model(subject=row.id).subject) == (f"{kind}:{row.id}", row.id)
    elif isinstance(field, models.ForeignKey):
        whole = field.remote_field.model
        assert whole.logged_as == (kind, whole._meta.pk.column)
    else:
        row = model(**{field.attname: field.to_python(_some(field))})
        assert row.audit_name == f"{kind}:{getattr(row, field.attname)}"


@pytest.mark.parametrize("model", [model for model in tables() if is_guarded(model)], ids=title)
def test_it_is_asked_for_at_commit_of_every_row(model: Any) -> None:
    found = {trigger.name: trigger for trigger in model._meta.triggers}
    sql = " ".join(str(found[name].compile(model).sql) for name in ("is_logged", "change_is_logged"))

    assert sql.count("DEFERRABLE INITIALLY DEFERRED") == 2
    assert ("AFTER DELETE" if model is VaultKey else "AFTER INSERT OR DELETE") in sql
    assert "AFTER UPDATE ON" in " ".join(sql.split())


def _some(field: Any) -> Any:
    return "12345678-1234-5678-1234-567812345678" if isinstance(field, models.UUIDField) else "7"
