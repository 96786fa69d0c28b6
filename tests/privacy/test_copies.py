"""Which copies of the log go with an account? The files of exports that name it, and what they were asked for."""

from __future__ import annotations

import json
import zipfile

import pytest
from django.utils import timezone

from moderation.insight import actions as insight
from moderation.insight import exports, history
from moderation.insight.models import Export
from portal.audit.models import AuditEvent
from portal.privacy import erasure
from portal.privacy.actions import open_value
from tests.make import later
from tests.privacy.world import decide, planted, ship, tell


@pytest.fixture(autouse=True)
def told(real_commits, ada, tmp_path, settings):
    settings.DATA_DIR = tmp_path
    ship()


def erase(name, *, by):
    asked = {"legal_basis": "consent_withdrawn", "ticket": "REQ-17"}
    return erasure.erase("main", planted(name)["id"], by=by, now=later(hours=1), **asked)


def make_export(by, provers, **filter):
    chosen = history.read(filter, wanted_by=by)
    export = insight.request_export(chosen, formats=["csv", "jsonl"], purpose="for kara", by=by, now=timezone.now())
    assert exports.make(export.pk, clock=timezone.now, pause=provers.prove)
    export.refresh_from_db()
    return export


def test_copies_of_the_log_that_name_it_are_deleted(provers, ada, pia, vera):
    tell("kara")
    tell("milo")
    decide("kara", by=ada)
    whole, mine = make_export(vera, provers), make_export(vera, provers, account=f"main:{planted('kara')['id']}")
    other = make_export(vera, provers, account=f"main:{planted('milo')['id']}")
    with zipfile.ZipFile(exports.folder() / whole.path) as bundle:
        name = next(name for name in bundle.namelist() if name.endswith("csv"))
        assert planted("kara")["id"].encode() in bundle.read(name)

    erase("kara", by=pia)

    assert [Export.objects.get(pk=one.pk).path for one in (whole, mine)] == ["", ""]
    assert [path.name for path in exports.folder().iterdir()] == [other.path]
    assert AuditEvent.objects.filter(type="export.expired").count() == 2
    assert open_value(mine.purpose) is None
    assert open_value(other.purpose) == "for kara"
    assert planted("kara")["id"] not in json.dumps(Export.objects.get(pk=mine.pk).filter)
