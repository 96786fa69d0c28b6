"""Who is this account, and what happened before? Facts, risks, strikes, links, timeline and effects of one account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_date

from moderation.cases.models import Case, Note
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.privacy.actions import open_values
from portal.privacy.models import Reveal
from portal.wording import moment, number, plain, short_day, since, span
from risk.intake.models import Account, Standing
from risk.scoring.models import Reason, Score
from risk.strategy.models import Strategy

from . import gauge
from .personal import word_of

DONE_WORDS = {
    "no_action": "Closed without action",
    "warn": "Warned",
    "label": "Labelled",
    "limit_reach": "Reach limited",
    "restrict": "Restricted",
    "suspend": "Suspended",
    "ban": "Banned",
    "demonetize": "Demonetized",
    "hold_payout": "Pay-out held",
    "secure": "Secured",
    "verify_age": "Asked for age",
}
STATE_WORDS = {
    "queued": ("waits to be sent", "warn"),
    "in_flight": ("being sent", "warn"),
    "retrying": ("trying again", "warn"),
    "applied": ("in force", "ok"),
    "stopped": ("stopped", "danger"),
    "unsure": ("not sure it happened", "danger"),
    "skipped": ("skipped by a lead", ""),
    "superseded": ("overtaken, never sent", ""),
    "cancelled": ("cancelled", ""),
    "moot": ("account is gone", ""),
}
STRIKE_LIMIT = 5
STRENGTH = {"payment": 0.95, "payout": 0.95, "phone": 0.9, "device": 0.8, "email": 0.7}
LINK_WORDS = {
    "payment": "payment",
    "payout": "pay-out account",
    "phone": "phone",
    "device": "device",
    "email": "e-mail",
}


def facts(account: Account, *, now: datetime) -> list[tuple[str, str]]:
    """What is known about the account without a person in it."""
    told = account.attributes
    created = parse_date(str(told.get("created_on", ""))) if told.get("created_on") else None
    found = [("Created", _age(created, now)), ("Region", account.country or "not known")]
    for name, word in (("followers_count", "Followers"), ("following_count", "Follows"), ("posts_count", "Posts")):
        if told.get(name) is not None:
            found.append((word, number(told[name]) if isinstance(told[name], int | float) else str(told[name])))
    if account.lang:
        found.append(("Language", account.lang))
    if told.get("verified") is not None:
        found.append(("Verified", "yes" if told["verified"] else "no"))
    found.append(("First told", since(account.first_seen_at, now)))
    return found


def _age(created: date | None, now: datetime) -> str:
    if created is None:
        return "not known"
    days = (now.date() - created).days
    return (
        "today"
        if days <= 0
        else f"{days} days ago"
        if days < 60
        else f"{days // 30} months ago"
        if days < 730
        else f"{days // 365} years ago"
    )


def risks(account: Account, *, lanes: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The newest score of each type these lanes may know of, and apart from them the verdicts that models pushed."""
    titles = {
        row["risk_type"]: row["title"] for row in Strategy.objects.filter(lane__in=lanes).values("risk_type", "title")
    }
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    rows = Score.objects.filter(account=account, latest=True).order_by("-shown", "-raw")
    for row in rows.values("id", "risk_type", "model", "shown", "band", "raw", "at"):
        if row["risk_type"] not in titles:
            continue
        (theirs if row["model"] else ours).append({**row, "title": titles[row["risk_type"]]})
    return ours, theirs


def score_card(score: Score | None) -> dict[str, Any] | None:
    """One score, read and not decoded: number, band, contributions, what was missing, which version."""
    if score is None:
        return None
    card = {
        "shown": score.shown,
        "raw": score.raw,
        "band": score.band,
        "risk_type": plain(score.risk_type),
        "at": score.at,
        "model": score.model,
        "version": "",
        "rows": [],
        "missing": gauge.missing(score.missing or {}),
        "below_zero": score.raw < 0,
        "over": score.raw > 100,
    }
    if not score.model:
        reasons = list(
            Reason.objects.filter(score=score).values("rule", "group", "title", "points", "before_cap", "detail")
        )
        card["rows"] = gauge.contributions(reasons, raw=score.raw)
        card["version"] = f"{score.risk_type} v{score.version.number}" if score.version else ""
    return card


