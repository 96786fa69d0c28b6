"""What does a lead, an auditor see? Dashboards with the rows behind them, and the log."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from moderation.cases.models import Queue
from portal import clock
from portal.audit.canonical import payload_hash
from portal.audit.sentences import SENTENCES
from portal.people.models import User
from portal.people.permissions import Permission, requires

from . import actions, dashboards, history, naming, own, periods, rows, tiles
from .cells import csv_text

LOG_PAGE = 50
MOST_RULES = 15  # on the dashboard itself, by cases; its table holds them all


# --- Dashboards -----------------------------------------------------------------------------------------------------


def _scope(request: HttpRequest) -> tuple[User, periods.Period, Queue | None, Any]:
    user: User = request.user  # type: ignore[assignment]
    now = clock.now()
    given = {key: str(value) for key, value in request.GET.items()}
    period = periods.period(given, now=now, zone=timezone.get_current_timezone())
    slug = request.GET.get("queue")
    queue = get_object_or_404(Queue.objects.visible_to(user), slug=slug) if slug else None
    return user, period, queue, now


@requires(Permission.DASHBOARD_READ, Permission.DASHBOARD_OWN)
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """The board of the team, or for who may not see it, of one's own work."""
    user, period, queue, now = _scope(request)
    around = {"period": period, "presets": periods.PRESETS, "queue": queue}
    if not user.may(Permission.DASHBOARD_READ):
        return render(request, "insight/own.html", {**around, "own": own.own_work(user, period), "as_of": now})
    shown = dashboards.board(user, period, queue=queue, now=now)
    tables = {slug: make(shown, now=now) for slug, make in tiles.TABLES.items()}
    query = period.query + (f"&queue={queue.slug}" if queue else "")
    rules = sorted(tables["rules"].rows, key=lambda row: -(row[2].raw or 0))
    context = {
        "rules": replace(tables["rules"], rows=rules[:MOST_RULES]),
        "more_rules": len(rules) > MOST_RULES,
        "headline": tiles.headline(shown, now=now),
        "tables": tables,
        "queues": shown.queues,
        "as_of": shown.as_of,
        "flow": tiles.flow_chart(shown, tables["flow"]),
        "ages": tiles.age_bars(tables["ages"]),
        "backends": dashboards.backends(shown, now=now),
        "query": query,
    }
    return render(request, "insight/dashboard.html", around | context)


@requires(Permission.DASHBOARD_READ)
@require_GET
def dashboard_tile(request: HttpRequest, tile: str) -> HttpResponse:
    """One tile as a table, or as CSV."""
    if tile not in tiles.TABLES:
        raise Http404
    user, period, queue, now = _scope(request)
    shown = dashboards.board(user, period, queue=queue, now=now)
    table = tiles.TABLES[tile](shown, now=now)
    if request.GET.get("format") == "csv":
        return _csv(
            f"{tile}-{period.start:%Y-%m-%d}", table.columns, ([cell.plain for cell in row] for row in table.rows)
        )
    query = period.query + (f"&queue={queue.slug}" if queue else "")
    context = {
        "table": table,
        "period": period,
        "presets": periods.PRESETS,
        "queue": queue,
        "as_of": shown.as_of,
        "query": query,
    }
    return render(request, "insight/tile.html", context)


@requires(Permission.DASHBOARD_READ, Permission.DASHBOARD_OWN)
@require_GET
def dashboard_rows(request: HttpRequest, what: str) -> HttpResponse:
    """The rows behind a number."""
    user, period, queue, now = _scope(request)
    if what not in rows.LISTINGS or (what not in rows.OWN and not user.may(Permission.DASHBOARD_READ)):
        raise Http404
    queues = [queue] if queue else list(Queue.objects.visible_to(user))
    given = {key: str(value) for key, value in request.GET.items()}
    cut = rows.Cut(user, period, queues, given, now)
    listing = rows.LISTINGS[what](cut)
    if request.GET.get("format") == "csv":
        return _csv(what, listing.columns, ([cell.plain for cell in row] for row in rows.all_of(what, cut, listing)))
    query = request.GET.copy()
    query.pop("cursor", None)
    context = {
        "listing": listing,
        "period": period,
        "queue": queue,
        "first": "cursor" not in request.GET,
        "query": query.urlencode(),
    }
    return render(request, "insight/rows.html", context)


def _csv(name: str, columns: Iterable[str], lines: Iterable[Iterable[Any]]) -> HttpResponse:
    text = csv_text(list(columns), [list(line) for line in lines])
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="reeve-{name}.csv"'},
    )


# --- The log --------------------------------------------------------------------------------------------------------


@requires(Permission.AUDIT_READ)
@require_GET
def log(request: HttpRequest) -> HttpResponse:
    """The log, newest first, as filtered; reading it is told too."""
    user: User = request.user  # type: ignore[assignment]
    now = clock.now()
    chosen = history.read(request.GET.dict(), wanted_by=user)
    actions.view_log(chosen, by=user, now=now)
    found = chosen.events(user)
    mark = request.GET.get("cursor", "")
    page, after = naming.page_of(found, mark, size=LOG_PAGE)
    context = {
        "lines": naming.lines(page, viewer=user, now=now),
        "next": after,
        "first": not mark,
        "chosen": chosen,
        "kinds": naming.EVENTS_BY_KIND,
        "echo": chosen.echo,
        "carried": urlencode(chosen.echo),
    }
    return render(request, "insight/log.html", context)


@requires(Permission.AUDIT_READ)
@require_GET
def event(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One event: its sentence, its facts, its exact bytes."""
    user: User = request.user  # type: ignore[assignment]
    now = clock.now()
    chosen = history.read({}, wanted_by=user)
    found = get_object_or_404(chosen.events(user), pk=pk)
    actions.view_log(chosen, by=user, now=now)
    payload = bytes(found.payload)
    words = naming.names_of(found.subjects, viewer=user)
    context = {
        "line": naming.lines([found], viewer=user, now=now)[0],
        "event": found,
        "payload": payload.decode(),
        "about": [(name, words.get(name)) for name in found.subjects],
        "facts": naming.facts_of(json.loads(payload)["facts"]),
        "hash": bytes(found.payload_hash).hex(),
        "whole": payload_hash(payload) == bytes(found.payload_hash),
        "known": found.type in SENTENCES,
    }
    return render(request, "insight/event.html", context)
