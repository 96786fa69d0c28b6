"""How does a test look at real pages? A live server on a real database, Chromium, and an ear for CSP violations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.browser.world import World, tell

SHOTS = Path(__file__).resolve().parent.parent / "screenshots"
LISTEN = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@pytest.fixture(scope="module")
def served(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[str, World]]:
    """A live server over a small world whose rows are really committed; all tests of a module share it."""
    from django.db import connections
    from django.utils import timezone
    from pytest_django.live_server_helper import LiveServer

    from tests.conftest import _empty_tables

    with django_db_blocker.unblock():
        _empty_tables()
        world = tell(timezone.now())
        server = LiveServer("127.0.0.1")
        try:
            yield server.url, world
        finally:
            server.stop()
            for connection in connections.all():
                connection.close()
            _empty_tables()


@pytest.fixture(scope="module")
def provers(served: tuple[str, World], tmp_path_factory: Any, django_db_blocker: Any) -> Iterator[Any]:
    """Who seals and signs the log of that world: `exports.make(…, pause=provers.prove)`."""
    from django.test import override_settings

    from tests.provers import Provers

    folder = tmp_path_factory.mktemp("signer")
    with override_settings(SIGNER_DIR=folder), django_db_blocker.unblock():
        both = Provers(folder)
        yield both
        both.close()


PAGES: pytest.StashKey[list[Any]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that fails says what its pages showed: a wait that ran out alone tells nothing."""
    report = yield
    if report.when == "call" and report.failed:
        for page in item.stash.get(PAGES, []):
            with suppress(Exception):
                report.sections.append((f"page {page.url}", page.inner_text("body")))
    return report


@pytest.fixture
def visit(
    chromium: Any, served: tuple[str, World], django_db_blocker: Any, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Any]]:
    """Open the house as somebody: `page = visit("ada")`; at the end no page had a CSP violation or a script error."""
    url, _ = served
    contexts, errors = [], []
    pages = request.node.stash[PAGES] = []

    def open_as(
        name: str = "",
        *,
        width: int = 1440,
        height: int = 900,
        scheme: str = "light",
        script: bool = True,
        start: bool = True,
    ) -> Any:
        context = chromium.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=script,
            reduced_motion="reduce",
            locale="en-GB",
        )
        contexts.append(context)
        context.set_default_timeout(30_000)  # a machine with other work to do is no failure
        if script:
            context.add_init_script(LISTEN)
        if name:
            with django_db_blocker.unblock():
                context.add_cookies([signed_in(url, name)])
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None,
        )
        pages.append(page)
        if name and start:
            page.goto("/")
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert not errors, errors


def signed_in(url: str, name: str) -> dict[str, Any]:
    """The cookie of a session, so that no test waits for a slow password hash; the door has a test of its own."""
    from django.conf import settings
    from django.test import Client

    from portal.people.models import User

    client = Client()
    client.force_login(User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return {
        "name": settings.SESSION_COOKIE_NAME,
        "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        "url": url,
    }
