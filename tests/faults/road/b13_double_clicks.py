"""B13: a decision is sent again and again, by the page and by the API; it is made once and always answered alike.

Each key goes out as several POSTs at one moment, then once more when all were answered, then with another body. The
design's 50 at once come for every 49th key, 4 for the others, for twice its keys.
"""

from __future__ import annotations

import collections
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .b01_workers_die import settle
from .invariants import check
from .scene import Run, Scene
from .web import Answer, Visitor, Web, case_of

DOORS = ("page", "api", "both", "two bodies")
BATCH = 40  # cases made before they are clicked on: a claim lasts some minutes
FIRST = {"outcome": "warn", "reason_code": "bulk_messages", "note": ""}
OTHER = FIRST | {"note": "said otherwise"}


@dataclass
class Click:
    """One key and everything that was answered to it."""

    number: int
    case: Any
    person: Visitor
    door: str
    form: dict[str, Any] = field(default_factory=dict)
    first: list[tuple[str, Answer]] = field(default_factory=list)  # at one moment: (door and body, what was told)
    again: Answer | None = None
    otherwise: Answer | None = None

    def send(self, door: str, body: dict[str, Any]) -> Answer:
        """By one door, with one of the two bodies, always under this click's key."""
        if door == "page":
            return self.person.page(f"/cases/{self.case.pk}/decide/", self.form | body)
        told = body | {"version": self.case.version, "undo_seconds": 0}
        return self.person.api(f"/cases/{self.case.pk}/decisions", told, once=f"click-{self.case.pk}")

    @property
    def sent(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What goes out at one moment: its name, its door, its body."""
        halves = {
            "page": [("page", "page", FIRST)] * 2,
            "api": [("api", "api", FIRST)] * 2,
            "both": [("page", "page", FIRST), ("api", "api", FIRST)],
            "two bodies": [("api", "api", FIRST), ("other", "api", OTHER)],
        }
        return halves[self.door]

    @property
    def taken(self) -> list[str]:
        """The names under which something was made: one, or it was made twice."""
        return sorted({name for name, answer in self.first if answer.status in (201, 302)})


def play(run: Run) -> None:
    """Key by key, while worker and dispatcher carry out what was decided."""
    stage = run.stage()
    web = Web(stage)
    people = web.people(4, "reviewer", browser=True)
    for name in ("worker", "dispatcher"):
        stage.start(name)
    clicks: list[Click] = []
    with ThreadPoolExecutor(max_workers=2) as lanes:
        while len(clicks) < run.size["keys"]:
            more = prepare(people, first=len(clicks), count=min(BATCH, run.size["keys"] - len(clicks)))
            list(lanes.map(lambda click: play_one(run, web, click), more))
            clicks += more
    web.stop()
    run.hold("all was carried out", settle(stage, within=120))
    look(run, clicks)
    check(run, stage)


def prepare(people: list[Visitor], *, first: int, count: int) -> list[Click]:
    """Cases in the hands of people, each to be clicked on by one of the doors."""
    clicks = []
    for number in range(first, first + count):
        person = people[number % len(people)]
        clicks.append(Click(number, case_of(person), person, DOORS[number % len(DOORS)]))
    return clicks


def play_one(run: Run, web: Web, click: Click) -> None:
    """At one moment, then again, then otherwise."""
    if click.door in ("page", "both"):
        click.form = click.person.form(f"/cases/{click.case.pk}/", "/decide/")
    at_once = run.size["crowd"] if click.number % run.size["crowd_every"] == 0 else run.size["at_once"]
    sent = (click.sent * at_once)[:at_once]
    told = web.together([lambda door=door, body=body: click.send(door, body) for _, door, body in sent])
    click.first = [(name, answer) for (name, _, _), answer in zip(sent, told, strict=True)]
    name = (click.taken or [click.sent[0][0]])[0]
    door, body = next((door, body) for other, door, body in click.sent if other == name)
    click.again = click.send(door, body)
    click.otherwise = click.send(door, FIRST if body is OTHER else OTHER)
    statuses = [(name, answer.status) for name, answer in click.first]
    run.history.add("clicked", case=click.case.pk, door=click.door, told=statuses,
                    again=click.again.status, otherwise=click.otherwise.status)  # fmt: skip
    for answer in {answer.told["id"]: answer for _, answer in click.first if answer.status == 201}.values():
        for action in answer.told["enforcements"]:
            run.history.add("ordered", action=action["id"], case=click.case.pk)


def look(run: Run, clicks: list[Click]) -> None:
    """What was answered beside what was made."""
    from moderation.decisions.models import Decision
    from moderation.enforcement.models import Enforcement

    about = [click.case.pk for click in clicks]
    made = collections.Counter(Decision.objects.filter(case__in=about).values_list("case", flat=True))
    ordered = collections.Counter(
        Enforcement.objects.filter(decision__case__in=about, kind="warn").values_list("decision__case", flat=True)
    )
    sent = sum(len(click.first) for click in clicks)
    doors = ", ".join(f"{n} {door}" for door, n in sorted(collections.Counter(c.door for c in clicks).items()))
    run.hold("keys were clicked", len(clicks) == run.size["keys"], f"{len(clicks)} ({doors}), {sent} POSTs at once")
    once = sum(made[pk] == 1 for pk in about)
    run.hold("one decision each", once == len(about), f"{once} of {len(about)}")
    once = sum(ordered[pk] == 1 for pk in about)
    run.hold("one action each", once == len(about), f"{once} of {len(about)}")
    odd = [click for click in clicks if wrong(click)]
    told = collections.Counter(f"{name} {answer.status}" for click in clicks for name, answer in click.first)
    figures = ", ".join(f"{n} × {what}" for what, n in sorted(told.items()))
    run.hold("at one moment: the first's result, or 409 or 422", not odd, figures)
    alike = sum(answered_alike(click) for click in clicks)
    run.hold("a repeat answers the first result", alike == len(clicks), f"{alike} of {len(clicks)}")
    refused = sum(click.otherwise is not None and click.otherwise.status == 422 for click in clicks)
    run.hold("another body under the key answers 422", refused == len(clicks), f"{refused} of {len(clicks)}")


def wrong(click: Click) -> bool:
    """Whether somebody was told what is not so: two results, or a refusal that is none of these."""
    results = {answer.told["id"] for _, answer in click.first if answer.status == 201}
    if len(click.taken) != 1 or len(results) > 1:
        return True
    [taken] = click.taken
    allowed = {"two bodies": (422, 409)}.get(click.door, (409,))
    lost = [answer.status for name, answer in click.first if name != taken]
    still = [answer.status for name, answer in click.first if name == taken and answer.status not in (201, 302)]
    return any(status not in allowed for status in lost) or any(status != 409 for status in still)


def answered_alike(click: Click) -> bool:
    """Whether the one after all others was told what the first was."""
    results = {answer.told["id"] for _, answer in click.first if answer.status == 201}
    if click.again is None or click.again.status not in (201, 302):
        return False
    return click.again.status == 302 or {click.again.told["id"]} == results


SCENE = Scene(
    "B13",
    "double clicks and replays",
    play,
    small={"keys": 24, "at_once": 4, "crowd": 20, "crowd_every": 9},
    full={"keys": 2000, "at_once": 4, "crowd": 50, "crowd_every": 49},
)
