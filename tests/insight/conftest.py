"""What do the tests of insight stand on? Decisions told through the real actions, and browsers of people."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from moderation.enforcement.models import Enforcement
from moderation.insight import exports
from moderation.insight.models import Export
from tests import make

from .exported import ask


@pytest.fixture
def signed_in() -> Callable[[Any], Client]:
    """A browser in which somebody has signed in."""

    def sign_in(user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the pages believe that it is some minutes past noon: `told(minutes=20)`."""

    def tell(**some: float) -> None:
        monkeypatch.setattr("portal.clock.now", lambda: make.later(**some))

    return tell


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Path:
    """Where exports are kept: a folder of this test."""
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def made(provers: Any, data_dir: Path) -> Callable[..., Any]:
    """Ask for an export and let a worker make it: the row, and the zip."""

    def do(by: Any, **asked: Any) -> tuple[Export, zipfile.ZipFile]:
        export = ask(by, **asked)
        assert exports.make(export.pk, clock=timezone.now, pause=provers.prove), Export.objects.get(pk=export.pk).detail
        export.refresh_from_db()
        return export, zipfile.ZipFile(exports.folder() / export.path)

    return do


def decide(by: Any, *, minutes: int = 0, took: int = 4, shown: int = 60, **word: Any) -> Any:
    """A case that came `minutes` after noon, was claimed a minute later and decided after `took` more."""
    opened = make.later(minutes=minutes)
    from moderation.cases import actions as cases

    case = make.make_case(now=opened, shown=shown)
    case = cases.claim(case, by=by, now=opened + timedelta(minutes=1), limits=False)
    return make.make_decision(at="released", by=by, case=case, now=opened + timedelta(minutes=1 + took), **word)


def apply(decision: Any, *, after: float) -> None:
    """Say that the platform applied what a decision ordered, so many minutes after its case was opened."""
    at = decision.case.opened_at + timedelta(minutes=after)
    mine = Enforcement.objects.filter(decision=decision)
    mine.update(status="in_flight", lease_token=uuid4(), lease_until=at, attempts=1)
    mine.update(status="applied", settled_at=at)
