"""When does what happen? Openings and acts of the day in order: the stories as written, the rest fitted around them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .day_cast import from_archetypes, from_stories
from .day_data import Clock, Flagged, counts, numbers, people, stories, texts

HANDLING = {"live_room": 70, "underage": 240, "incentive_fraud": 260, "monetization_abuse": 300, "bullying": 210}
SPECIALISTS = {"live_room", "underage", "incentive_fraud", "monetization_abuse"}
LAST_DECISION = "15:38"  # what is decided later than this waits for a platform that answers badly
CLAIMS = ("decide", "escalate", "skip", "wait", "hand_off", "danger")  # these begin with a claim
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Act:
    """One thing that one person does at one time, about one account."""

    at: datetime
    do: str
    who: str = ""
    account: str = ""
    told: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """The whole day: who appears, and every act in order."""

    clock: Clock
    cast: list[Flagged]
    acts: list[Act]


def plan(ready_at: datetime) -> Plan:
    """The same plan for the same moment; nothing is read but the data of the day."""
    clock, rng = Clock(ready_at), random.Random(1600)
    told, drawn = from_stories(clock), from_archetypes(clock)
    _open(drawn, told, clock, rng)
    diary = Diary(clock, rng)
    acts = list(_story_acts(clock))
    diary.reserve(acts)
    acts += diary.work(drawn)
    acts += _reveals(acts, told + drawn, clock)
    return Plan(clock, told + drawn, sorted(acts, key=lambda act: act.at))


# --- When cases open ------------------------------------------------------------


def _open(drawn: list[Flagged], told: list[Flagged], clock: Clock, rng: random.Random) -> None:
    """Give each drawn account the time its signals arrive: late ones first, then by the hours of the day."""
    _stand(drawn, clock)
    hours = _free_hours(told, clock)
    left = [one for one in drawn if one.opened is None]
    acted = [one for one in left if one.fate not in ("waiting", "watch")]
    for one in sorted(acted, key=lambda one: one.fate != "awaiting"):
        one.opened = _in_hour(_take(hours, _may_open(one), rng), clock, rng)
    for one in left:
        if one.fate == "waiting":
            one.opened = _in_hour(_take(hours, range(6, 16), rng), clock, rng)
        elif one.fate == "watch":
            one.opened = _in_hour(rng.randrange(6, 16), clock, rng)


def _stand(drawn: list[Flagged], clock: Clock) -> None:
    """Cases that wait at the end with a stated age, and those that somebody holds then."""
    for row in counts()["standing"]:
        one = next(one for one in drawn if one.type == row["type"] and one.fate == "waiting" and one.opened is None)
        one.opened = clock.ready_at - row["minutes"] * MINUTE
    for one in drawn:
        if one.type == "live_room" and one.fate in ("claimed", "escalated"):
            one.opened = clock.ready_at - (4 if one.fate == "claimed" else 10) * MINUTE
    ending = next(one for one in drawn if one.type == "spam" and one.outcome == "suspend")
    ending.opened = clock.at("-3d 15:31")
    ending.fate = "ends soon"


def _free_hours(told: list[Flagged], clock: Clock) -> Counter[int]:
    """How many cases each hour may still open."""
    hours = Counter({6 + place: number for place, number in enumerate(counts()["opened_by_hour"])})
    start = clock.at("06:00")
    for one in told:
        if one.opened and one.opened >= start and one.opens_by != "nobody" and one.fate != "watch":
            hours[6 + int((one.opened - start) / timedelta(hours=1))] -= 1
    hours[12] -= 18  # the list edit joins the day with its room
    return +hours


def _may_open(one: Flagged) -> Iterable[int]:
    """The hours in which a case may open so that its fate can meet it while people are there."""
    if one.fate == "awaiting":
        return range(11, 15)
    if one.fate == "escalated":
        return range(10, 15)
    if one.fate == "claimed":
        return range(12, 15)
    return range(8, 15) if one.type in SPECIALISTS else range(6, 15)


def _take(hours: Counter[int], allowed: Iterable[int], rng: random.Random) -> int:
    """An hour by how many it may still open; the fullest allowed one when all are spent."""
    open_hours = [hour for hour in allowed if hours[hour] > 0]
    if not open_hours:
        return rng.choice(list(allowed))
    hour = rng.choices(open_hours, [hours[hour] for hour in open_hours])[0]
    hours[hour] -= 1
    return hour


def _in_hour(hour: int, clock: Clock, rng: random.Random) -> datetime:
    """A moment of the hour out of five, so that what arrives is taken in batches; the last hour ends early."""
    place = rng.randrange(4 if hour == 15 else 5)
    jitter = (hour * 37 + place * 101) % 500
    return clock.at(f"{hour:02}:00") + place * 12 * MINUTE + jitter * SECOND


# --- What the stories say ------------------------------------------------------------


def _story_acts(clock: Clock) -> Iterable[Act]:
    for story in stories():
        for step in story.get("step", []):
            told = {name: value for name, value in step.items() if name not in ("at", "who", "do", "accounts", "every")}
            accounts = numbers(step["accounts"]) if "accounts" in step else [""]
            for place, account in enumerate(accounts):
                at = clock.at(step["at"]) + place * step.get("every", 0) * SECOND
                handling = step.get("handling", min(step.get("every", 90) - 2, 90))
                yield Act(at, step["do"], step.get("who", ""), account, told | {"handling": handling})


def _reveals(acts: list[Act], cast: list[Flagged], clock: Clock) -> Iterable[Act]:
    """Who is shown personal data: while deciding, to check, for an authority; and one who holds no case, in vain."""
    types = {one.id: one.type for one in cast}
    wanted = [row for row in counts()["reveal"] for _ in range(row["times"])]
    decided = sorted((act for act in acts if act.do == "decide"), key=lambda act: (act.at, act.account))
    taken: set[str] = set()
    for number, row in enumerate(wanted):
        told = {name: row[name] for name in ("field", "purpose")} | {"note": row.get("note", "")}
        if "who" in row:  # somebody who holds no case, at a time of their own
            of_type = [act for act in decided if types.get(act.account) == row["type"] and act.account not in taken]
            account = of_type[number % len(of_type)].account
            yield Act(clock.at(row["at"]) + number * MINUTE, "reveal", row["who"], account, told)
            continue
        act = next(
            act
            for act in decided[number * len(decided) // len(wanted) :] + decided
            if types.get(act.account) == row["type"] and act.account not in taken and act.told["handling"] >= 40
        )
        taken.add(act.account)
        yield Act(act.at - 20 * SECOND, "reveal", act.who, act.account, told)


# --- Who works on what ------------------------------------------------------------


class Diary:
    """When everybody is busy, and the next free moment of the right person."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock, self.rng = clock, rng
        self.busy: dict[str, list[tuple[datetime, datetime]]] = {}
        self.done: Counter[str] = Counter()
        self.shifts = {
            row["username"]: (clock.at(row["shift"][0]), clock.at(row["shift"][1]))
            for row in people() if "shift" in row
        }  # fmt: skip
        roles = {row["username"]: row["role"] for row in people()}
        self.staff = {
            role: [name for name in roles if roles[name] == role] for role in ("reviewer", "specialist", "lead")
        }
        self.languages = {row["username"]: set(row["languages"]) for row in people()}

    def reserve(self, acts: list[Act]) -> None:
        """The acts of the stories come first; everything else goes around them."""
        for act in acts:
            if act.who:
                handling = act.told["handling"] if act.do in CLAIMS else 10
                self._book(act.who, act.at - handling * SECOND, act.at)
                self.done[act.who] += act.do == "decide"

    def work(self, drawn: list[Flagged]) -> list[Act]:
        """Acts for all drawn accounts, in the order in which their cases open."""
        self._book("jonas", self.clock.at("09:16"), self.clock.at("09:20"))
        acts = list(self._held(drawn))
        urgent = {"live_room": 0, "account_takeover": 1}
        todo = sorted(drawn, key=lambda one: (urgent.get(one.type, 2), one.opened))
        decided = [one for one in todo if one.fate == "decided"]
        late = [one for one in decided if one.type == "spam" and one.outcome == "warn"][-3:]
        meanwhile = self._while_away(decided)
        pool = [one for one in decided if one.outcome != "ban" and one.type != "live_room"]
        pool = [one for one in pool if one not in meanwhile and one not in late]
        again = {one.id for one in self.rng.sample(pool, k=counts()["undone_in_time"])}
        for one in todo:
            if one.fate == "ends soon":
                at = self.clock.ready_at + 40 * SECOND - timedelta(days=one.days)
                acts.append(self._decide(one, "ines", at, {}))
            elif one in late:
                acts += self._conclude(one, not_before=self.clock.at("15:40"), until="15:52")
            elif one in meanwhile:
                acts += self._conclude(one, not_before=self.clock.at("13:10"))
            elif one.fate in ("decided", "pending"):
                acts += self._conclude(one, again=one.id in again)
            elif one.fate == "awaiting":
                acts += self._conclude(one, not_before=self.clock.at("12:50"))
            elif one.fate == "escalated":
                acts.append(self._brief(one, "escalate", self.clock.at("12:15"), texts()["notes"]["escalate"]))
        return acts + list(self._skips(drawn)) + list(self._jonas(drawn))

    def _while_away(self, decided: list[Flagged]) -> list[Flagged]:
        """What people decide while the platform is away, so that its effects wait."""
        noon = self.clock.at("10:30"), self.clock.at("13:00")
        waits = ("warn", "label", "limit_reach", "restrict", "suspend")
        found = [one for one in decided if one.outcome in waits and one.type != "live_room"]
        return [one for one in found if one.opened and noon[0] < one.opened < noon[1]][:17]

    def _conclude(
        self, one: Flagged, *, not_before: datetime | None = None, until: str = LAST_DECISION, again: bool = False
    ) -> Iterable[Act]:
        """Claim and decide, perhaps undone and decided once more; and the second person's word where it is given."""
        assert one.opened is not None
        delay = self.rng.randint(40, 160) if one.type == "live_room" else self.rng.randint(240, 2400)
        handling = int(HANDLING.get(one.type, 150) * self.rng.uniform(0.6, 1.4))
        earliest = max(one.opened + delay * SECOND, not_before or one.opened)
        who, at = self._find(self._staff_for(one), earliest, handling + 40 * again, self.clock.at(until))
        self.done[who] += 1
        yield self._decide(one, who, at - 40 * again * SECOND, {"handling": handling, "undone": again})
        if again:
            yield Act(at - 34 * SECOND, "undo", who, one.id)
            yield self._decide(one, who, at, {"handling": 0})
        if one.fate == "decided" and one.outcome in ("ban", "demonetize"):
            leads = ["lena"] if one.type == "underage" else self.staff["lead"]
            lead, word_at = self._find(leads, at + self.rng.randint(180, 1200) * SECOND, 25, self.clock.at("15:39"))
            yield Act(word_at, "approve", lead, one.id, {"note": self.rng.choice(texts()["notes"]["approve"])})

    def _decide(self, one: Flagged, who: str, at: datetime, told: dict[str, Any]) -> Act:
        note = self.rng.choice(texts()["notes"][one.outcome])
        said = {"outcome": one.outcome, "reason": one.reason, "days": one.days, "scope": one.scope, "note": note}
        undo = {"undo": 0} if one.type == "live_room" else {}
        return Act(at, "decide", who, one.id, {"handling": 60} | said | undo | told)

    def _brief(
        self, one: Flagged, do: str, not_before: datetime, notes: list[str], who: list[str] | None = None
    ) -> Act:
        assert one.opened is not None
        earliest = max(one.opened + 5 * MINUTE, not_before)
        found, at = self._find(who or self._staff_for(one), earliest, 60, self.clock.at("15:58"))
        return Act(at, do, found, one.id, {"note": self.rng.choice(notes), "handling": 50})

    def _held(self, drawn: list[Flagged]) -> Iterable[Act]:
        """What somebody holds at the end. Tomo's claim is given back a minute later, five after its lease."""
        for risk_type, who, at in (
            ("bullying", "lena", "15:52"), ("fake_account", "tomo", "15:48"), ("spam", "ines", "15:55"),
            ("live_room", "omar", "15:58:30"),
        ):  # fmt: skip
            one = next(one for one in drawn if one.type == risk_type and one.fate == "claimed")
            self._book(who, self.clock.at(at), self.clock.ready_at)
            yield Act(self.clock.at(at), "claim", who, one.id)

    def _skips(self, drawn: list[Flagged]) -> Iterable[Act]:
        waiting = [one for one in drawn if one.fate == "waiting" and one.type not in SPECIALISTS | {"account_takeover"}]
        waiting = [one for one in waiting if one.opened and one.opened < self.clock.at("14:40")]
        notes, wanted = texts()["notes"], counts()["skipped"]
        foreign = [(one, who) for one in waiting if one.lang != "en" for who in ("milo", "ada", "ines", "tomo")
                   if one.lang not in self.languages[who]]  # fmt: skip
        used: set[str] = set()
        for one, who in foreign:
            if one.id not in used and len(used) < counts()["skipped_by_language"] and self._is_there(who, one):
                used.add(one.id)
                yield self._brief(one, "skip", self.clock.at("06:10"), notes["skip_language"], [who])
        for one in waiting:
            if one.id not in used and len(used) < wanted and one.opened and one.opened > self.clock.at("06:00"):
                used.add(one.id)
                yield self._brief(one, "skip", self.clock.at("06:10"), notes["skip"])

    def _jonas(self, drawn: list[Flagged]) -> Iterable[Act]:
        """He leaves with a case in hand, which returns with its draft."""
        early = self.clock.at("06:00"), self.clock.at("09:00")
        one = next(one for one in drawn if one.fate == "waiting" and one.type == "fake_account"
                   and one.opened and early[0] < one.opened < early[1])  # fmt: skip
        yield Act(self.clock.at("09:18"), "draft", "jonas", one.id, {"note": "Half way through; the device is next."})

    def _is_there(self, who: str, one: Flagged) -> bool:
        assert one.opened is not None
        return one.opened + 20 * MINUTE < self.shifts[who][1]

    def _staff_for(self, one: Flagged) -> list[str]:
        return self.staff["specialist"] if one.type in SPECIALISTS else self.staff["reviewer"]

    def _find(self, names: list[str], earliest: datetime, seconds: int, latest: datetime) -> tuple[str, datetime]:
        """Who of them is free first for so long, less those who have done their share; and when they are done."""
        best: tuple[datetime, str, datetime] | None = None
        for name in names:
            start = self._free(name, earliest, seconds)
            end = start + seconds * SECOND
            if end > min(latest, self.shifts[name][1]):
                continue
            share = self.done[name] / counts()["decided_by"].get(name, 20)
            cost = start + share * timedelta(minutes=50)
            if best is None or cost < best[0]:
                best = (cost, name, end)
        if best is None:  # nobody has time before the end of their shift: somebody makes room
            return self._squeeze(names, earliest, seconds, latest)
        self._book(best[1], best[2] - seconds * SECOND, best[2])
        return best[1], best[2]

    def _squeeze(self, names: list[str], earliest: datetime, seconds: int, latest: datetime) -> tuple[str, datetime]:
        if seconds <= 20:
            raise RuntimeError(f"nobody of {names} has time after {earliest:%H:%M}")
        return self._find(names, earliest - 10 * MINUTE, seconds // 2, latest)

    def _free(self, name: str, earliest: datetime, seconds: int) -> datetime:
        start = max(earliest, self.shifts[name][0])
        for begin, end in sorted(self.busy.get(name, [])):
            if end <= start:
                continue
            if begin - start >= (seconds + 4) * SECOND:
                break
            start = end + 4 * SECOND
        return start

    def _book(self, name: str, begin: datetime, end: datetime) -> None:
        self.busy.setdefault(name, []).append((begin, end))
