"""What kind of account is this?

A card of behaviour, not of identity, put together from scores and what stands around them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .explain import missing_sentence


def score_line(score: Mapping[str, Any], reasons: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One score as the card shows it; a verdict made elsewhere says whose it is and has no reasons of ours."""
    line = {
        "risk_type": score["risk_type"],
        "raw": score["raw"],
        "score": score["shown"],
        "band": score["band"],
        "calibrated": None,  # points only, until there are labels enough to turn them into a chance
        "at": score["at"],
        "strategy": f"{score['risk_type']} v{score['number']}" if score["number"] else None,
        "reasons": [dict(reason) for reason in reasons],
        "not_evaluated": {rule: missing_sentence(names) for rule, names in score["missing"].items()},
    }
    if score["model"]:
        line["model"] = score["model"]
    return line


def worst_first(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lines in the order people read them: highest points first, ours before those of models."""
    return sorted(lines, key=lambda line: (-line["raw"], "model" in line, line["risk_type"]))


def headline(scores: Iterable[Mapping[str, Any]]) -> tuple[float, str]:
    """Severity × score of the worst type, never a sum over types; and which type it is. (0, "") where there is none."""
    worst = max(scores, key=lambda score: (score["urgency"], score["raw"]), default=None)
    return (worst["urgency"] / 10, worst["risk_type"]) if worst and worst["urgency"] else (0.0, "")


def card(
    account: Mapping[str, Any],
    scores: Sequence[Mapping[str, Any]],
    reasons: Mapping[int, Sequence[Mapping[str, Any]]],
    *,
    strikes: int,
    links: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The card: who by platform and id, scores with their reasons, the headline, strikes, links by kind of value."""
    value, worst = headline(scores)
    return {
        "platform": account["platform"],
        "id": account["external_id"],
        "handle": account["handle_shown"],
        "country": account["country"],
        "lang": account["lang"],
        "first_seen_at": account["first_seen_at"],
        "last_seen_at": account["last_seen_at"],
        "scores": worst_first(score_line(score, reasons.get(score["id"], ())) for score in scores),
        "headline": value,
        "headline_type": worst,
        "strikes": strikes,
        "labels": [],
        "links": [
            {
                "platform": link["platform"],
                "id": link["id"],
                "handle": link["handle"],
                "kinds": link["kinds"],
                "last_at": link["last_at"],
                "standing": link["standing"],
            }
            for link in links
        ],
    }
