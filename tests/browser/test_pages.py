"""Does every page hold to what we promised of it? In both schemes and widths, by axe, by the browser's policy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import SHOTS

# name, who looks, address ({…} from the world); pages of other rooms are added here as they come
PAGES = [
    ("sign-in", "", "/sign-in/"),
    ("desk", "ada", "/"),
    ("desk-late", "ada", "/?view=late"),
    ("queue", "ada", "/queues/spam/"),
    ("queue-empty", "ada", "/queues/traffic/"),
    ("queue-decided", "ben", "/queues/spam/?state=decided"),
    ("case-waiting", "ada", "/cases/{kara_is_live}/"),
    ("case-claimed", "ada", "/cases/{spam}/"),
    ("case-proposed", "ben", "/cases/{best_of_shop}/"),
    ("case-decided", "ben", "/cases/{other_sender}/"),
    ("case-minors", "ruth", "/cases/{perhaps_young}/"),
    ("account", "ada", "/accounts/main/70231/"),
    ("account-analyst", "noor", "/accounts/main/70231/"),
    ("search", "ada", "/search/"),
    ("approvals", "ben", "/approvals/"),
    ("approvals-empty", "ruth", "/approvals/"),
    ("profile", "ada", "/profile/"),
    ("not-found", "ada", "/cases/999999/"),
    ("forbidden", "cleo", "/approvals/"),
]
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 390)]


@pytest.fixture(scope="module")
def claimed(served: Any) -> None:
    """Ada holds the spam case while its page is looked at."""
    from django.utils import timezone

    from moderation.cases import actions
    from moderation.cases.models import Case

    _, world = served
    case = Case.objects.select_related("queue", "account").get(pk=world.cases["spam"].pk)
    actions.claim(case, by=world.people["ada"], now=timezone.now(), limits=False)


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
@pytest.mark.parametrize(("name", "who", "address"), PAGES, ids=[page[0] for page in PAGES])
def test_it_holds_to_its_promises(
    visit: Any, served: Any, claimed: None, name: str, who: str, address: str, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    _, world = served
    page = visit(who, width=width, height=900 if width > 500 else 844, scheme=scheme, start=False)
    page.goto(address.format(**{key: case.pk for key, case in world.cases.items()}))
    page.wait_for_load_state("networkidle")

    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=width < 500, caret="initial")
    assert page.evaluate("window.__violations") == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than the window"
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:4]) for one in found] == []
