"""Can a lead, an auditor, an operator and an admin do their work in a browser, with script and without?"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from typing import Any
from uuid import uuid4

import pytest

from tests.make import change

pytestmark = pytest.mark.slow


def stopped() -> Any:
    """An action that stands still, as the worker would have left it."""
    from django.db import connection

    from moderation.enforcement.models import Enforcement

    action = Enforcement.objects.filter(status="queued").first()
    assert action is not None
    mine = Enforcement.objects.filter(pk=action.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now = cursor.fetchone()[0]
    change(mine, status="in_flight", lease_token=uuid4(), lease_until=now, attempts=1)
    change(mine, status="stopped", lease_token=None, lease_until=None, detail="422: unknown scope")
    return action


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_lead_opens_the_rows_behind_a_number(visit: Any, script: bool) -> None:
    page = visit("ben", script=script, start=False)
    page.goto("/dashboards/")
    waiting = int(re.match(r"\d+", page.locator(".headline .hint").first.inner_text())[0])

    page.locator(".headline .figure a").first.click()
    assert page.locator("tbody tr").count() == min(waiting, 50)
    page.locator("tbody th a").first.click()

    assert "/cases/" in page.url


def test_a_lead_reads_a_chart_as_a_table_and_takes_it_along(visit: Any) -> None:
    page = visit("ben", start=False)
    page.goto("/dashboards/")

    page.locator("summary", has_text="As table").first.click()
    assert page.locator("figure.chart table tbody tr").first.is_visible()
    with page.expect_download() as download:
        page.locator("section", has_text="By policy").or_(
            page.locator("section", has_text="Decisions by policy")
        ).get_by_role("link", name="CSV").first.click()

    assert download.value.suggested_filename.endswith(".csv")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_lead_sends_a_stopped_action_again(visit: Any, script: bool, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        action = stopped()
    page = visit("ben", script=script, start=False)
    page.goto("/outbox/?state=stopped")

    page.locator(f"[id='action-{action.pk}']").get_by_role("button", name="Send again").click()

    page.get_by_text("It is sent again, under the same key.").wait_for()
    with django_db_blocker.unblock():
        action.refresh_from_db()
    assert action.status == "queued"


def test_an_operator_pauses_and_resumes_without_seeing_cases(visit: Any) -> None:
    page = visit("otto", start=False)
    page.goto("/outbox/")
    assert page.locator("a[href^='/cases/']").count() == 0

    page.get_by_label("Why pause platform?").fill("moving house")
    page.get_by_role("button", name="Pause platform").click()
    page.get_by_text("moving house").wait_for()
    page.get_by_role("button", name="Resume platform").click()

    page.get_by_role("button", name="Pause platform").wait_for()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_an_auditor_follows_the_log_and_takes_a_copy(
    visit: Any, script: bool, provers: Any, django_db_blocker: Any
) -> None:
    from django.utils import timezone

    from moderation.insight import exports
    from moderation.insight.models import Export

    page = visit("vera", script=script, start=False)
    page.goto("/log/")
    page.get_by_label("By whom").fill("ada")
    page.get_by_role("button", name="Show").click()
    lines = page.locator("ol.log > li p:first-child").all_inner_texts()
    assert lines
    assert all(line.startswith("ada ") for line in lines)

    page.get_by_role("link", name="Export this").click()
    assert page.get_by_label("By whom").input_value() == "ada"
    page.get_by_label("What is the copy for?").fill("yearly check")
    page.get_by_role("button", name="Make the export").click()
    page.get_by_text("The export is being made.").wait_for()
    with django_db_blocker.unblock():
        export = Export.objects.latest("asked_at")
        assert exports.make(export.pk, clock=timezone.now, pause=provers.prove)
    page.goto(f"/exports/{export.pk}/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()

    with zipfile.ZipFile(download.value.path()) as bundle:
        rows = list(csv.DictReader(io.TextIOWrapper(bundle.open("events.not-authoritative.csv"))))
        leaves = [json.loads(line) for line in bundle.read("events.jsonl").splitlines()]
    assert {row["actor"] for row in rows} == {"ada"}
    assert [str(leaf["i"]) for leaf in leaves if "payload" in leaf] == [row["index"] for row in rows]


def test_an_export_shows_by_itself_that_it_is_done(visit: Any, provers: Any, django_db_blocker: Any) -> None:
    from django.utils import timezone

    from moderation.insight import actions, exports, history

    page = visit("vera", start=False)
    with django_db_blocker.unblock():
        from portal.people.models import User

        vera = User.objects.get(username="vera")
        asked = history.read({"type": "sign_in"}, wanted_by=vera)
        export = actions.request_export(asked, formats=["csv"], purpose="look", by=vera, now=timezone.now())
    page.goto(f"/exports/{export.pk}/")
    page.get_by_text("It waits for a worker").wait_for()

    with django_db_blocker.unblock():
        assert exports.make(export.pk, clock=timezone.now, pause=provers.prove)

    page.get_by_role("link", name="Download").wait_for()


def test_an_admin_grants_a_role_and_it_stands_in_the_list(visit: Any) -> None:
    page = visit("sam", start=False)
    page.goto("/people/")
    row = page.locator("tr", has=page.get_by_role("rowheader", name="cleo"))

    row.locator("summary").click()
    row.get_by_label("Role").select_option("auditor")
    row.get_by_role("button", name="Grant").click()

    page.get_by_text("cleo now has the role auditor.").wait_for()
    assert "Auditor" in row.inner_text()