def strikes(account: Account, *, now: datetime) -> dict[str, Any]:
    """Strikes in force with the day they end, and the standing measures."""
    rows = list(Standing.objects.filter(account=account, lifted_at__isnull=True).order_by("-at")[:20])
    active = [row for row in rows if row.strikes and row.strikes_until and row.strikes_until > now]
    return {
        "count": sum(row.strikes for row in active),
        "limit": STRIKE_LIMIT,
        "rows": [
            {
                "policy": row.policy or plain(row.risk_type),
                "strikes": row.strikes,
                "outcome": DONE_WORDS.get(row.outcome, plain(row.outcome)),
                "until": f"{timezone.localtime(row.strikes_until).day} {row.strikes_until:%B %Y}"
                if row.strikes_until
                else "",
            }
            for row in active
        ],
    }


_LINKED = """
SELECT l.kind, o.account_id, a.platform, a.external_id, a.handle_shown, max(o.last_at),
       (SELECT s.outcome FROM risk_standing s
        WHERE s.account_id = o.account_id AND s.lifted_at IS NULL ORDER BY s.at DESC LIMIT 1),
       (SELECT s.at FROM risk_standing s
        WHERE s.account_id = o.account_id AND s.lifted_at IS NULL ORDER BY s.at DESC LIMIT 1)
FROM risk_link l
CROSS JOIN LATERAL (
  SELECT account_id, last_at FROM risk_link o
  WHERE o.kind = l.kind AND o.digest = l.digest AND o.account_id <> l.account_id AND o.cut_at IS NULL
  ORDER BY o.last_at DESC LIMIT 50
) o JOIN risk_account a ON a.id = o.account_id
WHERE l.account_id = %s AND l.cut_at IS NULL AND l.kind = ANY(%s)
GROUP BY 1, 2, 3, 4, 5 LIMIT 200
"""


def linked(account: Account, *, now: datetime) -> list[dict[str, Any]]:
    """Accounts behind the same device, phone, e-mail or payment, strongest kind first; each with its standing."""
    with connection.cursor() as cursor:
        cursor.execute(_LINKED, [account.pk, list(STRENGTH)])
        rows = cursor.fetchall()
    groups: dict[str, dict[str, Any]] = {}
    for kind, pk, platform, external_id, handle, last_at, outcome, at in rows:
        group = groups.setdefault(
            kind,
            {
                "kind": LINK_WORDS[kind],
                "strength": f"{STRENGTH[kind]:.2f}",
                "order": -STRENGTH[kind],
                "accounts": [],
                "removed": 0,
            },
        )
        removed = outcome in ("ban", "suspend")
        group["removed"] += removed
        group["accounts"].append(
            {
                "id": pk,
                "platform": platform,
                "external_id": external_id,
                "name": handle or external_id,
                "last": since(last_at, now),
                "standing": DONE_WORDS.get(outcome, "") if outcome else "",
                "when": span(now - at) if at else "",
                "removed": removed,
            }
        )
    for group in groups.values():
        group["accounts"].sort(key=lambda one: not one["removed"])
        group["latest_removal"] = next((one["when"] for one in group["accounts"] if one["removed"]), "")
    return sorted(groups.values(), key=lambda group: group["order"])


