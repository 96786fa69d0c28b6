"""Does a lead open somebody's limit of an hour in a browser?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.conftest import SHOTS


def test_a_lead_opens_it_and_the_page_says_so(visit: Callable[..., Any], monkeypatch: Any) -> None:
    from moderation.decisions import caps

    monkeypatch.setitem(caps.CAPS_AN_HOUR, "ban", 1)
    page = visit("ben", scheme="dark")
    page.goto("/approvals/")
    form = page.get_by_role("form", name="Let milo make more bans")

    form.get_by_label("How many more").fill("5")
    form.get_by_label("Why").fill("a wave of copied shops")
    form.get_by_role("button", name="Open the limit").click()

    page.get_by_text("Opened: 5 more bans for milo").wait_for()
    assert page.get_by_text("may make 5 more of 5 bans").count() == 1
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / "approvals-opened-dark.png")
