"""What is shipped? The strategies, named lists and regions in `defaults/`, as data."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

DEFAULTS = Path(__file__).parent / "defaults"
REGIONS, LISTS = "regions.toml", "lists.toml"


def shipped_strategies() -> list[dict[str, Any]]:
    """The shipped strategies, one file per risk type."""
    files = sorted(path for path in DEFAULTS.glob("*.toml") if path.name not in (REGIONS, LISTS))
    return [tomllib.loads(path.read_text(encoding="utf-8")) for path in files]


def shipped_lists() -> dict[str, list[str]]:
    """The shipped named lists: those written out here, and the throw-away mail hosts that a package publishes."""
    import disposable_email_domains

    told: dict[str, list[str]] = tomllib.loads((DEFAULTS / LISTS).read_text(encoding="utf-8"))["lists"]
    hosts = {*disposable_email_domains.blocklist, *told["disposable_email_domains"]}
    return {**told, "disposable_email_domains": sorted(hosts)}


def min_age(country: str) -> int:
    """The minimum age of a region; 13 unless the region sets another."""
    ages = _ages()
    return ages["regions"].get(country.lower(), ages["default"])  # type: ignore[no-any-return]


@cache
def _ages() -> dict[str, Any]:
    return tomllib.loads((DEFAULTS / REGIONS).read_text(encoding="utf-8"))["min_age"]  # type: ignore[no-any-return]


def read_json(value: Any) -> dict[str, Any]:
    """A jsonb column as Django's connection hands it to a raw cursor: text."""
    return json.loads(value) if isinstance(value, str) else value or {}
