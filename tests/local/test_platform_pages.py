"""Can everybody read the stand-in platform's pages, in both schemes and on a telephone?"""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from portal.local.platform import Platform

from .test_platform import act


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_its_pages_have_no_accessibility_violation(tmp_path: Path, chromium: Browser, scheme: str, width: int) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with Platform(data=tmp_path / "p.jsonl", secret="secret", demo=tmp_path / "demo.json") as platform:
        act(platform.url, "k1", 1, "suspend", until="2026-12-01T00:00:00Z")
        act(platform.url, "k2", 2, "restrict", scope="live")
        act(platform.url, "k3", 3, "notify", notice={"text": "You are suspended.", "language": "en", "template": "N"})
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        for path in ("/", "/?said=worker", "/?account=nobody", "/accounts/main/48211"):
            page.goto(platform.url + path)
            found = Axe().run(page)
            assert [rule["id"] for rule in found.response["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()

    assert [text for text in said if "favicon" not in text] == []
