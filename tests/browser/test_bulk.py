"""Do two leads decide on a group in a browser: look, type the number, agree, look at the first 50, stop, undo?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.browser.conftest import SHOTS
from tests.browser.group import second_lead, sellers


@pytest.fixture(autouse=True)
def unblocked(served: Any, django_db_blocker: Any) -> Any:
    """The test looks into the same database that the server writes."""
    with django_db_blocker.unblock():
        yield


def turns(limit: int = 500) -> Any:
    """What a worker does; returns the newest group decision."""
    from moderation.bulk import actions
    from moderation.bulk.models import Bulk

    bulk = Bulk.objects.latest("made_at")
    actions.run_some(bulk, now=timezone.now(), limit=limit)
    return bulk


def test_two_leads_decide_on_sixty_and_take_it_back(visit: Callable[..., Any]) -> None:
    second_lead(timezone.now())
    names = [account.external_id for account in sellers(60, timezone.now())]
    lena, ben = visit("lena"), visit("ben", scheme="dark")

    lena.goto("/bulk/")
    lena.get_by_role("link", name="New group decision").click()
    lena.get_by_role("link", name="Spam", exact=True).click()
    lena.get_by_label("From a list").check()
    lena.get_by_label("Platform", exact=True).select_option("main")
    lena.get_by_label("Accounts, one a line: ID, or PLATFORM,ID").fill("\n".join([*names, "nobody"]))
    lena.get_by_label("Outcome", exact=True).select_option("suspend")
    lena.get_by_label("7 days").check()
    lena.get_by_label("Reason", exact=True).select_option("bulk_messages")
    lena.get_by_label("What they have in common").fill("post one text in turn")
    lena.get_by_role("button", name="Look at what it would do").click()
    lena.get_by_label("Type the number of accounts it decides on").fill("61")
    lena.get_by_role("button", name="Propose it to another lead").click()
    lena.get_by_text("would decide on 60 accounts, and you typed 61").wait_for()
    lena.get_by_label("Type the number of accounts it decides on").fill("60")
    lena.get_by_role("button", name="Propose it to another lead").click()
    lena.get_by_text("You cannot approve your own group decision.").wait_for()

    ben.goto("/bulk/")
    ben.get_by_role("link", name="Suspend 60 accounts").first.click()
    ben.get_by_role("button", name="Approve").click()
    ben.get_by_text("Approved: it begins").wait_for()
    assert turns().status == "paused"
    ben.get_by_text("The first 50 are decided.").wait_for()  # the page asks again by itself
    ben.get_by_role("button", name="Go on").click()
    ben.get_by_role("button", name="Go on").wait_for(state="hidden")
    turns(4)
    ben.get_by_role("button", name="Stop").click()
    ben.get_by_text("Stopped by a person.").wait_for()
    assert turns().items.decided().count() == 54
    SHOTS.mkdir(exist_ok=True)
    ben.screenshot(path=SHOTS / "bulk-stopped-dark.png")
    ben.get_by_role("button", name="Resume").click()
    ben.get_by_role("button", name="Resume").wait_for(state="hidden")
    assert turns().status == "done"

    lena.reload()
    lena.get_by_role("button", name="Undo all 60").click()
    lena.get_by_text("It is being undone").wait_for()
    assert turns().status == "undone"
    lena.goto(lena.url)
    lena.get_by_role("link", name="Undone 60").click()
    assert lena.locator("tbody tr").count() >= 50
    with lena.expect_download() as taken:
        lena.get_by_role("link", name="CSV").click()
    assert len(taken.value.path().read_text().splitlines()) == 61


def test_without_script_it_is_the_same_form(visit: Callable[..., Any]) -> None:
    second_lead(timezone.now())
    sellers(10, timezone.now())
    lena = visit("lena", script=False)

    lena.goto("/bulk/new/?risk_type=spam")
    lena.get_by_label("Score from").fill("50")
    lena.get_by_label("Outcome", exact=True).select_option("warn")
    lena.get_by_label("Reason", exact=True).select_option("bulk_messages")
    lena.get_by_label("What they have in common").fill("post one text in turn")
    lena.get_by_role("button", name="Look at what it would do").click()

    assert lena.get_by_text("would be decided on").count() == 1
    assert lena.get_by_label("Score from").input_value() == "50"
