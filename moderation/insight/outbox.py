"""What is on its way to the platforms? One page of actions with their attempts, and the state of each backend."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, Min, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from moderation.enforcement import notices
from moderation.enforcement.connector import descriptions
from moderation.enforcement.models import AccountSequence, Attempt, Backend, Enforcement
from moderation.enforcement.reconciling import can_be_read, healed
from portal import cursor
from portal.people.models import User
from portal.people.permissions import Permission
from portal.wording import plain, span

PAGE = 50
MOST = 10_000
AGES = {
    "1h": ("over 1 h", timedelta(hours=1)),
    "4h": ("over 4 h", timedelta(hours=4)),
    "24h": ("over 24 h", timedelta(hours=24)),
}
COLUMNS = (
    "id",
    "kind",
    "status",
    "scope",
    "until",
    "ordered_at",
    "due_at",
    "next_attempt_at",
    "settled_at",
    "attempts",
    "detail",
    "backend_id",
    "seq",
    "parent_id",
    "parent__kind",
    "account__platform",
    "account__external_id",
    "decision__case_id",
)
TONES = {"applied": "ok", "stopped": "danger", "unsure": "warn", "retrying": "warn"}


def page_of(user: User, given: Mapping[str, str], *, now: datetime) -> tuple[list[dict[str, Any]], str | None]:
    """One page of actions, newest first, of the state, backend and age asked for, with their attempts."""
    found = Enforcement.objects.visible_to(user)
    state = given.get("state", "")
    if state == "open":
        found = found.filter(status__in=Enforcement.OPEN)
    elif state in Enforcement.Status.values:
        found = found.filter(status=state)
    if backend := given.get("backend"):
        found = found.filter(backend=backend)
    if given.get("age") in AGES:
        found = found.filter(ordered_at__lte=now - AGES[given["age"]][1])
    if mark := given.get("cursor"):
        when, pk = cursor.decode(mark, datetime, UUID)
        found = found.filter(Q(ordered_at__lt=when) | Q(ordered_at=when, pk__lt=pk), ordered_at__lte=when)
    page = list(found.order_by("-ordered_at", "-id").values(*COLUMNS)[: PAGE + 1])
    after = cursor.encode(page[PAGE - 1]["ordered_at"], page[PAGE - 1]["id"]) if len(page) > PAGE else None
    return _rows(user, page[:PAGE], now=now), after


def one(user: User, pk: UUID, *, now: datetime) -> dict[str, Any]:
    """One action as the page shows it."""
    return _rows(user, list(Enforcement.objects.visible_to(user).filter(pk=pk).values(*COLUMNS)), now=now)[0]


def backends(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Each backend with its switch, and how many actions are not settled and since when."""
    counts: dict[str, Any] = {
        row["backend"]: row
        for row in Enforcement.objects.visible_to(user)
        .open()
        .values("backend")
        .annotate(n=Count("pk"), oldest=Min("ordered_at"), stopped=Count("pk", filter=Q(status="stopped")))
    }
    drift = _drift(user, now=now)
    rows = []
    for backend in Backend.objects.select_related("paused_by").order_by("name"):
        mine = counts.get(backend.name, {"n": 0, "oldest": None, "stopped": 0})
        state, tone = "applying", "ok"
        if backend.paused_at:
            state, tone = f"paused by {backend.paused_by}", "danger"
        elif backend.open_until and backend.open_until > now:
            state, tone = "not answering; tried again soon", "warn"
        rows.append(
            {
                "name": backend.name,
                "state": state,
                "tone": tone,
                "paused": backend.paused_at is not None,
                "why": backend.paused_why,
                "n": mine["n"],
                "stopped": mine["stopped"],
                "oldest": span(now - mine["oldest"]) if mine["oldest"] else "",
                "compared": drift.get(backend.name),
                "read_back": can_be_read(descriptions()[backend.name]) if backend.name in descriptions() else False,
            }
        )
    return rows


def _drift(user: User, *, now: datetime) -> dict[str, dict[str, Any]]:
    """How accounts this person may know of stand on their platforms; counts are exact up to `MOST`."""
    day = now - timedelta(hours=24)
    mine = AccountSequence.objects.filter(Exists(Enforcement.objects.visible_to(user).filter(account=OuterRef("pk"))))
    found: dict[str, dict[str, Any]] = {}
    for name in Backend.objects.values_list("name", flat=True):
        here = mine.filter(backend=name)
        last = here.filter(looked_at__isnull=False).order_by("-looked_at").values_list("looked_at", flat=True).first()
        if last is None:
            continue
        differ = Counter(here.filter(found__in=("lost", "foreign", "untold")).values_list("found", flat=True)[:MOST])
        healed_here = healed(day).visible_to(user).filter(backend=name)
        found[name] = {
            "last": last,
            "looked": here.filter(looked_at__gt=day)[:MOST].count(),
            "healed": healed_here.count(),
            **{way: differ[way] for way in ("lost", "foreign", "untold")},
        }
    return found


def _rows(user: User, page: list[dict[str, Any]], *, now: datetime) -> list[dict[str, Any]]:
    tries: dict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(enforcement__in=[row["id"] for row in page]).order_by("number"):
        tries[attempt.enforcement_id].append(attempt)
    vain = [row["id"] for row in page if row["kind"] == "notify" and row["status"] in Enforcement.STANDS]
    overtaken = notices.overtaken_of(vain) if vain else set()
    return [_row(user, row, tries[row["id"]], overtaken=row["id"] in overtaken, now=now) for row in page]


def _row(user: User, row: dict[str, Any], tries: list[Attempt], *, overtaken: bool, now: datetime) -> dict[str, Any]:
    platform, external_id = row["account__platform"], row["account__external_id"]
    reads = user.may(Permission.ACCOUNT_READ)
    return {
        **row,
        "tries": tries,
        "tone": TONES.get(row["status"], ""),
        "state": plain(row["status"]),
        "words": plain(row["kind"]),
        "heals": row["parent__kind"] == row["kind"] != "notify",
        "account": f"{platform} {external_id}",
        "stands": row["status"] in Enforcement.STANDS,
        "overtaken": overtaken,
        "account_url": reverse("account", args=[platform, external_id]) if reads else "",
        "case_url": reverse("case", args=[row["decision__case_id"]]) if user.may(Permission.CASE_READ) else "",
        "again": _again(row, now=now),
        "follows": row["kind"] == "notify",
    }


def _again(row: dict[str, Any], *, now: datetime) -> str:
    """What an action waits for that is not its turn."""
    if row["next_attempt_at"] <= now:
        return ""
    if row["status"] == "retrying":
        return f"next try in {span(row['next_attempt_at'] - now)}"
    delayed = row["status"] == "queued" and not row["attempts"] and row["due_at"] > row["ordered_at"]
    return f"waits until {timezone.localtime(row['due_at']):%H:%M} (delay of the policy)" if delayed else ""
