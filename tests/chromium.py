"""Which browser do the tests look with? One Chromium for a run, with the switches that keep it quiet."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop runs in the thread of the test

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-sandbox",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for the run."""
    from playwright.sync_api import sync_playwright

    binary = (
        os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        browser = (
            playwright.chromium.launch(executable_path=binary, args=list(FLAGS))
            if binary
            else playwright.chromium.launch(args=list(FLAGS))
        )
        stack.callback(browser.close)
        yield browser