def timeline(account: Account, *, lanes: Sequence[str], now: datetime, most: int = 14) -> list[dict[str, Any]]:
    """What happened before, newest first: scores as they moved, decisions and who made them, cases as they opened."""
    local = timezone.localtime(now)
    entries: list[tuple[datetime, str, str]] = []
    visible = Strategy.objects.filter(lane__in=lanes).values("risk_type")
    scores = (
        Score.objects.filter(account=account, model="", risk_type__in=visible, shown__gt=0)
        .order_by("-at")
        .values("risk_type", "shown", "at")
    )
    entries += [(row["at"], f"{plain(row['risk_type'])} score {row['shown']}", "") for row in scores[:6]]
    decisions = Decision.objects.filter(account=account, case__lane__in=lanes).order_by("-made_at")
    for row in decisions.values(
        "made_at", "outcome", "status", "made_by__username", "policy__code", "reverses_id", "approved_by__username"
    )[:8]:
        entries.append((row["made_at"], _decided(row), ""))
    cases = (
        Case.objects.filter(account=account, lane__in=lanes)
        .order_by("-opened_at")
        .values("id", "opened_at", "queue__title")
    )
    entries += [
        (row["opened_at"], f"Case {number(row['id'])} opened in {row['queue__title']}", f"/cases/{row['id']}/")
        for row in cases[:5]
    ]
    entries += _reveals(account, lanes=lanes)
    entries.append((account.first_seen_at, "First told about", ""))
    entries.sort(key=lambda entry: entry[0], reverse=True)
    return [
        {
            "when": short_day(timezone.localtime(at), local),
            "exact": moment(timezone.localtime(at)),
            "text": text,
            "url": url,
        }
        for at, text, url in entries[:most]
    ]


def _reveals(account: Account, *, lanes: Sequence[str]) -> list[tuple[datetime, str, str]]:
    """Who was shown personal data, on cases of these lanes."""
    rows = list(
        Reveal.objects.filter(subject=account.pk).order_by("-at").values_list("at", "name", "by__username", "case")[:8]
    )
    numbers = [row[3] for row in rows if row[3]]
    known = set(Case.objects.filter(pk__in=numbers, lane__in=lanes).values_list("pk", flat=True)) if numbers else set()
    return [
        (at, f"{word_of(name)} shown to {username}", f"/cases/{case}/" if case else "")
        for at, name, username, case in rows
        if case is None or case in known
    ]


def _decided(row: Mapping[str, Any]) -> str:
    verb = "Reversed" if row["reverses_id"] else DONE_WORDS.get(row["outcome"], plain(row["outcome"]))
    state = {
        "proposed": ", proposed",
        "undone": ", undone",
        "declined": ", declined",
        "reversed": ", reversed since",
        "held": ", not yet released",
    }
    policy = f", {row['policy__code']}" if row["policy__code"] else ""
    second = f" and {row['approved_by__username']}" if row["approved_by__username"] else ""
    return f"{verb} by {row['made_by__username']}{second}{policy}{state.get(row['status'], '')}"


def effects(account: Account, *, now: datetime, case: Case | None = None, most: int = 8) -> list[dict[str, Any]]:
    """What the platform was told to do, in which state each is, with its attempts."""
    rows = Enforcement.objects.filter(account=account)
    if case is not None:
        rows = rows.filter(decision__case=case)
    found = []
    for row in rows.order_by("-seq").prefetch_related("tries")[:most]:
        word, tone = STATE_WORDS.get(row.status, (plain(row.status), ""))
        if row.kind in ("notify", "warn") and row.status == Enforcement.Status.APPLIED:
            word = "delivered"
        found.append(
            {
                "id": row.pk,
                "kind": plain(row.kind),
                "word": word,
                "tone": tone,
                "detail": row.detail,
                "seq": row.seq,
                "scope": plain(row.scope),
                "until": row.until,
                "waits_until": row.due_at if row.delayed and row.due_at > now else None,
                "ordered": since(row.ordered_at, now),
                "settled_at": row.settled_at,
                "open": row.status in Enforcement.OPEN,
                "tries": [
                    {"number": one.number, "at": one.at, "outcome": plain(one.outcome), "detail": one.detail}
                    for one in row.tries.all()
                ],
            }
        )
    return found


def notes_of(case: Case) -> list[dict[str, Any]]:
    """Remarks of colleagues on a case, oldest first."""
    rows = list(Note.objects.filter(case=case).order_by("at").values("at", "text", "by__username")[:50])
    words = open_values([row["text"] for row in rows]) if rows else {}
    return [{"at": row["at"], "by": row["by__username"], "text": words.get(row["text"], "(erased)")} for row in rows]
