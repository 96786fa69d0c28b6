"""What is the rule language?

One text: checked by sqlglot (`grammar`), run by Polars on one account or a million (`engine`).
"""

from __future__ import annotations

from .engine import frame_of, hold, holds, to_polars
from .grammar import BadRule, Condition, check, checked

__all__ = ["BadRule", "Condition", "check", "checked", "frame_of", "hold", "holds", "to_polars"]
