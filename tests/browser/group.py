"""Which group decisions stand in the small world? Lena, a second lead, and sixty accounts that post one text."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any


def second_lead(now: datetime) -> Any:
    """Lena leads too."""
    from portal.people import actions
    from portal.people.models import User

    if lena := User.objects.filter(username="lena").first():
        return lena
    system = User.objects.service("system")
    lena = actions.create_user("lena", by=system, now=now, password="a-long-word-for-tests", display_name="Lena")
    actions.grant(lena, "lead", by=system, now=now)
    return User.objects.get(pk=lena.pk)


def sellers(count: int, now: datetime) -> list[Any]:
    """Accounts with a score of spam each."""
    from risk.scoring.models import Score
    from tests.make import make_row_account, make_score

    made = []
    for number in range(count):
        account = make_row_account(now=now)
        type(account).objects.filter(pk=account.pk).update(handle_shown=f"se•••_{number}")
        score = make_score(account, shown=75 - number % 20, now=now)
        Score.objects.filter(pk=score.pk).update(band="high" if score.shown >= 70 else "review")
        made.append(account)
    return made


def groups(ben: Any, now: datetime) -> dict[str, Any]:
    """One that paused after its first 50, one that waits for a second lead; by name."""
    from moderation.bulk import actions
    from tests.make import make_row_account

    lena = second_lead(now)
    word: dict[str, Any] = {
        "risk_type": "spam", "outcome": "suspend", "reason_code": "bulk_messages", "until": now + timedelta(days=7),
        "note": "All sixty post the same text through one scheduling service, to people who never wrote to them.",
    }  # fmt: skip
    made = {}
    for name in ("bulk_paused", "bulk_proposed"):
        accounts = [*sellers(60, now), *(make_row_account(is_protected=True, now=now) for _ in range(3))]
        bulk = actions.propose(
            [account.pk for account in accounts], by=lena, now=now, typed=60, request_key=f"{name}-of-lena",
            chosen={"by": "filter", "lowest": 55, "highest": 100, "rule": "near_duplicates"}, unknown=2, **word,
        )  # fmt: skip
        made[name] = bulk.pk
        if name == "bulk_paused":
            actions.approve(bulk, by=ben, now=now)
            actions.run_some(bulk, now=now, limit=100)
    return made
