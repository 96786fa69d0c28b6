"""Does an export say over what it is complete, and what of its filter nobody can prove?"""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from moderation.insight import actions, custody, exports, history, reach
from moderation.insight.models import Export
from portal.people import actions as people
from portal.people.models import LANE_PERMISSION, User
from tests.insight.conftest import decide


@pytest.fixture(autouse=True)
def data_dir(tmp_path, settings):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def made(provers):
    """Ask for an export and let a worker make it: the row, and its manifest."""

    def do(by: User, **filter: Any) -> tuple[Export, dict[str, Any]]:
        chosen = history.read(filter, wanted_by=by)
        export = actions.request_export(chosen, formats=["jsonl"], purpose="check", by=by, now=timezone.now())
        assert exports.make(export.pk, clock=timezone.now, pause=provers.prove), Export.objects.get(pk=export.pk).detail
        export.refresh_from_db()
        with zipfile.ZipFile(exports.folder() / export.path) as found:
            return export, json.loads(found.read("manifest.json"))

    return do


def all_lanes(user: User) -> User:
    """The same person, who may know of every lane."""
    system = User.objects.service("system")
    for role in ("specialist", "privacy"):
        people.grant(user, role, by=system, now=timezone.now())
    known = User.objects.get(pk=user.pk)
    assert len(known.lanes) == len(LANE_PERMISSION) + 1
    return known


def test_who_may_see_all_of_the_log_gets_all_of_it_proven(made, ada, vera):
    decide(ada)

    export, manifest = made(all_lanes(vera))

    assert manifest["scope"]["unproven"] == []
    assert manifest["counts"]["hidden"] == 0
    assert custody.proof(export) == {
        "over": "the whole log",
        "unproven": [],
        "size": manifest["checkpoint"]["size"],
        "events": manifest["counts"]["payloads"],
        "leaves": 0,
        "hashes": 0,
    }


def test_times_are_the_word_of_the_server_and_the_manifest_says_so(made, ada, vera):
    decide(ada)
    known = all_lanes(vera)

    day = made(known, **{"from": "2026-11-19"})[1]
    of_ada = made(known, actor="ada", to="2026-11-19")[1]

    assert day["scope"]["unproven"] == [reach.TIMES]
    assert of_ada["scope"]["unproven"] == [reach.TIMES_OF_A_NAME]


def test_who_lacks_a_lane_is_told_what_that_means(made, ada, ben):
    decide(ada)

    assert made(ben)[1]["scope"]["unproven"] == [reach.LANES]
    assert made(ben, actor="ada")[1]["scope"]["unproven"] == [reach.LANES_OF_A_NAME]


def test_the_other_parts_of_a_filter_stand_in_the_manifest_as_a_leaf_tells_them(made, ada, vera):
    decided = decide(ada)

    manifest = made(vera, case=str(decided.case_id), actor="ada", type="decision,case.claimed")[1]

    scope = manifest["scope"]
    assert scope["name"] == f"case:{decided.case_id}"
    assert {"case.claimed", "decision.held"} <= set(scope["types"])
    assert all(kind.startswith(("decision.", "case.claimed")) for kind in scope["types"])
    assert list(scope["also"]) == [ada.audit_name]


@pytest.mark.parametrize(
    ("filter", "over"),
    [
        ({}, "the whole log"),
        ({"type": "case"}, "the whole log"),
        ({"from": "2026-11-19"}, "every leaf that the times can fit"),
        ({"actor": "ada", "from": "2026-11-19"}, "everything done by ada"),
        ({"policy": "SPM-1.1", "actor": "ada"}, "every event that names policy SPM-1.1"),
        ({"case": "7", "policy": "SPM-1.1"}, "every event that names case 7"),
    ],
)
@pytest.mark.django_db
def test_it_says_over_what_it_is_complete(ada, vera, filter, over):
    assert reach.over(history.read(filter, wanted_by=vera)) == over


def test_its_page_says_what_it_proves_and_what_not(made, signed_in, ada, vera):
    decide(ada)

    export, manifest = made(vera, actor="ada", **{"from": "2026-11-19"})
    told = signed_in(vera).get(reverse("export", args=[export.pk])).content.decode()

    assert "everything done by ada" in told
    assert f"signed checkpoint of {manifest['checkpoint']['size']} leaves" in told
    assert reach.TIMES_OF_A_NAME.replace("'", "&#x27;") in told


@pytest.mark.django_db
def test_its_page_can_be_read_after_the_account_it_names_was_erased(signed_in, vera):
    erased = history.LogFilter({"account": "main:erased:0190"})
    export = actions.request_export(erased, formats=["jsonl"], purpose="check", by=vera, now=timezone.now())

    answer = signed_in(vera).get(reverse("export", args=[export.pk]))

    assert answer.status_code == 200
    assert "What it proves" not in answer.content.decode()
