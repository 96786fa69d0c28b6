"""Does a user agent name a known crawler? The published patterns, as one expression that runs in linear time."""

from __future__ import annotations

from functools import cache, lru_cache

import polars as pl

MAX_AGENT = 512


@lru_cache(maxsize=16_384)
def is_known_crawler(agent: str) -> bool:
    """Whether one of the published crawler patterns stands in the user agent (its first 512 characters)."""
    return bool(pl.select(pl.lit(agent[:MAX_AGENT]).str.contains(_patterns())).item())


@cache
def _patterns() -> str:
    import crawleruseragents  # here, because it reads a megabyte and most processes never ask

    return "|".join(f"(?:{row['pattern']})" for row in crawleruseragents.CRAWLER_USER_AGENTS_DATA)
