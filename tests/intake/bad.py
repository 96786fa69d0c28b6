"""Which signals are wrong, and where?

One example of each kind of wrong, as text of a line, with the path it must name.
"""

from __future__ import annotations

import json
from typing import Any

GOOD: dict[str, Any] = {
    "source": "s",
    "external_id": "e",
    "kind": "user_report",
    "occurred_at": "2026-11-20T09:14:03Z",
    "account": {"platform": "main", "id": "48211", "attributes": {"followers_count": 12}},
    "data": {"reason": "spam", "reporter": "9920"},
}


def good(**parts: Any) -> dict[str, Any]:
    """A sound signal, with some parts replaced; a part given as `...` is left out."""
    merged = json.loads(json.dumps(GOOD)) | parts
    return {key: value for key, value in merged.items() if value is not ...}


def line(**parts: Any) -> str:
    """The same as a line."""
    return json.dumps(good(**parts))


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    return [nested(depth - 1)] if depth else 1


# name → (a line, the path of what is wrong)
BAD: dict[str, tuple[str, str]] = {
    "an unknown key at the top": (line(colour="red"), "$.colour"),
    "an unknown kind": (line(kind="sneeze"), "$.kind"),
    "no kind": (line(kind=...), "$.kind"),
    "a source that is a number": (line(source=7), "$.source"),
    "no source": (line(source=...), "$.source"),
    "an empty external id": (line(external_id=" "), "$.external_id"),
    "an external id of 129 characters": (line(external_id="x" * 129), "$.external_id"),
    "a time without a zone": (line(occurred_at="2026-11-20T09:14:03"), "$.occurred_at"),
    "a time far ahead": (line(occurred_at="2096-11-20T13:00:00Z"), "$.occurred_at"),
    "a time that is none": (line(occurred_at="yesterday"), "$.occurred_at"),
    "no account": (line(account=...), "$.account"),
    "an account that is text": (line(account="48211"), "$.account"),
    "an account without an id": (line(account={"platform": "main"}), "$.account.id"),
    "an unknown key in the account": (line(account={"platform": "main", "id": "1", "name": "x"}), "$.account.name"),
    "a count that is text": (
        line(account={"platform": "main", "id": "1", "attributes": {"followers_count": "many"}}),
        "$.account.attributes.followers_count",
    ),
    "a count that is true": (
        line(account={"platform": "main", "id": "1", "attributes": {"posts_count": True}}),
        "$.account.attributes.posts_count",
    ),
    "a flag that is 1": (
        line(account={"platform": "main", "id": "1", "attributes": {"verified": 1}}),
        "$.account.attributes.verified",
    ),
    "a day that is none": (
        line(account={"platform": "main", "id": "1", "attributes": {"created_on": "2026-13-40"}}),
        "$.account.attributes.created_on",
    ),
    "a reporter that is a number": (line(data={"reason": "spam", "reporter": 9920}), "$.data.reporter"),
    "data that is a list": (line(data=[1]), "$.data"),
    "a word that is not one of the words": (line(kind="owner_report", data={"reason": "bored"}), "$.data.reason"),
    "a time in the data without a zone": (line(kind="enforcement", data={"until": "2026-12-01"}), "$.data.until"),
    "an integer beyond 2^53": (line(data={"seconds": 2**53}), "$.data.seconds"),
    "NaN": (line(data={"share": float("nan")}), "$.data.share"),
    "infinity by overflow": (line().replace('"spam"', "1e999"), "$.data.reason"),
    "half of a surrogate pair": (line(data={"text": "\ud83d"}), "$.data.text"),
    "a NUL in an id": (line(external_id="a\x00b"), "$.external_id"),
    "a link of an unknown kind": (line(links=[{"kind": "shoe", "value": "1"}]), "$.links[0].kind"),
    "a link without a value": (line(links=[{"kind": "ip"}]), "$.links[0].value"),
    "a verdict of 101": (line(scores=[{"risk_type": "spam", "score": 101, "model": "m"}]), "$.scores[0].score"),
    "a verdict without a model": (line(scores=[{"risk_type": "spam", "score": 90}]), "$.scores[0].model"),
    "a nest of twenty": (line(data={"deep": nested(20)}), "$.data.deep" + "[0]" * 14),
    "more than 64 KiB": (line(data={"text": "x" * 65_536}), "$"),
    "no object": ("[1, 2]", "$"),
    "no JSON": ('{"source": "s", ', "$"),
    "a bare word": ("spam", "$"),
}
