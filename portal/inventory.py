"""Which data do we keep, of which class, and what for? Reads the models' `DATA` and draws docs/data.md."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from portal.privacy.classes import SIGHT, THEIRS, DataClass, Declared, Purpose, complaints, read
from portal.privacy.retention import RULES

# The tables that each rule of retention takes rows or values from.
TABLES: dict[str, tuple[str, ...]] = {
    "signals_raw": ("risk.Signal", "portal.VaultValue"),
    "evidence_restricted": ("portal.VaultValue",),
    "evidence_no_action": ("portal.VaultValue",),
    "group_decisions": ("portal.VaultValue",),
    "minors_restricted": ("portal.VaultValue",),
    "minors_no_action": ("portal.VaultValue",),
    "link_hashes_after_last_use": ("risk.Link",),
    "reveals_and_reads": ("portal.Reveal",),
    "staff_metrics_named": ("moderation.HourlyRollup",),
    "export_files": ("moderation.Export",),
}

HEAD = """# Data

Drawn by `make data` from what each model declares about its fields (`DATA`, see `portal/privacy/classes.py`);
`make check` fails when this page is stale, and a house test refuses a field without a class and a purpose. Personal
values and typed texts themselves stand in one place, `VaultValue.sealed`; other tables hold references, masked forms,
commitments and keyed hashes. A row of the lane `minors` is handled as `restricted_minor`, whatever its columns say: who
does not hold that lane is told that it does not exist.
"""


def models() -> list[type[Model]]:
    """Every table there is, ours first, each by its label."""
    found = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
    return sorted(found, key=lambda model: (model._meta.label in THEIRS, model._meta.label))


def lines_of(model: type[Model]) -> Mapping[str, str] | None:
    """What a model declares, or what stands in the list for a library's."""
    return THEIRS.get(model._meta.label) or getattr(model, "DATA", None)


def fields_of(model: type[Model]) -> list[str]:
    """The names of the fields that are columns of the model's own table."""
    return [field.name for field in model._meta.local_concrete_fields]


def declared(model: type[Model]) -> dict[str, Declared]:
    """Field → class and purposes. Raises `ValueError` where the declaration is wrong."""
    return read(lines_of(model) or {})


def wrong() -> list[str]:
    """Everything that is wrong with the declarations, one sentence each."""
    return [
        f"{model._meta.label}: {complaint}"
        for model in models()
        for complaint in complaints(lines_of(model), fields_of(model))
    ]


def page() -> str:
    """The whole of docs/data.md."""
    parts = [HEAD, _sights(), _retention()]
    for model in models():
        first = "" if model._meta.label in THEIRS else (model.__doc__ or "").strip().splitlines()[0]
        text = f"## {model._meta.label}\n\n{first}\n\n{_table(model)}\n\n{_kept(model)}"
        parts.append(text.rstrip().replace("\n\n\n", "\n\n") + "\n")
    return "\n".join(parts)


def _sights() -> str:
    rows = [f"| {name} | {SIGHT[name].masked} | {SIGHT[name].open} |" for name in DataClass]
    head = "## Who sees what\n\n| class | masked | open |\n|---|---|---|\n"
    return head + "\n".join(rows) + f"\n\nPurposes: {', '.join(Purpose)}.\n"


def _retention() -> str:
    """How long, by rule; a legal hold beats all of them, and what is not here is kept until it is erased."""
    rows = [
        f"| `{rule.name}` | {rule.what} | {settings.RETENTION_DAYS[rule.name]} | {rule.counted} | {rule.purpose} |"
        for rule in RULES.values()
    ]
    head = "## How long\n\n| rule | what | days | counted from | purpose |\n|---|---|---|---|---|\n"
    return (
        head + "\n".join(rows) + "\n\nA legal hold beats every rule. What no rule names is kept until it is erased.\n"
    )


def _kept(model: type[Model]) -> str:
    """The rules that take rows or values of a table away."""
    rules = [rule for rule, labels in TABLES.items() if model._meta.label in labels]
    days = ", ".join(f"{settings.RETENTION_DAYS[rule]} days (`{rule}`)" for rule in rules)
    return f"Kept {days}, but for what a hold keeps." if rules else ""


def _table(model: type[Model]) -> str:
    """Fields of one class and the same purposes share a row: a table of ours reads in a few lines."""
    found = declared(model)
    rows: dict[Declared, list[str]] = {}
    for name in fields_of(model):
        rows.setdefault(found[name], []).append(f"`{name}`")
    lines = [f"| {', '.join(names)} | {what.data_class} | {', '.join(what.purposes)} |" for what, names in rows.items()]
    return "| fields | class | purposes |\n|---|---|---|\n" + "\n".join(lines)
