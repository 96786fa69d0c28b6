"""Who vouches for the log in these tests? A signer with a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.audit import signing


@pytest.fixture
def signer(real_commits: None, tmp_path: Path, settings: Any) -> Iterator[signing.Signer]:
    """The signer of this log; real commits, and its record in a folder of the test."""
    settings.SIGNER_DIR = tmp_path / "signer"
    one = signing.Signer()
    yield one
    one.close()
