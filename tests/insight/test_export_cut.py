"""Where does an export end? After everything that was written before the asking, with real commits."""

from __future__ import annotations

import json
import zipfile

import pytest
from django.utils import timezone

from moderation.insight import actions, exports, history
from tests.insight.conftest import decide
from tests.insight.exported import events_of


@pytest.mark.parametrize("filter", [{}, {"actor": "ada"}], ids=["all", "a chain"])
def test_it_holds_everything_that_was_committed_before_the_asking(provers, ada, vera, settings, tmp_path, filter):
    settings.DATA_DIR = tmp_path
    decide(ada)
    provers.prove()
    decide(ada)
    chosen = history.read(filter, wanted_by=vera)
    export = actions.request_export(chosen, formats=["jsonl"], purpose="yearly check", by=vera, now=timezone.now())

    def prove_and_go_on(_seconds: float) -> None:
        provers.prove()
        decide(ada)

    assert exports.make(export.pk, clock=timezone.now, pause=prove_and_go_on)

    export.refresh_from_db()
    found = zipfile.ZipFile(exports.folder() / export.path)
    told = [event["type"] for event in events_of(found)]
    assert told.count("decision.held") >= 2
    size = json.loads(found.read("manifest.json"))["size"]
    assert max(json.loads(line)["i"] for line in found.read("events.jsonl").splitlines()) < size
