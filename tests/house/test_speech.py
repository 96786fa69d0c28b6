"""Does the project speak only of itself?

No machine's paths, no package host but the public ones, nothing left undone.
"""

from __future__ import annotations

import re

import pytest

from .source import ROOT, tracked

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".lock",
    ".html",
    ".css",
    ".js",
    ".yml",
    ".yaml",
    ".csv",
    ".sql",
    ".json",
    ".cfg",
    "",
}
FILES = [path for path in tracked() if path.suffix in TEXT and path != ROOT / "tests/house/test_speech.py"]
FORBIDDEN = {
    "a path of one machine": r"(?<![\w./])/(?:work|home|root|Users|mnt)/\w",
    "the address of a package host": r"https?://[^\s\"')]*(?:/simple\b|pypi|artifactory|nexus|devpi)[^\s\"')]*|--(?:extra-)?index-url|--trusted-host",
    "something left undone": r"\b(?:TODO|FIXME|XXX|HACK)\b",
    "a key that was pasted": r"-----BEGIN (?:\w+ )?PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what):
    found = [
        f"{path.relative_to(ROOT)}: {hit.group()[:60]}"
        for path in FILES
        if (hit := re.search(FORBIDDEN[what], path.read_text(encoding="utf-8", errors="replace")))
    ]

    assert found == []
