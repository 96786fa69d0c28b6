"""Does every field say which class of data it is, and what it is kept for?"""

from __future__ import annotations

import pytest
from django.apps import apps

from portal import inventory
from portal.privacy.classes import THEIRS, DataClass, Declared, Purpose, complaints, read
from portal.privacy.retention import RULES

from .source import ROOT

LINES = {"internal: moderation": "id at", "restricted_pii: moderation security": "digest"}


def test_every_field_of_every_table_has_a_class_and_a_purpose():
    assert inventory.wrong() == []


def test_every_table_of_the_apps_is_asked():
    asked = {model._meta.db_table for model in inventory.models()}

    assert {model._meta.db_table for model in apps.get_models()} <= asked
    assert len(asked) > 40


def test_the_list_of_foreign_tables_names_none_that_is_ours_or_gone():
    labels = {model._meta.label for model in inventory.models()}

    assert [label for label in THEIRS if label not in labels] == []
    assert [label for label in THEIRS if label.split(".")[0] in ("portal", "risk", "moderation")] == []


def test_the_drawn_page_is_current():
    assert (ROOT / "docs/data.md").read_text(encoding="utf-8") == inventory.page(), "run `make data`"


def test_every_rule_of_retention_says_which_tables_it_takes_from():
    labels = {model._meta.label for model in inventory.models()}

    assert set(inventory.TABLES) == set(RULES)
    assert {label for named in inventory.TABLES.values() for label in named} - labels == set()


def test_it_reads_the_notation():
    found = read(LINES)

    assert found["at"] == Declared(DataClass.INTERNAL, (Purpose.MODERATION,))
    assert found["digest"] == Declared(DataClass.RESTRICTED_PII, (Purpose.MODERATION, Purpose.SECURITY))


@pytest.mark.parametrize(
    ("lines", "fields", "complaint"),
    [
        (None, ["id"], "declares no DATA"),
        (LINES, ["id", "at", "digest", "handle"], "handle has no class"),
        (LINES, ["id", "at"], "digest is no field"),
        ({"secret: moderation": "id"}, ["id"], "is not a valid DataClass"),
        ({"internal: curiosity": "id"}, ["id"], "is not a valid Purpose"),
        ({"internal:": "id"}, ["id"], "names no purpose"),
        ({"internal: audit": "id", "public: audit": "id"}, ["id"], "declared twice"),
    ],
)
def test_it_refuses_what_is_not_whole(lines, fields, complaint):
    assert complaint in "; ".join(complaints(lines, fields))
