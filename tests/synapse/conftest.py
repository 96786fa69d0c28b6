"""What do these tests stand on? A homeserver for the run, and our settings pointing at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.enforcement.conftest import ordered  # noqa: F401 - a fixture of these tests too

from .homeserver import Homeserver, NotInstalled, environment


@pytest.fixture(scope="session")
def one_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """One for the run. Where its packages cannot be had a desk goes on without; a build fails."""
    try:
        packages = environment()
    except NotInstalled as why:
        if os.environ.get("CI"):
            pytest.fail(f"matrix-synapse could not be installed: {why}")
        pytest.skip(f"matrix-synapse could not be installed: {why}")
    running = Homeserver(packages, tmp_path_factory.mktemp("synapse"))
    yield running
    running.kill()


@pytest.fixture
def homeserver(one_homeserver: Homeserver, settings: Any) -> Homeserver:
    """The homeserver, and our settings pointing at it."""
    if one_homeserver.process is None or one_homeserver.process.poll() is not None:
        one_homeserver.start()  # a test that killed it failed before it was up again
    settings.SYNAPSE_URL, settings.SYNAPSE_TOKEN = one_homeserver.url, one_homeserver.admin
    settings.ENFORCEMENT_HOSTS = [one_homeserver.url.removeprefix("http://")]
    return one_homeserver
