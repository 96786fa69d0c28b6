"""Do the documents say what the code does? Drawn pages are current, and the version has one home."""

from __future__ import annotations

import re
import tomllib

from django.conf import settings

from portal import states

from .source import ROOT


def test_the_drawn_states_are_current():
    assert (ROOT / "docs/states.md").read_text(encoding="utf-8") == states.page(), "run `make states`"


def test_the_changelog_names_the_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert settings.VERSION != "0.0.0"
    assert project["version"] == settings.VERSION


def test_every_file_a_document_links_to_exists():
    broken = []
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for goal in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / goal).exists():
                broken.append(f"{page.relative_to(ROOT)} → {goal}")

    assert broken == []


def test_the_documents_a_stranger_looks_for_are_there():
    wanted = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THREAT_MODEL.md", "LICENSE", "docs/operations.md"]

    assert [name for name in wanted if not (ROOT / name).exists()] == []
    assert sorted((ROOT / "docs/adr").glob("0001-*.md"))


def test_every_decision_record_has_its_three_parts():
    for record in (ROOT / "docs/adr").glob("*.md"):
        text = record.read_text(encoding="utf-8")
        assert [part for part in ("## Context", "## Decision", "## Consequences") if part not in text] == [], (
            record.name
        )


def test_every_make_target_a_document_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (page.name, target)
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))
    }

    assert {(page, target) for page, target in named if target not in targets} == set()
