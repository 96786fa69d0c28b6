"""Does every page hold to what we promised of it? In both schemes and widths, by axe, by the browser's policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import LISTEN, SHOTS, signed_in
from tests.browser.group import groups

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
    ("case-hostile", "ada", "/cases/{loud_sender}/"),
    ("case-minors", "ruth", "/cases/{perhaps_young}/"),
    ("account", "ada", "/accounts/main/70231/"),
    ("account-analyst", "noor", "/accounts/main/70231/"),
    ("search", "ada", "/search/"),
    ("approvals", "ben", "/approvals/"),
    ("approvals-limit", "ben", "/approvals/"),
    ("approvals-empty", "ruth", "/approvals/"),
    ("profile", "ada", "/profile/"),
    ("dashboard", "ben", "/dashboards/"),
    ("dashboard-own", "ada", "/dashboards/"),
    ("dashboard-tile", "ben", "/dashboards/backlog/"),
    ("dashboard-rows", "ben", "/dashboards/rows/waiting/"),
    ("reveals", "pia", "/privacy/reveals/"),
    ("erasure", "pia", "/privacy/erasure/?account=main:70231"),
    ("holds", "pia", "/privacy/holds/"),
    ("holds-lead", "ben", "/privacy/holds/"),
    ("retention", "pia", "/privacy/retention/"),
    ("account-privacy", "pia", "/accounts/main/70231/"),
    ("log", "vera", "/log/"),
    ("event", "vera", "/log/{event}/"),
    ("verify", "vera", "/log/verify/"),
    ("evidence", "vera", "/log/evidence/{evidence}/"),
    ("exports", "vera", "/exports/"),
    ("export", "vera", "/exports/{export}/"),
    ("bulks", "ben", "/bulk/"),
    ("bulk-new", "ben", "/bulk/new/?risk_type=spam"),
    ("bulk-paused", "ben", "/bulk/{bulk_paused}/"),
    ("bulk-proposed", "ben", "/bulk/{bulk_proposed}/"),
    ("outbox", "ben", "/outbox/"),
    ("outbox-operator", "otto", "/outbox/"),
    ("settings-queues", "ada", "/settings/queues/"),
    ("settings-policies", "ada", "/settings/policies/"),
    ("settings-strategies", "noor", "/settings/strategies/"),
    ("people", "sam", "/people/"),
    ("not-found", "ada", "/cases/999999/"),
    ("forbidden", "cleo", "/approvals/"),
]
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 390)]


@pytest.fixture(scope="module")
def claimed(served: Any, django_db_blocker: Any) -> None:
    """Ada holds the spam case while its page is looked at."""
    from django.utils import timezone

    from moderation.cases import actions
    from moderation.cases.models import Case

    _, world = served
    case = Case.objects.select_related("queue", "account").get(pk=world.cases["spam"].pk)
    actions.claim(case, by=world.people["ada"], now=timezone.now(), limits=False)


@pytest.fixture(scope="module")
def places(
    served: Any, claimed: None, provers: Any, tmp_path_factory: Any, django_db_blocker: Any
) -> Iterator[dict[str, Any]]:
    """What stands in braces in an address."""
    from django.test import override_settings
    from django.utils import timezone

    from moderation.decisions.models import Decision
    from moderation.enforcement.models import AccountSequence
    from moderation.insight import actions, exports, history
    from portal.audit.models import AuditEvent

    _, world = served
    with django_db_blocker.unblock(), override_settings(DATA_DIR=tmp_path_factory.mktemp("data")):
        event = AuditEvent.objects.filter(type="decision.held").values_list("pk", flat=True)[0]
        frozen = Decision.objects.exclude(evidence=None).values_list("evidence", flat=True)[0]
        AccountSequence.objects.update(looked_at=timezone.now())
        AccountSequence.objects.filter(pk=AccountSequence.objects.values_list("pk")[:1]).update(found="foreign")
        vera = world.people["vera"]
        chosen = history.read({"actor": "ada", "from": "2026-01-01"}, wanted_by=vera)
        export = actions.request_export(chosen, formats=["csv"], purpose="look", by=vera, now=timezone.now())
        assert exports.make(export.pk, clock=timezone.now, pause=provers.prove)
        yield {
            "event": event,
            "evidence": frozen,
            "export": export.pk,
            **groups(world.people["ben"], timezone.now()),
            **{name: case.pk for name, case in world.cases.items()},
        }


@pytest.fixture(scope="module")
def windows(chromium: Any, served: Any, django_db_blocker: Any) -> Iterator[Callable[[str, str, int], Any]]:
    """One window per person, scheme and width, kept for the module: style sheets and scripts are fetched once."""
    url, _ = served
    opened: dict[tuple[str, str, int], Any] = {}

    def window(who: str, scheme: str, width: int) -> Any:
        if (who, scheme, width) not in opened:
            size = {"width": width, "height": 900 if width > 500 else 844}
            context = chromium.new_context(base_url=url, viewport=size, color_scheme=scheme, reduced_motion="reduce")
            context.add_init_script(LISTEN)
            if who:
                with django_db_blocker.unblock():
                    context.add_cookies([signed_in(url, who)])
            opened[who, scheme, width] = context.new_page()
        return opened[who, scheme, width]

    yield window
    for page in opened.values():
        page.context.close()


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
@pytest.mark.parametrize(("name", "who", "address"), PAGES, ids=[page[0] for page in PAGES])
def test_it_holds_to_its_promises(
    windows: Any, places: dict[str, Any], monkeypatch: Any, name: str, who: str, address: str, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    from moderation.decisions import caps

    if name == "approvals-limit":  # who proposed a ban is at the limit
        monkeypatch.setitem(caps.CAPS_AN_HOUR, "ban", 1)
    page = windows(who, scheme, width)
    answer = page.goto(address.format(**places))
    assert answer.status == {"not-found": 404, "forbidden": 403}.get(name, 200)

    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=width < 500, caret="initial")
    assert page.evaluate("window.__violations") == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than the window"
    if name == "approvals-limit":
        assert page.get_by_role("button", name="Open the limit").count() > 0
    if name == "case-hostile":
        page.evaluate("document.querySelectorAll('details').forEach((more) => (more.open = true))")
        assert page.evaluate("window.__hit") is None
        assert page.locator(".hostile :is(script, img, svg, a, iframe, form, style, input)").count() == 0
        assert page.locator(".hostile").count() > 40
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    if scheme == "dark" and width < 500:
        return  # the same boxes as in light, the same colours as in wide
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:4]) for one in found] == []
