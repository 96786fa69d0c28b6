"""Does a personal value come when it is asked for, and go by itself, with keys alone and without scripts?"""

from __future__ import annotations

from typing import Any

import pytest

HANDLE = "lucky_parcels_2026"


@pytest.fixture(scope="module")
def held(served: Any, django_db_blocker: Any) -> int:
    """The spam case, held by Ada."""
    from django.utils import timezone

    from moderation.cases import actions
    from moderation.cases.models import Case

    _, world = served
    with django_db_blocker.unblock():
        case = Case.objects.select_related("queue", "account").get(pk=world.cases["spam"].pk)
        actions.claim(case, by=world.people["ada"], now=timezone.now(), limits=False)
    return int(case.pk)


@pytest.fixture
def handle(held: int, django_db_blocker: Any) -> str:
    """What the vault holds as the handle of that account."""
    from moderation.cases.models import Case
    from portal.privacy.actions import open_value
    from portal.privacy.models import VaultValue

    with django_db_blocker.unblock():
        account = Case.objects.get(pk=held).account_id
        row = VaultValue.objects.filter(subject=account, name="account.handle").latest("created_at")
        return open_value(row.pk) or ""


def test_it_comes_by_keys_and_leaves_the_page_for_good(visit: Any, held: int, handle: str) -> None:
    page = visit("ada", start=False)
    page.clock.install()
    page.goto(f"/cases/{held}/")
    assert handle not in page.content()

    page.keyboard.press("p")
    page.get_by_label("Which").select_option(label="Handle")
    page.get_by_label("What for").select_option("decide")
    page.get_by_role("button", name="Show it for 60 seconds").press("Enter")
    page.locator("[data-ends]").wait_for()
    assert handle in page.locator("#revealed").inner_text()

    page.clock.run_for(30_000)
    assert handle in page.content()
    page.clock.run_for(32_000)
    assert handle not in page.content()
    assert "Covered again" in page.locator("#revealed").inner_text()


def test_it_is_covered_at_once_on_request(visit: Any, held: int, handle: str) -> None:
    page = visit("ada", start=False)
    page.goto(f"/cases/{held}/")
    page.keyboard.press("p")
    page.get_by_label("Which").select_option(label="Handle")
    page.get_by_label("What for").select_option("tell_apart")
    page.get_by_role("button", name="Show it for 60 seconds").click()
    page.get_by_role("button", name="Cover it now").click()

    assert handle not in page.content()


def test_it_needs_no_script(visit: Any, held: int, handle: str) -> None:
    page = visit("ada", start=False, script=False)
    page.goto(f"/cases/{held}/")
    page.get_by_text("Show a value").click()
    page.get_by_label("Which").select_option(label="Handle")
    page.get_by_label("What for").select_option("decide")
    page.get_by_role("button", name="Show it for 60 seconds").click()

    assert "/reveals/" in page.url
    assert handle in page.locator("#revealed").inner_text()
    page.reload()
    assert handle not in page.content()
    assert "shown once" in page.content()
