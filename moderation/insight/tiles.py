"""Which number stands on which tile, what does it count, what is behind it? One table per tile, for page and CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from portal.wording import BAND_WORDS, capped, number, plain, span

from . import dashboards
from .dashboards import Board
from .figures import Share, hours, share

BANDS = ("critical", "high", "review", "watch", "low")


@dataclass(frozen=True)
class Cell:
    """One cell: what is said, what a CSV says, where it leads; a share carries its interval."""

    said: str
    raw: Any = None
    url: str = ""
    share: Share | None = None
    late: bool = False
    number: bool = True

    @property
    def is_number(self) -> bool:
        return self.number and self.share is None

    @property
    def plain(self) -> Any:
        return self.said if self.raw is None else self.raw


@dataclass(frozen=True)
class Table:
    """A tile as a table: its rows open what they count."""

    slug: str
    title: str
    definition: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def heads(self) -> list[tuple[str, bool]]:
        return heads(self.columns, self.rows)


def heads(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[tuple[str, bool]]:
    """The columns, each with whether it holds numbers."""
    first = rows[0] if rows else ()
    return [(name, index < len(first) and first[index].is_number) for index, name in enumerate(columns)]


def text(said: str, url: str = "") -> Cell:
    return Cell(said, url=url, number=False)


def count(n: int, url: str = "", *, late: bool = False) -> Cell:
    return Cell(number(n), n, url if n else "", late=late and n > 0)


def of_share(k: int, n: int, url: str = "") -> Cell:
    found = share(k, n)
    raw = "" if found.point is None else f"{found.point:.4f}"
    return Cell(found.words, raw, url, found)


def rows_url(shown: Board, what: str, **more: str) -> str:
    """The items behind a number: the same period, queue and cut."""
    query: dict[str, str] = dict(part.split("=") for part in shown.period.query.split("&"))
    if shown.queue and "queue" not in more:
        query["queue"] = shown.queue.slug
    return f"{reverse('dashboard-rows', args=[what])}?{urlencode(query | more)}"


def backlog(shown: Board, *, now: datetime) -> Table:
    """What waits, by queue and band, in items and in hours of work."""
    rows = []
    for queue in shown.queues:
        slug, waiting = queue.slug, shown.waiting(queue.slug)
        open_now = shown.of_queue("open", slug)
        if not open_now and not (shown.queue and shown.queue.slug == slug):
            continue
        oldest = shown.oldest(slug)
        rows.append(
            [
                text(queue.title, rows_url(shown, "waiting", queue=slug)),
                count(waiting, rows_url(shown, "waiting", queue=slug)),
                *[count(shown.waiting(slug, band), rows_url(shown, "waiting", queue=slug, of=band)) for band in BANDS],
                Cell(hours(shown.work(slug)), round(shown.work(slug) / 3600, 2)),
                Cell(span(now - oldest) if oldest else "–", round((now - oldest).total_seconds()) if oldest else ""),
                count(shown.of_queue("late", slug), rows_url(shown, "late", queue=slug), late=True),
                count(shown.of_queue("due_soon", slug), rows_url(shown, "due", queue=slug)),
            ]
        )
    columns = [
        "Queue",
        "Waiting",
        *(BAND_WORDS[band] for band in BANDS),
        "Work",
        "Oldest",
        "Late",
        "Due within the hour",
    ]
    definition = (
        "Cases that wait for a person now, by queue and band of their score. Work is their number times the mean time"
        " from claim to decision in this period (fewer than 5 decisions: in 28 days; else what the queue is staffed"
        " for). Late: still open after the time the queue promises from receipt to effect; cases that wait for somebody"
        " outside are not counted."
    )
    return Table("backlog", "Backlog by queue and severity", definition, columns, rows)


def ages(shown: Board, *, now: datetime) -> Table:
    from .rollups import AGES

    found = shown.now_by("age")
    rows = [[text(words), count(found.get(words, 0), rows_url(shown, "waiting", age=words))] for words, _ in AGES]
    return Table(
        "ages", "Age of what waits", "Time since the case was opened, of cases waiting now.", ["Age", "Waiting"], rows
    )


def flow(shown: Board, *, now: datetime) -> Table:
    hourly = shown.period.step.total_seconds() == 3600
    rows = []
    for index, start in enumerate(shown.period.steps):
        when = f"{start:%Y-%m-%d %H:%M}" if hourly else f"{start:%Y-%m-%d}"
        rows.append([text(when), count(shown.series["opened"][index]), count(shown.series["closed"][index])])
    definition = (
        "Opened: cases by the time they were opened. Closed: by the time they were decided, withdrawn or handed off."
        " Both by the queue the case stands in now. Times are UTC."
    )
    title = "Opened and closed, by hour" if hourly else "Opened and closed, by day"
    return Table("flow", title, definition, ["From", "Opened", "Closed"], rows)


def policies(shown: Board, *, now: datetime) -> Table:
    decided, reversed_ = shown.by("decided"), shown.by("reversed")
    names = dashboards.policy_names({*decided, *reversed_} - {""})
    rows = []
    for code in sorted({*decided, *reversed_}, key=lambda code: (code == "", code)):
        n, k = decided.get(code, 0), reversed_.get(code, 0)
        title = f"{code} {names.get(code, '')}".strip() or "No policy (no action)"
        rows.append(
            [
                text(title, rows_url(shown, "decided", policy=code or "none")),
                count(n, rows_url(shown, "decided", policy=code or "none")),
                count(k, rows_url(shown, "reversed", policy=code or "none")),
                of_share(k, n),
            ]
        )
    definition = (
        "Decided: decisions made in this time that took or will take effect (not undone, not declined, not waiting for"
        " a second person). Reversed: reversals made in this time, by the policy of the decision they reverse. Share:"
        " reversed ÷ decided, with its 95 % interval."
    )
    return Table(
        "policies", "Decisions by policy", definition, ["Policy", "Decided", "Reversed", "Reversed ÷ decided"], rows
    )


def reviewers(shown: Board, *, now: datetime) -> Table:
    decided, reversed_, undone = shown.by("decided_by"), shown.by("reversed_by"), shown.by("undone_by")
    names = dashboards.people_names({*decided, *reversed_, *undone})
    rows = []
    for key in sorted({*decided, *reversed_, *undone}, key=lambda key: names.get(key, key)):
        name = names.get(key, key)
        rows.append(
            [
                text(name, rows_url(shown, "decided", by=name)),
                count(decided.get(key, 0), rows_url(shown, "decided", by=name)),
                count(reversed_.get(key, 0), rows_url(shown, "reversed", by=name)),
                of_share(reversed_.get(key, 0), decided.get(key, 0)),
                count(undone.get(key, 0)),
            ]
        )
    definition = (
        "By who made the decision, in order of name: these numbers are not comparable between people (queues differ)"
        " and are never ranked. Undone: taken back by the person within the undo window; it is good practice."
    )
    columns = ["Person", "Decided", "Reversed", "Reversed ÷ decided", "Undone"]
    return Table("reviewers", "Decisions by reviewer", definition, columns, rows)


def rules(shown: Board, *, now: datetime) -> Table:
    decided, confirmed = shown.by("rule_decided"), shown.by("rule_confirmed")
    says = dashboards.rule_sentences(decided)
    rows = []
    for name in sorted(decided):
        risk_type, version, key = [*name.split(" ", 2), "", ""][:3]
        rows.append(
            [
                text(f"{plain(risk_type)} {version}: {key}", rows_url(shown, "rule", rule=name)),
                Cell(says.get(name, ""), number=False),
                count(decided[name], rows_url(shown, "rule", rule=name)),
                count(confirmed.get(name, 0), rows_url(shown, "rule", rule=name, of="confirmed")),
                of_share(confirmed.get(name, 0), decided[name]),
            ]
        )
    definition = (
        "Confirmed ÷ decided among cases whose score carried points of the rule, by version of the strategy. Counted"
        " are decisions that say yes or no (not “cannot tell”, “already dealt with”); a reversed one does not confirm."
        " With n and 95 % interval (Wilson): a rule with few cases is not yet known to be good or bad."
    )
    columns = ["Rule", "Says", "Decided", "Confirmed", "Precision"]
    return Table("rules", "Precision by rule", definition, columns, rows)


def effects(shown: Board, *, now: datetime) -> Table:
    rows = []
    for backend in dashboards.backends(shown, now=now):
        for found, open_ in ((backend["open"], True), (backend["settled"], False)):
            for state, n in sorted(found.items()):
                url = rows_url(shown, "effects", state=state, backend=backend["name"])
                when = "now" if open_ else shown.period.words
                rows.append([text(backend["name"]), text(state.replace("_", " "), url), text(when), count(n, url)])
    definition = (
        "Actions by backend and state: those not settled as they stand now, those settled by when they were settled."
        " Time to effect runs from the opening of the case to the platform's confirmation, of first actions (not of"
        " endings and reversals); percentiles come from buckets 5 % wide."
    )
    return Table("effects", "Effects by backend and state", definition, ["Backend", "State", "When", "Actions"], rows)


TABLES: dict[str, Callable[..., Table]] = {
    "backlog": backlog,
    "ages": ages,
    "flow": flow,
    "policies": policies,
    "reviewers": reviewers,
    "rules": rules,
    "effects": effects,
}


def headline(shown: Board, *, now: datetime) -> list[dict[str, Any]]:
    """The five numbers at the top: what, how it is counted, and where its rows are."""
    p50, p95 = shown.effect_time(0.5), shown.effect_time(0.95)
    effects_, late = shown.total("effect_time"), shown.now("late")
    decided, turned = shown.total("decided"), shown.total("reversed")
    oldest, proposed = shown.oldest(), shown.now_by("open").get("proposed", 0)
    in_time, overturned = share(effects_ - shown.total("effect_late"), effects_), share(turned, decided)
    waits = f"{number(shown.waiting())} cases at the measured handling time"
    soon = f"{number(shown.now('due_soon'))} due within the hour"
    told = (
        ("Backlog", hours(shown.work()), "waiting", waits + (f"; oldest {span(now - oldest)}" if oldest else "")),
        ("Late", number(late), "late", f"past the queue's promise · {soon} · {in_time.words} of effects in time"),
        (
            "Time to effect",
            f"p50 {span(p50)}" if p50 is not None else "–",
            "effects",
            (f"p95 {span(p95)} · " if p95 is not None else "") + f"{number(effects_)} effects, from receipt to applied",
        ),
        (
            "Reversed",
            f"{number(turned)} of {number(decided)}",
            "reversed",
            f"of decisions in this time: {overturned.words} ({overturned.interval})",
        ),
        (
            "Second person",
            capped(proposed, 1000),
            "proposed",
            "proposals that wait for somebody who is not their author",
        ),
    )
    return [
        {
            "title": title,
            "figure": figure,
            "hint": hint,
            "url": rows_url(shown, what),
            "late": what == "late" and late > 0,
        }
        for title, figure, what, hint in told
    ]


def flow_chart(shown: Board, table: Table) -> dict[str, Any]:
    """The flow as the bars tag takes it."""
    hourly = shown.period.step.total_seconds() == 3600
    long = len(shown.period.steps) > 24
    labels = [
        (f"{start:%a %H}" if long else f"{start:%H}") if hourly else f"{start.day} {start:%b}"
        for start in shown.period.steps
    ]
    return {
        "title": table.title,
        "labels": labels,
        "series": [
            {"name": "opened", "values": shown.series["opened"], "tone": "review"},
            {"name": "closed", "values": shown.series["closed"], "tone": "accent"},
        ],
    }


def age_bars(table: Table) -> list[dict[str, Any]]:
    """Ages as the bars tag takes them, darker with age."""
    tones = ("low", "watch", "review", "high", "critical")
    return [
        {"label": row[0].said, "value": row[1].raw, "said": row[1].said, "tone": tone, "url": row[1].url}
        for row, tone in zip(table.rows, tones, strict=True)
    ]
