"""Lena is a second lead: she proposes, Ben approves."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def lena(person: Any) -> Any:
    """Lena leads too: she proposes group decisions."""
    return person("lena", "lead")


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: Any) -> None:
    """Groups of two and three: what is tried here does not depend on how many they are."""
    monkeypatch.setattr("moderation.bulk.actions.LEAST", 1)
