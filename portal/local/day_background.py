"""Who else is there? 1,600 accounts that do nothing wrong, 15 signals an hour over 14 days, by day and night."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

from .day_data import counts, texts

FIRST, ACCOUNTS = 60001, 1600
DAYS, AN_HOUR = 14, 15
SOURCE = "background"


def signals(ready_at: datetime) -> list[dict[str, Any]]:
    """All 5,040, in order of time; each account speaks at least once and first says what it is."""
    rng = random.Random(60)
    total = DAYS * 24 * AN_HOUR
    times = sorted(_times(ready_at, total, rng))
    speakers = [str(FIRST + number) for number in range(ACCOUNTS)]
    speakers += [str(FIRST + int(ACCOUNTS * rng.random() ** 1.6)) for _ in range(total - ACCOUNTS)]
    rng.shuffle(speakers)
    seen: set[str] = set()
    told = []
    for number, (at, speaker) in enumerate(zip(times, speakers, strict=True)):
        told.append(one(f"b-{number}", speaker, at, rng, first=speaker not in seen))
        seen.add(speaker)
    return told


def one(external_id: str, account: str, at: datetime, rng: random.Random, *, first: bool = False) -> dict[str, Any]:
    """One harmless thing that one account did."""
    kind, data = _deed(rng)
    return {
        "source": SOURCE,
        "external_id": external_id,
        "kind": kind,
        "occurred_at": at.isoformat(),
        "account": {"platform": "main", "id": account, "attributes": _attributes(account, at) if first else {}},
        "data": data,
    }


def weight(at: datetime) -> float:
    """How much happens in this hour: little before dawn, most in the evening, more on week-ends."""
    rhythm = 1.0 + 0.75 * math.sin((at.hour - 9) / 24 * 2 * math.pi)
    return rhythm * (1.25 if at.weekday() >= 5 else 1.0)


def _times(ready_at: datetime, total: int, rng: random.Random) -> list[datetime]:
    hours = [ready_at - timedelta(hours=number + 1) for number in range(DAYS * 24)]
    chosen = rng.choices(hours, [weight(hour) for hour in hours], k=total)
    return [hour + timedelta(seconds=rng.uniform(0, 3599)) for hour in chosen]


def _attributes(account: str, at: datetime) -> dict[str, Any]:
    rng = random.Random(account)
    lang = rng.choices(list(counts()["languages"]), list(counts()["languages"].values()))[0]
    age = int(60 + 3600 * rng.random() ** 1.5)
    followers = int(55 + math.exp(rng.gauss(4.6, 1.1)))
    return {
        "handle": f"{rng.choice(texts()['names'])}.{rng.choice(texts()['things'])}{account[-3:]}",
        "bio": rng.choice(texts()["bios"][lang]),
        "country": rng.choices(list(counts()["regions"]), list(counts()["regions"].values()))[0],
        "lang": lang,
        "created_on": (at - timedelta(days=age)).date().isoformat(),
        "default_profile_image": rng.random() < 0.06,
        "followers_count": followers,
        "following_count": int(followers * rng.uniform(0.4, 1.8)),
        "posts_count": int(age * rng.uniform(0.01, 0.3)),
        "likes_given_count": int(age * rng.uniform(0.1, 2.0)) + 20,
        "email": f"{account}@{rng.choice(('post.example', 'mail.example', 'letters.example'))}",
    }


def _deed(rng: random.Random) -> tuple[str, dict[str, Any]]:
    match rng.choices(("post", "message", "login", "follow"), (5, 3, 3, 1))[0]:
        case "post":
            return "post", {
                "posts": rng.randint(1, 4), "near_duplicates": 0, "links": 0, "new_domain_links": 0, "domains": [],
                "window_minutes": 60, "sample": rng.choice(texts()["samples"]["background"]),
            }  # fmt: skip
        case "message":
            sent = rng.randint(1, 9)
            return "message", {
                "sent": sent, "distinct_targets": rng.randint(1, min(sent, 4)), "replies": rng.randint(1, sent),
                "near_duplicates": 0, "window_minutes": 60,
            }  # fmt: skip
        case "login":
            return "login", {
                "network": rng.choice(("residential", "mobile")), "new_device": rng.random() < 0.05,
                "country_changed": False, "mfa": rng.random() < 0.2,
            }  # fmt: skip
        case _:
            sent = rng.randint(1, 6)
            return "follow", {"sent": sent, "accepted": sent, "refused": 0, "window_hours": 1}
